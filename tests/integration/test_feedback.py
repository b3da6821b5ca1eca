"""Feedback through a real Kafka: an operator's word in, the log, what comes of it out; kill -9 changes nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
import urllib.request
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from correlator import rankers
from correlator.devkafka import Broker
from correlator.domain import Feedback
from correlator.replay import LogReplay
from correlator.sinks import Sinks
from tests.integration.workers import Worker, World, wait_for, without_repeats

QUICK = ["hold_min_seconds=0.5", "hold_quiet_seconds=0.5", "hold_max_seconds=2", "resolve_after_seconds=1"]
SECRET = "s3cret"


def post(worker: Worker, path: str, body: bytes, headers: dict[str, str] | None = None) -> Any:
    address = f"http://127.0.0.1:{worker.port}{path}"
    request = urllib.request.Request(address, body, headers=headers or {}, method="POST")
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200
        return json.loads(answer.read() or b"null")


def fire(worker: Worker, service: str) -> None:
    labels = {"alertname": "ServiceDown", "service": service, "severity": "critical", "env": "eu"}
    post(worker, "/api/v2/alerts", json.dumps([{"labels": labels}]).encode())


def say(worker: Worker, incident: str, action: str, **fields: Any) -> str:
    word = {"incident_id": incident, "action": action, "by": "ann", **fields}
    (delivery,) = post(worker, "/feedback", json.dumps(word).encode())["ids"]
    return str(delivery)


def resolve_there(worker: Worker, incident: str, delivery: str) -> None:
    """Tell as PagerDuty does that a person has resolved an incident."""
    event = {
        "id": delivery,
        "event_type": "incident.resolved",
        "resource_type": "incident",
        "occurred_at": "2099-01-01T00:00:00Z",
        "agent": {"id": "P1", "type": "user_reference", "summary": "Ann"},
        "data": {"id": "PGR0VU2", "type": "incident", "incident_key": incident},
    }
    body = json.dumps({"event": event}).encode()
    signature = "v1=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert post(worker, "/feedback/pagerduty", body, {"X-PagerDuty-Signature": signature})["heard"] == 1


def events(world: World, incident: str | None = None) -> list[dict[str, Any]]:
    told = [json.loads(value) for value in without_repeats(world.incidents())]
    return [one for one in told if incident in (None, one["incident_id"])]


def replayed(world: World) -> tuple[list[bytes], list[dict[str, Any]]]:
    """Return what a replay of the dumped log publishes, and what operators said in it."""
    out, words = BytesIO(), BytesIO()
    run = LogReplay(
        world.config,
        [world.graph],
        Sinks(out, feedback=words),
        ranker=rankers.chosen(world.config.worker.model),
    )
    for number, line in enumerate(world.dump(world.config.kafka.events_topic), start=1):
        run.feed(number, line)
    run.finish()
    return out.getvalue().splitlines(), [json.loads(line) for line in words.getvalue().splitlines()]


@pytest.fixture
def world(kafka: Broker, tmp_path: Path) -> Any:
    world = World(kafka.bootstrap_servers, tmp_path / "w", partitions=3, clock="wall")
    (tmp_path / "secret").write_text(f"older\n{SECRET}\n")
    settings = [*QUICK, "naming.scope_labels=['env']", f"feedback.pagerduty_secret_file='{tmp_path / 'secret'}'"]
    lines = [setting.replace("=", " = ", 1) for setting in settings]
    world.file.write_text("\n".join([*lines, world.file.read_text()]))
    world.reload()
    yield world
    world.close()


@pytest.mark.long
def test_what_operators_say_acts_wherever_the_incident_is_and_is_in_the_log(world: World) -> None:
    worker = world.start().wait_ready()
    fire(worker, "db")
    incident = wait_for(lambda: events(world), "an incident")[0]["incident_id"]

    acknowledged = say(worker, incident, "acknowledge")
    wait_for(lambda: events(world, incident)[-1]["status"] == "acknowledged", "the acknowledgement")
    lost = say(worker, incident, "merge", into="0123456789abcdef0123")
    wait_for(world.rejected, "what cannot be done is told")

    for _ in range(2):
        resolve_there(worker, incident, "pd-1")
    wait_for(lambda: events(world, incident)[-1]["status"] == "resolved", "the resolve by hand")
    fire(worker, "db")  # it fires on, and pages nobody
    judged = say(worker, incident, "noise")
    unknown = say(worker, "0123456789abcdef0123", "resolve")
    plain = json.dumps({"incident_id": incident, "action": "useful"}).encode()
    world.produce(world.config.kafka.feedback_topic, [b"{", plain])
    wait_for(lambda: len(world.rejected()) > 1, "what says nothing is refused")
    wait_for(lambda: worker.metric('correlator_feedback_received_total{action="useful",source="topic"}'), "the topic")

    worker.kill()
    worker = world.start().wait_ready()
    fire(worker, "cart")
    wait_for(lambda: len({one["incident_id"] for one in events(world)}) == 2, "what is new pages")
    world.wait_done()

    assert [one["action"] for one in events(world, incident)] == ["opened", "acknowledged", "resolved"]
    assert sum(one["page"] for one in events(world)) == 2
    published, words = replayed(world)
    assert sorted(published) == sorted(without_repeats(world.incidents()))
    assert [(one["action"], one["source"], one["id"]) for one in words][:2] == [
        ("acknowledge", "http", acknowledged),
        ("merge", "http", lost),
    ]
    ids = [one["id"] for one in words]
    assert len(ids) == len(set(ids)) == 6 and {lost, judged, unknown} < set(ids)
    # Refused once more, where the worker was killed before it said that it had dealt with it.
    refused = {(headers["reason"], headers["topic"], value) for headers, value in world.rejected()}
    (merge,) = (msgspec.json.encode(msgspec.convert(one, Feedback)) for one in words if one["id"] == lost)
    assert refused == {
        ("not_json", world.config.kafka.feedback_topic, b"{"),
        ("no_such_incident", world.config.kafka.events_topic, merge),
    }
