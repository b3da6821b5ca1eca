"""PagerDuty's events as input: what resolves what, what a change is, and that no key leaks."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from correlator.config import NamingConfig
from correlator.domain import Severity, Status
from correlator.engine.kinds import Kind, KindTable
from correlator.formats.naming import Namer
from tests.formats.examples import AT, EXAMPLES, alert, error, payload, read
from topology.graph import ServiceGraph

KEY = "R0UT1NG"


def event(action: str = "trigger", **fields: Any) -> dict[str, Any]:
    details = {"summary": "DISK at 99% on db-3", "source": "db-3", "severity": "critical",
               "timestamp": "2026-11-23T03:39:00.315+0000"}  # fmt: skip
    return {"routing_key": KEY, "event_action": action, "dedup_key": "db/disk", "payload": details, **fields}


def test_a_trigger_is_a_firing() -> None:
    one = alert(payload("pagerduty_events_v2_trigger_by_alertmanager"))
    assert (one.status, one.name, one.severity) == (Status.FIRING, "HighErrorRate", Severity.CRITICAL)
    one = alert(event())
    assert (one.starts_at, one.entity, one.severity) == (AT - 90_000 + 315, "db-3", Severity.CRITICAL)


def test_a_resolve_needs_no_more_than_the_two_keys() -> None:
    resolve = {"routing_key": KEY, "event_action": "resolve", "dedup_key": "db/disk"}
    one = alert(resolve)
    assert (one.status, one.fingerprint) == (Status.RESOLVED, alert(event()).fingerprint)
    assert one.starts_at == one.ends_at == AT
    assert alert({**resolve, "routing_key": "another"}).fingerprint != one.fingerprint


def test_the_end_is_the_arrival_unless_the_sender_names_a_later_one() -> None:
    assert alert(event("resolve")).ends_at == AT  # the trigger's time, repeated
    details = {"summary": "x", "timestamp": "2026-11-23T03:41:00Z"}
    assert alert(event("resolve", payload=details)).ends_at == AT + 30_000
    broken = {"summary": "x", "timestamp": "soon"}
    assert alert(event("resolve", payload=broken)).ends_at == AT
    assert alert(event("resolve", payload=details), at=None).ends_at == AT + 30_000


def test_an_acknowledgement_is_no_alert() -> None:
    contents = read(event("acknowledge"))
    assert (contents.events, contents.notices) == ([], {("pagerduty", "acknowledged"): 1})


def test_a_trigger_without_a_key_is_an_alert_of_its_own_identity() -> None:
    one = event()
    del one["dedup_key"]
    assert alert(one).fingerprint is None


def test_the_name_stays_when_the_numbers_of_the_summary_change() -> None:
    one = alert(event())
    two = alert(event(payload={"summary": "DISK at 97.5% on db-3", "severity": "error"}))
    assert one.name == two.name == "DISK at #% on db-#"
    assert alert(event(payload={"summary": "[FIRING:2] Errors eu"})).name == "Errors eu"
    assert alert(event(payload={"summary": "s", "class": "disk"})).name == "disk"


@pytest.mark.parametrize(
    ("details", "service"),
    [
        ({"component": "mysql", "custom_details": {"service": "cart"}}, "cart"),
        ({"component": "mysql", "custom_details": "free text"}, "mysql"),
        ({"custom_details": {"service": 5}}, None),
        ({}, None),
    ],
)
def test_the_service_is_the_senders_word_else_the_component(details: dict[str, Any], service: str | None) -> None:
    assert alert(event(payload={"summary": "s", **details})).service == service


def test_plain_details_are_labels_and_texts_are_not() -> None:
    details = {"region": "eu", "load": 0.75, "ok": True, "text": "x" * 1000, "deep": {"a": 1}, "none": None}
    one = alert(event(payload={"summary": "s", "group": "prod", "custom_details": details}))
    assert one.labels == {"region": "eu", "load": "0.75", "ok": "true", "group": "prod"}


@pytest.mark.parametrize("document", [event(), event("resolve"), EXAMPLES["pagerduty-change"] | {"routing_key": KEY}])
def test_the_routing_key_is_a_secret(document: dict[str, Any]) -> None:
    assert KEY not in msgspec.json.encode(alert(document)).decode()


def test_a_change_is_of_the_kind_change_and_names_what_changed() -> None:
    one = alert(EXAMPLES["pagerduty-change"])
    named = Namer(NamingConfig(), ServiceGraph.empty()).name(one, event_id="e", observed_at=AT)
    assert KindTable().kind(named) is Kind.CHANGE
    assert (named.service, named.summary, named.starts_at) == ("cart", "Deployed 2.1", AT - 90_000)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (event("snooze"), "wrong_value: event_action: 'snooze' is none of trigger, acknowledge, resolve"),
        (event(payload=None), "missing_field: missing required field `payload`"),
        (event(payload={"source": "s"}), "missing_field: payload: missing required field `summary`"),
        (event(payload={"summary": 5}), "wrong_type: payload.summary: expected string, got integer"),
        (event(payload={"summary": "s", "timestamp": "x"}), "bad_timestamp: payload.timestamp: 'x' is no date"),
        ({"routing_key": KEY, "event_action": "resolve"}, "missing_field: missing required field `dedup_key`"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(document: dict[str, Any], problem: str) -> None:
    assert error(json.loads(json.dumps(document))).startswith(problem)
