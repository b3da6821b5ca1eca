"""From messages of several formats to incidents, by replay and by the worker's reader."""

from __future__ import annotations

import json
from typing import Any

from correlator.config import Config
from correlator.domain import rfc3339
from correlator.shell.ingest import Message, Reader, Reading
from tests.formats.examples import EXAMPLES
from tests.test_replay import Result, replay
from topology.graph import ServiceGraph

STARTED = 1_795_404_490_000
MINUTE = 60_000


def webhook(status: str, minute: float, *services: str, **fields: Any) -> bytes:
    alerts = [
        {"status": status, "labels": {"alertname": "Down", "service": service, "severity": "critical"},
         "startsAt": rfc3339(STARTED),
         "endsAt": rfc3339(round(STARTED + minute * MINUTE)) if status == "resolved" else "0001-01-01T00:00:00Z"}
        for service in services
    ]  # fmt: skip
    return json.dumps({"version": "4", "groupKey": "g", "alerts": alerts, **fields}).encode()


def tick(minute: float) -> bytes:
    """Return an event of another service, by which a replay learns how late it is."""
    at = rfc3339(round(STARTED + minute * MINUTE))
    return json.dumps({"status": "firing", "name": "Noise", "service": f"other-{minute}", "severity": "info",
                       "starts_at": at}).encode()  # fmt: skip


def dispositions(result: Result) -> list[tuple[str, str]]:
    return [(one["event_id"], one["disposition"]) for one in result.assignments]


def test_every_alert_of_a_line_has_an_assignment_and_a_line_without_alerts_none() -> None:
    recorder = {"@timestamp": "2026-11-23T03:28:10Z", "data": {"notification": {}}}
    result = replay([
        webhook("firing", 0, "db", "api", truncatedAlerts=3),
        json.dumps(recorder).encode(),
        webhook("firing", 0, "db", "api"),
        json.dumps([{}, json.loads(webhook("resolved", 5, "db"))]).encode(),
        webhook("resolved", 5, "api"),
    ])  # fmt: skip
    assert dispositions(result) == [
        ("line-1-0", "opened"),
        ("line-1-1", "attached"),
        ("line-3-0", "duplicate"),
        ("line-3-1", "duplicate"),
        ("line-4-0", "rejected"),
        ("line-4-1", "resolved"),
        ("line-5", "resolved"),
    ]
    assert result.rejected[0]["text"] == "{}" and result.rejected[0]["line"] == 4
    assert result.summary.notices == {"alertmanager.truncated_alerts": 3, "alertmanager-events.notification": 1}
    assert result.summary.events == sum(result.summary.dispositions.values()) == 7
    assert [one.action for one in result.published][-1] == "resolved"


def test_an_alert_told_by_post_webhook_and_recorder_is_one_alert() -> None:
    labels = {"alertname": "Down", "service": "db", "severity": "critical"}
    post = {"labels": labels, "startsAt": rfc3339(STARTED), "endsAt": rfc3339(STARTED + 4 * MINUTE)}
    result = replay([json.dumps([post]).encode(), webhook("firing", 0, "db"), tick(1), webhook("resolved", 2, "db")])
    assert [one for _, one in dispositions(result)] == ["opened", "duplicate", "suppressed", "resolved"]


def test_a_group_that_is_sent_again_for_hours_pages_once_and_is_no_correlation() -> None:
    lines = [webhook("firing", 0, "db")]
    for hour in (4, 8, 12):
        lines += [tick(60 * hour), webhook("firing", 0, "db")]
    result = replay([*lines, webhook("resolved", 780, "db")])
    assert [one for _, one in dispositions(result)] == ["opened", *["suppressed", "duplicate"] * 3, "resolved"]
    assert [one.action for one in result.published if one.page] == ["opened"]


def test_a_resolve_that_overtakes_its_firing_leaves_nothing_open() -> None:
    post = {"labels": {"alertname": "Down", "service": "db", "severity": "critical"},
            "startsAt": rfc3339(STARTED), "endsAt": rfc3339(STARTED + 9 * MINUTE)}  # fmt: skip
    result = replay([webhook("resolved", 2, "db"), json.dumps([post]).encode(), tick(30)])
    assert [one for _, one in dispositions(result)] == ["stale", "stale", "suppressed"]
    assert result.published == []


def test_a_pair_of_prometheus_fires_until_both_are_well() -> None:
    def post(replica: str, start: float, end: float) -> bytes:
        labels = {"alertname": "Down", "service": "db", "severity": "critical", "replica": replica}
        return json.dumps([{"labels": labels, "startsAt": rfc3339(round(STARTED + start * MINUTE)),
                            "endsAt": rfc3339(round(STARTED + end * MINUTE))}]).encode()  # fmt: skip

    result = replay([post("a", 0, 4), post("b", 0.1, 4.1), tick(3), post("a", 0, 2), tick(4), post("b", 0.1, 3.5)])
    by_id = dict(dispositions(result))
    assert by_id["line-2"] == "duplicate"
    (opened,) = [one for one in result.published if one.action == "opened"]
    (resolved,) = [
        one for one in result.published if one.incident_id == opened.incident_id and one.action == "resolved"
    ]
    # Five minutes after the second of them is well.
    assert resolved.resolved_at == rfc3339(round(STARTED + 8.5 * MINUTE))


def test_a_change_is_context_and_never_pages() -> None:
    result = replay([json.dumps(EXAMPLES["pagerduty-change"]).encode()])
    assert dispositions(result) == [("line-1", "suppressed")]
    assert result.published == []


def test_a_resolve_of_pagerduty_by_its_keys_alone_ends_the_incident() -> None:
    trigger = {"routing_key": "k", "event_action": "trigger", "dedup_key": "d",
               "payload": {"summary": "db down", "severity": "critical", "component": "db",
                           "timestamp": rfc3339(STARTED)}}  # fmt: skip
    resolve = {"routing_key": "k", "event_action": "resolve", "dedup_key": "d"}
    result = replay([json.dumps(trigger).encode(), tick(5), json.dumps(resolve).encode()])
    assert dispositions(result)[2] == ("line-3", "resolved")


def test_a_lease_longer_than_the_silence_of_the_sender_keeps_an_incident_open() -> None:
    result = replay([tick(-1), webhook("firing", 0, "db"), tick(200), webhook("resolved", 201, "db")])
    opened = next(one for one in result.published if one.root_cause.service == "db")
    ends = [one.resolved_at for one in result.published
            if one.incident_id == opened.incident_id and one.action == "resolved"]  # fmt: skip
    assert ends == [rfc3339(STARTED + 206 * MINUTE)]


# -- the worker's reader ---------------------------------------------------------------------------------------------


def read(value: bytes, **headers: str) -> Reading:
    message = Message(
        topic="alerts", partition=3, offset=41, timestamp=STARTED + MINUTE, value=value,
        headers={name.replace("_", "-"): text.encode() for name, text in headers.items()},
    )  # fmt: skip
    return Reader(Config(), ServiceGraph.empty(), None).read(message)


def ids(reading: Reading) -> list[str]:
    return [event.id for events in reading.scopes.values() for event in events]


def test_the_reader_names_events_after_their_place() -> None:
    assert ids(read(webhook("firing", 0, "db", "api"))) == ["alerts-3-41-0", "alerts-3-41-1"]
    assert ids(read(webhook("firing", 0, "db"))) == ["alerts-3-41"]


def test_the_reader_heeds_headers_whatever_their_case() -> None:
    assert read(b'{"text": "hi"}', Format="alertmanager").refused[0][1].detail == "missing required field `alerts`"
    assert [error.reason for _, error in read(webhook("firing", 0, "db"), format="none").refused] == ["unknown_format"]
    event = json.dumps({"specversion": "1.0", "id": "7", "source": "/eu", "type": "t",
                        "data": json.loads(webhook("firing", 0, "db"))}).encode()  # fmt: skip
    assert ids(read(event, Content_Type="application/cloudevents+json")) == ["/eu#7"]


def test_a_message_many_of_whose_alerts_are_bad_makes_one_dead_letter() -> None:
    document = json.loads(webhook("firing", 0, *[f"s{number}" for number in range(30)]))
    for alert in document["alerts"][:25]:
        alert["labels"] = 5
    value = json.dumps(document).encode()
    reading = read(value)
    assert len(ids(reading)) == 5
    ((data, error),) = reading.refused
    assert data == value
    assert error.detail.startswith("25 of 30 events are bad, the first: alerts[0].labels: expected object")


def test_bad_alerts_without_bytes_of_their_own_share_one_dead_letter() -> None:
    document = json.loads(webhook("firing", 0, "a", "b", "c"))
    for alert in document["alerts"][:2]:
        alert["startsAt"] = "2027-01-01T00:00:00Z"  # which only shows once the arrival is known
    value = json.dumps(document).encode()
    reading = read(value)
    assert [event.service for events in reading.scopes.values() for event in events] == ["c"]
    ((data, error),) = reading.refused
    assert (data, error.reason) == (value, "bad_timestamp")
