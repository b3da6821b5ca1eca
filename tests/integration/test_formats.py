"""Messages of several formats through a real Kafka: incidents come of them as of a replay, the rest is counted."""

from __future__ import annotations

import json
from pathlib import Path

from correlator.devkafka import Broker
from correlator.domain import rfc3339
from tests.integration.workers import World, chain_topology, without_repeats

STARTED = 1_700_000_000_000
MINUTE = 60_000


def alert(service: str, minute: float, resolved: float | None = None) -> dict[str, object]:
    end = "0001-01-01T00:00:00Z" if resolved is None else rfc3339(round(STARTED + resolved * MINUTE))
    return {
        "status": "firing" if resolved is None else "resolved",
        "startsAt": rfc3339(round(STARTED + minute * MINUTE)),
        "endsAt": end,
        "labels": {"alertname": "HighErrorRate", "service": service, "severity": "critical"},
    }


def webhook(*alerts: dict[str, object], truncated: int = 0) -> dict[str, object]:
    return {"version": "4", "groupKey": "g", "alerts": list(alerts), "truncatedAlerts": truncated}


def messages() -> list[bytes]:
    pagerduty = {"routing_key": "k", "dedup_key": "s1/down"}
    details = {"summary": "s1 is down", "class": "Down", "severity": "critical", "component": "s1",
               "timestamp": rfc3339(STARTED)}  # fmt: skip
    change = {"routing_key": "k", "payload": {"summary": "s1 2.1", "timestamp": rfc3339(STARTED - MINUTE),
                                              "custom_details": {"service": "s1"}}}  # fmt: skip
    documents = [
        change,
        {**pagerduty, "event_action": "trigger", "payload": details},
        webhook(alert("s2", 0.1), alert("s3", 0.2), {"status": "firing"}, truncated=2),
        [{"specversion": "1.0", "id": "7", "source": "/eu", "type": "t", "data": webhook(alert("s4", 0.3))}],
        webhook(alert("s2", 0.1), alert("s3", 0.2)),
        {"@timestamp": rfc3339(STARTED), "data": {"notification": {}}},
        webhook(alert("s2", 0.1, 5), alert("s3", 0.2, 5), alert("s4", 0.3, 5)),
        {**pagerduty, "event_action": "acknowledge"},
        {**pagerduty, "event_action": "resolve"},
    ]
    return [json.dumps(document).encode() for document in documents]


def test_messages_of_several_formats_make_the_incidents_of_their_replay(kafka: Broker, tmp_path: Path) -> None:
    world = World(kafka.bootstrap_servers, tmp_path / "w", topology=chain_topology(tmp_path))
    try:
        worker = world.start().wait_ready()
        world.play(messages())
        world.wait_done()
        incidents = world.incidents()
        assert incidents == without_repeats(incidents) == world.expected(messages()) == world.expected_of_log()
        told = [json.loads(value) for value in incidents]
        assert {one["incident_id"] for one in told} == {told[0]["incident_id"]}
        assert (told[0]["root_cause"]["service"], told[-1]["status"]) == ("s1", "resolved")
        ((headers, value),) = world.rejected()
        assert (headers["reason"], json.loads(value)) == ("missing_field", {"status": "firing"})
        assert headers["detail"] == "alerts[2]: missing required field `labels`"
        assert worker.metric('correlator_notices_total{format="alertmanager",notice="truncated_alerts"}') == 2
        assert worker.metric('correlator_notices_total{format="pagerduty",notice="acknowledged"}') == 1
        assert worker.metric('correlator_messages_total{format="alertmanager"}') == 4
        assert worker.metric('correlator_messages_total{format="cloudevents"}') == 1
        assert worker.metric('correlator_alerts_received_total{source="pagerduty",status="resolved"}') == 1
    finally:
        world.close()
