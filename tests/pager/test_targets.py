from __future__ import annotations

import io

import aiohttp
import msgspec
import pytest
import structlog
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from correlator.config_pager import PagerConfig, PagerDutyTarget, WebhookTarget
from correlator.errors import ConfigError
from correlator.pager.connection import Outage
from correlator.pager.exchange import Backoff
from correlator.pager.intake import Poison, decode
from correlator.pager.mark import NOTHING
from correlator.pager.metrics import PagerMetrics
from correlator.pager.targets import channels
from correlator.pager.transports import Topics
from correlator.pager.web import application
from tests.pager.incidents import paged

KEY = "0123456789abcdef0123456789abcdef"
TOPICS = Topics({})


async def test_a_missing_secret_is_named_and_every_problem_told_at_once() -> None:
    pager = PagerConfig(
        targets=(
            PagerDutyTarget(name="pd", routing_key_env="PD_KEY"),
            WebhookTarget(name="hook", url="ftp://x", token_env="HOOK_TOKEN"),
        )
    )
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ConfigError) as caught:
            channels(pager, environ={}, session=session, topics=TOPICS, windows=tuple, console=None)
    assert [word in str(caught.value) for word in ("PD_KEY", "HOOK_TOKEN", "http://")] == [True, True, True]


async def test_a_pager_without_a_target_is_an_error() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ConfigError, match="no target"):
            channels(PagerConfig(), environ={}, session=session, topics=TOPICS, windows=tuple, console=None)


async def test_targets_are_built_with_their_secrets() -> None:
    pager = PagerConfig(targets=(PagerDutyTarget(name="pd"), WebhookTarget(name="hook", url="http://x/y")))
    async with aiohttp.ClientSession() as session:
        built = channels(
            pager, environ={"PAGERDUTY_ROUTING_KEY": KEY}, session=session, topics=TOPICS, windows=tuple, console=None
        )
    assert [(channel.dialect.name, channel.per_minute) for channel in built] == [("pd", 110), ("hook", None)]
    event = paged()
    request = built[0].dialect.request(event, built[0].dialect.step(event, NOTHING, missed=False, now=0.0), 0.0)
    assert request.url == "https://events.pagerduty.com/v2/enqueue"
    assert msgspec.json.decode(request.body)["routing_key"] == KEY


async def test_the_terminal_prints_what_it_is_given() -> None:
    screen = io.StringIO()
    async with aiohttp.ClientSession() as session:
        (channel,) = channels(PagerConfig(), environ={}, session=session, topics=TOPICS, windows=tuple, console=screen)
        event = paged()
        request = channel.dialect.request(event, channel.dialect.step(event, NOTHING, missed=False, now=0.0), 0.0)
        reply = await channel.transport(request)
    assert reply.status == 200
    assert "PAGE" in screen.getvalue()


def test_an_incident_event_survives_the_wire() -> None:
    assert decode(msgspec.json.encode(paged())) == paged()


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        (b"\xff\xfe", "not_json"),
        (b"", "not_json"),
        (b"{", "not_json"),
        (b'{"x": ' + b"[" * 100_000, "not_json"),
        (b"[]", "wrong_schema"),
        (b'{"schema": "incident-event/1"}', "wrong_schema"),
        (msgspec.json.encode(msgspec.structs.replace(paged(), schema="incident-event/2")), "wrong_schema"),
        (msgspec.json.encode(msgspec.structs.replace(paged(), incident_id="")), "wrong_schema"),
        (msgspec.json.encode(msgspec.structs.replace(paged(), revision=0)), "wrong_schema"),
    ],
)
def test_what_is_no_incident_event_is_told_apart(value: bytes, outcome: str) -> None:
    with pytest.raises(Poison) as caught:
        decode(value)
    assert caught.value.outcome == outcome


async def test_readiness_is_that_of_every_target_and_liveness_of_none() -> None:
    states = {"pd": True, "hook": False}
    metrics = PagerMetrics(CollectorRegistry())
    metrics.notifications.labels("pd", "trigger", "delivered").inc()
    async with TestClient(TestServer(application(metrics.registry, readiness=lambda: states))) as client:
        assert (await client.get("/health")).status == 200
        assert (await client.get("/ready")).status == 503
        states["hook"] = True
        assert (await client.get("/ready")).status == 200
        text = await (await client.get("/metrics")).text()
    assert 'correlator_notifications_total{action="trigger",outcome="delivered",target="pd"} 1.0' in text


def test_an_outage_is_told_of_once_paced_and_over_with_the_first_success() -> None:
    outage = Outage(lambda: 0.5, backoff=Backoff(min_seconds=1, max_seconds=4))
    with structlog.testing.capture_logs() as logs:
        outage.succeeded()
        assert not outage.lasting
        assert [outage.failed("no route") for _ in range(4)] == [1.5, 2.5, 2.5, 2.5]
        assert outage.lasting
        outage.succeeded()
        assert not outage.lasting
    assert [(entry["log_level"], entry["event"]) for entry in logs] == [
        ("warning", "Kafka does not serve, waiting"),
        ("info", "Kafka serves again"),
    ]
