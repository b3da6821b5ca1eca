"""Alertmanager's webhook and event recorder, Prometheus' posts, Grafana: one alert whatever way it comes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.config import NamingConfig
from correlator.domain import AlertEvent, Severity, Status
from correlator.formats.labelled import fingerprint_of
from correlator.formats.naming import Namer
from tests.formats.examples import AT, EXAMPLES, alert, alerts, error, errors, payload, read
from topology.graph import ServiceGraph

STARTED = 1_795_404_490_000  # 2026-11-23T03:28:10Z
MINUTE = 60_000
HOUR = 60 * MINUTE


def webhook(*entries: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"version": "4", "groupKey": "{}", "alerts": list(entries), **fields}


def entry(status: str = "firing", **fields: Any) -> dict[str, Any]:
    labels = {"alertname": "N", "service": "cart"}
    return {"status": status, "labels": labels, "startsAt": "2026-11-23T03:28:10Z",
            "endsAt": "0001-01-01T00:00:00Z", **fields}  # fmt: skip


def posted(**fields: Any) -> list[dict[str, Any]]:
    return [{"labels": {"alertname": "N", "service": "cart"}, "startsAt": "2026-11-23T03:28:10Z", **fields}]


def named(document: Any, at: int = AT) -> AlertEvent:
    return Namer(NamingConfig(), ServiceGraph.empty()).name(alert(document, at=at), event_id="e", observed_at=at)


# -- identity ------------------------------------------------------------------------------------------------------


def test_the_fingerprint_is_alertmanagers_own() -> None:
    captured = EXAMPLES["alertmanager"]["alerts"]
    assert [fingerprint_of(one["labels"]) for one in captured] == [one["fingerprint"] for one in captured]
    assert [one.fingerprint for one in alerts(EXAMPLES["alertmanager"])] == ["c0d58a0f8d24ea02", "12e23226396525af"]


@given(st.lists(st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=4), max_size=8))
def test_fingerprints_are_fnv_1a_whatever_was_read_before(label_sets: list[dict[str, str]]) -> None:
    for labels in label_sets:
        found = 0xCBF29CE484222325
        for byte in b"".join(text.encode() + b"\xff" for pair in sorted(labels.items()) for text in pair):
            found = (found ^ byte) * 0x100000001B3 % 2**64
        assert fingerprint_of(labels) == f"{found:016x}"


def test_an_alert_has_one_fingerprint_by_webhook_post_and_event_recorder() -> None:
    by_webhook = {one.fingerprint for one in alerts(payload("alertmanager_webhook_v4_firing"))}
    assert by_webhook == {one.fingerprint for one in alerts(payload("alertmanager_api_v2_post_alerts"))}
    assert alert(EXAMPLES["alertmanager-events"]).fingerprint in by_webhook


def test_what_the_real_event_recorder_tells_has_the_fingerprint_of_the_webhook() -> None:
    by_webhook = {one.fingerprint for one in alerts(EXAMPLES["alertmanager"])}
    recorded = alert(payload("alertmanager_event_recorder_alert_created"))
    assert recorded.fingerprint in by_webhook
    assert alert(payload("alertmanager_event_recorder_alert_resolved")).fingerprint == recorded.fingerprint


def test_a_fingerprint_of_few_digits_keeps_its_zeros() -> None:
    document = copy.deepcopy(EXAMPLES["alertmanager-events"])
    document["data"]["alertCreated"]["alert"]["fingerprint"] = "255"
    assert alert(document).fingerprint == "00000000000000ff"


@pytest.mark.parametrize("number", ["18446744073709551616", "-1", "12e2", "", "٣", 1 << 64])
def test_what_is_no_number_of_64_bits_is_no_fingerprint(number: object) -> None:
    document = copy.deepcopy(EXAMPLES["alertmanager-events"])
    document["data"]["alertCreated"]["alert"]["fingerprint"] = number
    assert "data.alertCreated.alert" in error(document)


@pytest.mark.parametrize("label", ["replica", "prometheus_replica", "__replica__", "thanos_ruler_replica"])
def test_the_members_of_a_pair_tell_of_one_alert_as_two_instances(label: str) -> None:
    labels = {"alertname": "N", "service": "cart"}
    plain = alert(posted(labels=labels))
    first, second = (named(posted(labels={**labels, label: name})) for name in ("a", "b"))
    assert first.fingerprint == second.fingerprint == plain.fingerprint
    assert first.instance != second.instance
    given = alert(webhook(entry(labels={**labels, label: "a"}, fingerprint="0123456789abcdef")))
    assert given.fingerprint == plain.fingerprint


def test_annotations_and_values_are_no_identity() -> None:
    one, other = (alert(posted(annotations={"summary": f"5xx ratio is {ratio}"})) for ratio in ("12 %", "13 %"))
    assert one.fingerprint == other.fingerprint and one.summary != other.summary


def test_a_group_that_is_sent_again_is_the_same_events() -> None:
    document = EXAMPLES["alertmanager"]
    first, again = alerts(document), alerts(document, at=AT + HOUR)
    assert [(one.fingerprint, one.starts_at, one.status) for one in first] == [
        (one.fingerprint, one.starts_at, one.status) for one in again
    ]


# -- times ---------------------------------------------------------------------------------------------------------


def test_a_firing_that_ended_in_the_year_1_has_not_ended() -> None:
    one = alert(webhook(entry()))
    assert (one.status, one.starts_at) == (Status.FIRING, STARTED)
    assert one.ends_at is not None and one.ends_at > AT + 8 * HOUR  # two intervals of repetition may be missed


def test_a_resolve_tells_its_end() -> None:
    resolved = alerts(payload("alertmanager_webhook_v4_resolved"))
    assert {one.status for one in resolved} == {Status.RESOLVED}
    assert all(one.ends_at is not None and one.starts_at < one.ends_at < AT for one in resolved)
    assert alert(webhook(entry("resolved"))).ends_at is None  # which the engine takes for its arrival


def test_a_post_is_a_lease_until_it_has_passed_and_then_a_resolve() -> None:
    document = posted(endsAt="2026-11-23T03:33:10Z")
    end = STARTED + 5 * MINUTE
    assert [(one.status, one.ends_at) for one in (alert(document, at=end - 1), alert(document, at=end))] == [
        (Status.FIRING, end),
        (Status.RESOLVED, end),
    ]
    captured = alert(payload("prometheus_post_api_v2_alerts_resolved"), at=AT + 10 * MINUTE)
    assert captured.status is Status.RESOLVED


def test_without_an_arrival_a_post_is_a_lease() -> None:
    assert alert(posted(endsAt="2026-11-23T03:33:10Z"), at=None).status is Status.FIRING


def test_a_post_without_times_begins_now_and_holds_for_five_minutes() -> None:
    one = alert([{"labels": {"alertname": "N"}}])
    assert (one.status, one.starts_at, one.ends_at) == (Status.FIRING, AT, AT + 5 * MINUTE)


def test_a_post_without_a_start_began_at_its_end() -> None:
    one = alert([{"labels": {"alertname": "N"}, "endsAt": "2026-11-23T03:28:10Z"}])
    assert (one.status, one.starts_at, one.ends_at) == (Status.RESOLVED, STARTED, STARTED)


def test_an_alert_read_back_from_alertmanager_keeps_its_status() -> None:
    assert alert(posted(status="resolved")).status is Status.RESOLVED
    assert {one.status for one in alerts(payload("alertmanager_api_v2_get_alerts"), at=STARTED)} == {Status.FIRING}


def test_a_group_read_back_from_alertmanager_is_its_alerts() -> None:
    group = {"receiver": {"name": "r"}, "labels": {}, "alerts": [*posted(), {"labels": 3}]}
    contents = read([group])
    assert [one.fingerprint for one in contents.alerts] == [alert(posted()).fingerprint]
    assert errors(contents) == ["wrong_type: [0]: alerts[1].labels: expected object, got integer"]
    found = alerts(payload("alertmanager_api_v2_get_groups"), at=STARTED)
    assert {one.fingerprint for one in found} == {"12e23226396525af", "c0d58a0f8d24ea02"}


def test_a_recorded_firing_is_told_once_so_its_end_at_alertmanager_is_no_lease() -> None:
    one = alert(EXAMPLES["alertmanager-events"], at=STARTED + MINUTE)
    assert one.ends_at is not None and one.ends_at > STARTED + 12 * HOUR
    resolved = alert(payload("alertmanager_event_recorder_alert_resolved"))
    assert (resolved.status, resolved.ends_at) == (Status.RESOLVED, STARTED + 50_000)


def test_grafanas_version_is_1_and_its_offsets_are_read() -> None:
    one = alert(EXAMPLES["grafana"])
    assert (one.source, one.starts_at, one.fingerprint) == ("grafana", AT - 30_000 + 157, "c6eadffa33fcdf37")
    assert one.ends_at is not None and one.ends_at > AT


def test_a_start_in_the_future_is_a_clock_that_is_wrong() -> None:
    ahead = named(posted(startsAt="2026-11-23T03:50:00Z", endsAt="2026-11-23T03:59:00Z"))
    assert ahead.starts_at == ahead.observed_at == AT


# -- words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("critical", Severity.CRITICAL),
        ("page", Severity.CRITICAL),
        ("high", Severity.ERROR),
        ("ticket", Severity.WARNING),
        ("none", Severity.INFO),
        ("purple", Severity.UNKNOWN),
        (None, Severity.UNKNOWN),
    ],
)
def test_the_severity_is_that_of_the_label(word: str | None, severity: Severity) -> None:
    labels = {"alertname": "N"} | ({"severity": word} if word else {})
    assert named(posted(labels=labels)).severity is severity


def test_an_alert_without_name_severity_or_service_is_an_alert() -> None:
    one = named([{"labels": {"instance": "10.0.0.1:9100"}, "startsAt": "2026-11-23T03:28:10Z"}])
    assert (one.name, one.severity, one.known_service) == ("unnamed alert", Severity.UNKNOWN, False)


def test_the_summary_is_what_a_human_reads_first() -> None:
    annotations = {"message": "m", "description": "d", "summary": "s"}
    assert alert(posted(annotations=annotations)).summary == "s"
    assert alert(posted(annotations={"message": "m", "description": "d"})).summary == "d"
    assert alert(posted(annotations={"message": "m"})).summary == "m"
    assert alert(posted(annotations=None)).summary == ""


# -- what is no alert, and what is wrong ----------------------------------------------------------------------------


def test_alerts_that_were_left_out_are_counted() -> None:
    contents = read(webhook(entry(), truncatedAlerts=5))
    assert (len(contents.alerts), contents.notices) == (1, {("alertmanager", "truncated_alerts"): 5})
    assert read(webhook(entry(), truncatedAlerts=0)).notices == {}


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("alertGrouped", "alert_grouped"),
        ("notification", "notification"),
        ("silenceCreated", "silence_created"),
        ("inhibitionMutedAlert", "inhibition_muted_alert"),
        ("alertmanagerStartupEvent", "startup"),
    ],
)
def test_records_of_other_kinds_are_no_alerts(kind: str, word: str) -> None:
    contents = read({"@timestamp": "2026-11-23T03:28:10Z", "instance": "a", "data": {kind: {}}})
    assert (contents.events, contents.notices) == ([], {("alertmanager-events", word): 1})
    future = read({"@timestamp": "2026-11-23T03:28:10Z", "data": {"new": {}}}, {"format": "alertmanager-events"})
    assert future.notices == {("alertmanager-events", "other"): 1}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"labels": ["a"]}, "wrong_type: alerts[1].labels: expected object, got array"),
        ({"labels": {"a": 1}}, "wrong_type: alerts[1].labels[...]: expected string, got integer"),
        ({"status": "burning"}, "wrong_value: alerts[1].status: invalid enum value 'burning'"),
        ({"startsAt": "yesterday"}, "bad_timestamp: alerts[1].startsAt: invalid RFC3339 encoded datetime"),
        ({"startsAt": "1999-01-01T00:00:00Z"}, "bad_timestamp: alerts[1].startsAt is 1999-01-01"),
        ({"labels": {"alertname": "a\x00b"}}, "wrong_value: alerts[1]: name holds a null byte"),
    ],
)
def test_a_bad_alert_is_refused_by_its_place_and_its_neighbours_are_not(changes: dict[str, Any], problem: str) -> None:
    contents = read(webhook(entry(), entry(**changes), entry()))
    assert len(contents.alerts) == 2
    (found,) = errors(contents)
    assert found.startswith(problem)


def test_a_bad_post_is_refused_by_its_place() -> None:
    assert error(posted(labels=["x"])) == "wrong_type: [0]: labels: expected object, got array"
    assert error(posted(endsAt=5)) == "bad_timestamp: [0]: endsAt: expected date or null, got integer"


def test_a_body_that_someone_templated_is_refused_with_what_it_lacks() -> None:
    assert error({"text": "hello"}, {"format": "alertmanager"}) == ("missing_field: missing required field `alerts`")
    assert error({"alerts": {}}, {"format": "alertmanager"}) == "wrong_type: alerts: expected array, got object"


# -- Grafana before version 9 ----------------------------------------------------------------------------------------


def legacy(state: str, **fields: Any) -> dict[str, Any]:
    return {**EXAMPLES["grafana-legacy"], "state": state, **fields}


def test_a_rule_of_old_grafana_is_one_alert_whose_series_may_name_the_service() -> None:
    one = named(legacy("alerting"))
    assert (one.name, one.service, one.severity, one.summary) == ("Battery", "core", Severity.WARNING, "low")
    assert one.starts_at == AT


@pytest.mark.parametrize(
    ("state", "status"), [("alerting", Status.FIRING), ("no_data", Status.FIRING), ("ok", Status.RESOLVED)]
)
def test_its_states_fire_and_resolve_one_fingerprint(state: str, status: Status) -> None:
    one = alert(legacy(state, evalMatches=[]))
    assert (one.status, one.fingerprint) == (status, alert(legacy("alerting")).fingerprint)


@pytest.mark.parametrize("state", ["paused", "pending"])
def test_its_other_states_are_no_alerts(state: str) -> None:
    contents = read(legacy(state))
    assert (contents.events, contents.notices) == ([], {("grafana-legacy", state): 1})


def test_series_that_disagree_name_no_service() -> None:
    matches = [{"tags": {"service": "a"}}, {"tags": {"service": "b"}}]
    assert "service" not in alert(legacy("alerting", evalMatches=matches)).labels
