"""Alerts over HTTP into a real Kafka, from a real Prometheus and a real Alertmanager."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from correlator.devkafka import Broker, free_ports
from tests.integration import peers
from tests.integration.workers import Worker, World, wait_for
from tests.shell.http.amazon import CERTIFICATE, notification, sealed
from tests.shell.http.authority import Authority

#: Times short enough for a test; the wall clock, since Prometheus has no other.
QUICK = ["hold_min_seconds=0.5", "hold_quiet_seconds=0.5", "hold_max_seconds=2", "resolve_after_seconds=1"]
ALERT = {"labels": {"alertname": "ServiceDown", "service": "db", "severity": "critical"}}


def post(port: int, path: str, document: object) -> tuple[int, dict[str, str]]:
    """Return status and headers; status 0 while nobody answers."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(document).encode(), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers)
    except OSError:
        return 0, {}


def incidents(world: World) -> list[dict[str, Any]]:
    return [json.loads(value) for value in world.incidents()]


def started(world: World, *overrides: str) -> Worker:
    return world.start(*QUICK, *overrides)


def test_an_alert_of_a_real_prometheus_becomes_an_incident_and_resolves(kafka: Broker, tmp_path: Path) -> None:
    peers.prometheus_program()
    world, target = World(kafka.bootstrap_servers, tmp_path / "w", clock="wall"), peers.Target()
    try:
        target.start()
        worker = started(world).wait_ready()
        alerting = f"  - static_configs: [{{targets: ['127.0.0.1:{worker.port}']}}]\n    api_version: v2\n"
        with peers.prometheus(tmp_path / "p", alerting, job="checkout", target=target.port) as log:
            target.stop()
            opened = wait_for(lambda: incidents(world), f"an incident\n{log.read_text()[-2000:]}")[0]
            assert opened["status"] == "triggered"
            assert opened["root_cause"]["service"] == "checkout"
            target.start()
            wait_for(lambda: incidents(world)[-1]["status"] == "resolved", "its end")
        told = incidents(world)
        assert {one["incident_id"] for one in told} == {opened["incident_id"]}
        assert any(one["page"] for one in told)
        assert world.rejected() == []
        assert worker.metric('correlator_http_requests_total{format="prometheus",status="200"}') >= 2
        assert worker.metric('correlator_alerts_received_total{source="prometheus",status="resolved"}') >= 1
    finally:
        target.stop()
        world.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.made(tmp_path_factory.mktemp("authority"))


def test_a_real_alertmanager_tells_by_webhook_and_as_pagerduty_over_tls_with_certificate_and_token(
    kafka: Broker, tmp_path: Path, authority: Authority
) -> None:
    peers.prometheus_program(), peers.alertmanager_program()
    certificate, key = authority.issue("worker", "-addext", "subjectAltName=IP:127.0.0.1")
    own_certificate, own_key = authority.issue("alertmanager")
    (tmp_path / "token").write_text("s3cret\n")
    world, target = World(kafka.bootstrap_servers, tmp_path / "w", clock="wall"), peers.Target()
    try:
        target.start()
        worker = started(
            world,
            f"http.token_file={tmp_path / 'token'}",
            f"http.tls_cert_file={certificate}",
            f"http.tls_key_file={key}",
            f"http.tls_client_ca_file={authority.cert}",
        ).trusting(authority.cert)
        worker.wait_ready()
        http = (
            f"http_config: {{authorization: {{credentials_file: {tmp_path / 'token'}}}, tls_config: {{"
            f"ca_file: {authority.cert}, cert_file: {own_certificate}, key_file: {own_key}}}}}"
        )
        address = f"https://127.0.0.1:{worker.port}"
        receiver = (
            f"  webhook_configs:\n  - url: {address}/webhooks/alertmanager\n    {http}\n"
            f"  pagerduty_configs:\n  - url: {address}/v2/enqueue\n    routing_key: key\n    {http}\n"
        )
        with peers.alertmanager(tmp_path / "a", receiver) as port:
            alerting = f"  - static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n    api_version: v2\n"
            with peers.prometheus(tmp_path / "p", alerting, job="payments", target=target.port):

                def taken(path: str, status: int) -> float:
                    return worker.metric(f'correlator_http_requests_total{{format="{path}",status="{status}"}}')

                target.stop()
                wait_for(lambda: taken("alertmanager", 200) and taken("pagerduty", 202), "both ways tell of the alert")
                wait_for(lambda: incidents(world), "an incident")
                target.start()
                wait_for(lambda: taken("alertmanager", 200) > 1 and taken("pagerduty", 202) > 1, "and of its end")
                wait_for(
                    lambda: {"resolved"} == {one["status"] for one in latest(world).values()}, "everything is resolved"
                )
        assert world.rejected() == []
        for source in ("alertmanager", "pagerduty"):
            assert worker.metric(f'correlator_alerts_received_total{{source="{source}",status="resolved"}}') >= 1
        assert worker.metric('correlator_http_refused_total{reason="no_token"}') == 0
    finally:
        target.stop()
        world.close()


def latest(world: World) -> dict[str, dict[str, Any]]:
    return {one["incident_id"]: one for one in incidents(world)}


@pytest.mark.long
def test_a_worker_without_partitions_takes_alerts_and_the_one_with_them_correlates(
    kafka: Broker, tmp_path: Path
) -> None:
    world = World(kafka.bootstrap_servers, tmp_path / "w", clock="wall")
    try:
        first = started(world).wait_ready()
        second = started(world)
        wait_for(lambda: post(second.port, "/api/v2/alerts", [ALERT])[0] == 200, "the second takes it")
        wait_for(lambda: incidents(world), "the incident")
        workers = [first, second]
        owners = [one for one in workers if one.metric("correlator_events_applied_total")]
        assert len(owners) == 1, "one partition has one owner"
        other = next(one for one in workers if one is not owners[0])
        # It has no partition, and takes alerts all the same.
        assert post(other.port, "/webhooks/prometheus", ALERT)[0] == 200
        assert other.metric('correlator_http_requests_total{format="prometheus",status="200"}') >= 1
    finally:
        world.close()


@pytest.mark.long
def test_an_alarm_that_amazon_signed_becomes_an_incident_and_one_that_it_did_not_is_turned_away(
    kafka: Broker, tmp_path: Path
) -> None:
    file = tmp_path / "sns.pem"
    file.write_bytes(CERTIFICATE)
    world = World(kafka.bootstrap_servers, tmp_path / "w", clock="wall")
    try:
        worker = started(world, "http.sns_signatures=true", f"http.sns_certificate_file={file}").wait_ready()
        assert post(worker.port, "/webhooks/sns", notification())[0] == 403
        assert post(worker.port, "/webhooks/sns", sealed(notification()))[0] == 200
        opened = wait_for(lambda: incidents(world), "the incident")[0]
        assert opened["root_cause"]["service"] == "checkout"
        assert worker.metric('correlator_http_refused_total{reason="signature"}') == 1
    finally:
        world.close()


@pytest.mark.long
def test_without_kafka_a_post_gets_503_and_what_got_200_is_never_lost(kafka: Broker, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    world = World(f"127.0.0.1:{port}", tmp_path / "w", clock="wall", create=False)
    services: list[str] = []

    def told(service: str) -> int:
        status, headers = post(worker.port, "/api/v2/alerts", [{"labels": {**ALERT["labels"], "service": service}}])
        if status == 200:
            services.append(service)
        elif status:
            assert (status, int(headers["Retry-After"]) >= 1) == (503, True)
        return status

    try:
        worker = started(world, "http.kafka_timeout_seconds=1")
        wait_for(lambda: told("early") == 503, "without any Kafka it refuses")
        with Broker(port=port) as broker:
            world.create_topics()
            wait_for(lambda: told("first") == 200, "with Kafka it takes alerts")
            worker.wait_ready()
            broker.kill()
            wait_for(lambda: told("meanwhile") == 503, "without Kafka it refuses again")
            broker.restart()
            wait_for(lambda: told("later") == 200, "and takes them when it is back")
            wait_for(
                lambda: (
                    set(services)
                    <= {alert["service"] for one in latest(world).values() for alert in one["alerts"]["sample"]}
                ),
                "every alert that got 200 is in an incident",
                seconds=120,
            )
            wait_for(lambda: worker.metric("correlator_http_in_flight_bytes") == 0, "nothing is left in memory")
            assert worker.process.poll() is None
    finally:
        world.close()
