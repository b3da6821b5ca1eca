"""Vendors' messages from end to end: what begins an alert opens an incident, and its end resolves it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from correlator.config import Config
from correlator.shell.ingest import Message, Reader
from tests.formats.examples import AT, EXAMPLES
from tests.formats.vendor_examples import CLOUDWATCH_ALARM, VENDORS
from tests.test_replay import replay
from topology.graph import ServiceGraph

#: What the end says otherwise than the beginning, by the path of each field; two minutes later.
ENDS: dict[str, dict[str, Any]] = {
    "sns": {"MessageId": "e288882d-4282", "Message": json.dumps({**CLOUDWATCH_ALARM, "NewStateValue": "OK",
                                   "StateChangeTime": "2026-11-23T03:42:00.000+0000"})},
    "cloudwatch": {"NewStateValue": "OK", "StateChangeTime": "2026-11-23T03:42:00.000+0000"},
    "gcp": {"incident.state": "closed", "incident.ended_at": 1_795_405_320},
    "azure": {"data.essentials.monitorCondition": "Resolved", "data.essentials.severity": "Sev1",
              "data.essentials.resolvedDateTime": "2026-11-23T03:42:00.1234567Z"},
    "datadog": {"alert_transition": "Recovered", "alert_type": "success", "date": "1795405320000",
                "alert_title": "[P2] [Recovered on {host:a}] Checkout is slow"},
    "newrelic": {"state": "CLOSED", "updatedAt": 1_795_405_320_000, "alertConditionNames": ["Slow", "Errors"]},
    "sentry": {"action": "resolved", "data.metric_alert.date_closed": "2026-11-23T03:42:00Z"},
    "zabbix": {"event_value": "0", "event_ended_at": "1795405320"},
    "icinga2": {"state": 0, "timestamp": 1_795_405_320.0},
    "nagios": {"notification_type": "RECOVERY", "state": "OK", "last_state_change": "1795405320"},
    "sensu": {"check.status": 0, "check.last_ok": 1_795_405_320, "timestamp": 1_795_405_320},
    "kibana": {"kibana.alert.status": "recovered", "kibana.alert.end": "2026-11-23T03:42:00Z",
               "@timestamp": "2026-11-23T03:42:00Z"},
    "opsgenie": {"action": "Close", "alert.updatedAt": 1_795_405_320_000_000_000},
    "pingdom": {"current_state": "UP", "previous_state": "DOWN", "state_changed_timestamp": 1_795_405_320},
    "riemann": {"state": "ok", "time": 1_795_405_320},
    "checkmk": {
        "NOTIFY_NOTIFICATIONTYPE": "RECOVERY", "NOTIFY_SERVICESTATE": "OK",
        "NOTIFY_LASTSERVICESTATECHANGE": "1795405320",
    },
    "vmware": {"status": "CANCELED", "cancelDate": 1_795_405_320_000},
}  # fmt: skip
#: These never tell of an end.
ENDLESS = {"otlp", "graylog"}
#: Such that it pages at once, or is not told apart from noise.
CRITICAL: dict[str, dict[str, Any]] = {
    "gcp": {"incident.severity": "Critical"}, "azure": {"data.essentials.severity": "Sev0"},
    "datadog": {"alert_priority": "P1"}, "newrelic": {"priority": "CRITICAL"}, "zabbix": {"event_nseverity": "5"},
    "kibana": {"kibana.alert.severity": "critical"}, "opsgenie": {"alert.priority": "P1"},
    "vmware": {"criticality": "ALERT_CRITICALITY_LEVEL_CRITICAL"},
}  # fmt: skip


def edited(document: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Return a document with other values at the given paths; a key that is there as it stands is no path."""
    document = copy.deepcopy(document)
    for path, value in fields.items():
        steps = [path] if path in document or path.startswith("kibana.") else path.split(".")
        place = document
        for step in steps[:-1]:
            place = place[step]
        place[steps[-1]] = value
    return document


def test_every_vendor_is_tried() -> None:
    assert set(ENDS) | ENDLESS == set(VENDORS)


@pytest.mark.parametrize("name", ENDS)
def test_the_end_of_an_alert_resolves_the_incident_that_it_opened(name: str) -> None:
    begin = edited(EXAMPLES[name], CRITICAL.get(name, {}))
    end = edited(begin, ENDS[name])
    result = replay([json.dumps(begin).encode(), json.dumps(begin).encode(), json.dumps(end).encode()])
    assert result.rejected == []
    assert {one["disposition"] for one in result.assignments} >= {"opened", "resolved"}
    (opened,) = [one for one in result.published if one.action == "opened"]
    (resolved,) = [one for one in result.published if one.action == "resolved"]
    assert resolved.incident_id == opened.incident_id
    # Five quiet minutes after the end, not when a lease ran out.
    assert resolved.resolved_at is not None and resolved.resolved_at < "2026-11-23T03:50:00Z"


def test_what_only_a_human_may_do_reaches_the_workers_log() -> None:
    document = {"Type": "SubscriptionConfirmation", "TopicArn": "arn:aws:sns:eu-west-1:1:alarms",
                "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"}  # fmt: skip
    reader = Reader(Config(), ServiceGraph.empty(), None)
    reading = reader.read(
        Message(
            topic="alerts", partition=0, offset=1, timestamp=AT, value=json.dumps(document).encode(),
            headers={"x-amz-sns-message-type": b"SubscriptionConfirmation"},
        )
    )  # fmt: skip
    assert (reading.scopes, reading.refused) == ({}, [])
    ((name, word, text),) = reading.said
    assert (name, word) == ("sns", "subscription_pending")
    assert document["SubscribeURL"] in text and document["TopicArn"] in text
