"""Datadog, New Relic, Sentry and Opsgenie: templates, issues that grow, headers, two units of time in one object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from correlator.domain import Severity, Status
from tests.formats.examples import AT, EXAMPLES, alert, alerts, error, payload, read

START = AT - 30_000
TEMPLATES = Path(__file__).parents[2] / "deploy" / "templates"


def datadog(**fields: Any) -> dict[str, Any]:
    return {**EXAMPLES["datadog"], **fields}


def issue(**fields: Any) -> dict[str, Any]:
    return {**EXAMPLES["newrelic"], **fields}


def metric_alert(action: str, **fields: Any) -> dict[str, Any]:
    data = EXAMPLES["sentry"]["data"]
    return {
        **EXAMPLES["sentry"],
        "action": action,
        "data": {**data, "metric_alert": {**data["metric_alert"], **fields}},
    }


def sentry_issue(action: str) -> dict[str, Any]:
    return {"action": action, "installation": {"uuid": "a"}, "data": {"issue": {
        "id": "1117540176", "shortId": "FE-1", "title": "ReferenceError: heck is not defined", "level": "error",
        "firstSeen": "2026-11-23T03:39:00Z", "lastSeen": "2026-11-23T03:40:00Z",
        "project": {"slug": "front-end"}}}}  # fmt: skip


def opsgenie(action: str = "Create", **fields: Any) -> dict[str, Any]:
    return {**EXAMPLES["opsgenie"], "action": action, "alert": {**EXAMPLES["opsgenie"]["alert"], **fields}}


# -- Datadog ---------------------------------------------------------------------------------------------------------


def rendered(**values: str) -> dict[str, Any]:
    """Return our template as Datadog fills it in; a variable without value is left as it stands."""
    text = (TEMPLATES / "datadog-webhook.json").read_text()
    for name, value in sorted(values.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(f'"${name}"', json.dumps(value))
    document: dict[str, Any] = json.loads(text)
    return document


def test_our_template_of_datadog_makes_an_alert() -> None:
    one = alert(
        rendered(
            ALERT_ID="1234", AGGREG_KEY="9bd4", ALERT_TRANSITION="Triggered", ALERT_TYPE="error", ALERT_PRIORITY="P1",
            ALERT_TITLE="[P1] [Triggered on {host:a}] Checkout is slow", ALERT_SCOPE="host:a", DATE=str(START),
            ORG_ID="9", HOSTNAME="a", TEXT_ONLY_MSG="p99 is 3 s", TAGS="service:checkout,env:prod",
        )
    )  # fmt: skip
    assert (one.status, one.name, one.service, one.entity) == (Status.FIRING, "Checkout is slow", "checkout", "a")
    assert (one.severity, one.starts_at, one.summary) == (Severity.CRITICAL, START, "p99 is 3 s")


def test_variables_that_datadog_did_not_fill_in_are_no_values() -> None:
    one = alert(rendered(ALERT_TRANSITION="Triggered", ALERT_TITLE="Slow", ALERT_TYPE="warning"))
    assert (one.service, one.entity, one.labels, one.fingerprint) == (None, None, {}, None)
    assert (one.severity, one.starts_at) == (Severity.WARNING, AT)


@pytest.mark.parametrize(
    ("transition", "status"),
    [(word, Status.FIRING) for word in ("Triggered", "Re-Triggered", "Warn", "Re-Warn", "No Data", "Renotify")]
    + [("Recovered", Status.RESOLVED)],
)
def test_a_transition_says_whether_it_fires(transition: str, status: Status) -> None:
    one = alert(datadog(alert_transition=transition))
    assert (one.status, one.starts_at) == (status, START)
    assert one.fingerprint == alert(datadog()).fingerprint
    assert (one.ends_at == START) is (status is Status.RESOLVED)


def test_below_its_alert_threshold_a_monitor_only_warns() -> None:
    assert alert(datadog(alert_transition="Warn", alert_priority="P1")).severity is Severity.WARNING
    assert alert(datadog(alert_transition="Warn", alert_priority="P4")).severity is Severity.INFO
    assert alert(datadog(alert_priority="", priority="normal")).severity is Severity.ERROR


def test_groups_and_organisations_are_told_apart() -> None:
    found = {alert(datadog(**{key: "x"})).fingerprint for key in ("alert_id", "aggreg_key", "org_id", "alert_scope")}
    assert len(found | {alert(datadog()).fingerprint}) == 5
    assert alert(datadog(alert_cycle_key="x", id="y")).fingerprint == alert(datadog()).fingerprint


@pytest.mark.parametrize(
    "title",
    ["[Triggered] Slow", "[P2] [Warn on {host:a,env:b}] Slow", "[Re-Triggered] Slow", "[Recovered on {host:a}] Slow",
     "[No Data on {host:b}] Slow", "Slow"],
)  # fmt: skip
def test_the_name_is_the_monitors_whatever_its_state(title: str) -> None:
    assert alert(datadog(alert_title=title)).name == "Slow"


def test_other_templates_of_datadog_are_read() -> None:
    one = alert(payload("datadog_webhook_rendered"))
    assert (one.name, one.service, one.entity) == (
        "E2E test alert from snooze plugin",
        "snooze-test",
        "snooze-e2e-host",
    )
    assert (one.severity, one.starts_at) == (Severity.ERROR, 1_767_225_600_000)
    keep = {**payload("datadog_webhook_template_keep"), "alert_transition": "Recovered", "title": "[Recovered] Slow",
            "monitor_id": "12", "scopes": "env:prod", "date": str(START), "tags": "service:a"}  # fmt: skip
    assert (alert(keep).status, alert(keep).name, alert(keep).labels) == (
        Status.RESOLVED, "Slow", {"service": "a", "env": "prod"},
    )  # fmt: skip


def test_an_event_that_only_mentions_the_webhook_goes_by_its_type() -> None:
    assert read(datadog(alert_transition="", alert_type="info")).notices == {("datadog", "event"): 1}
    assert alert(datadog(alert_transition="$ALERT_TRANSITION", alert_type="success")).status is Status.RESOLVED


# -- New Relic -------------------------------------------------------------------------------------------------------


def test_an_issue_is_read() -> None:
    one = alert(issue())
    assert (one.status, one.name, one.service, one.severity) == (Status.FIRING, "Slow", "checkout", Severity.ERROR)
    assert (one.starts_at, one.observed_at, one.instance) == (START, AT - 20_000, "c5faa7e6")
    assert alert(payload("newrelic_workflow_default")).labels == {"account": "4420147", "policy": "Golden Signals"}


def test_the_next_issue_of_condition_and_entity_is_the_same_alert() -> None:
    again = alert(issue(id="another", issueUrl="https://x/accounts/7/issues/another"))
    assert again.fingerprint == alert(issue()).fingerprint != alert(issue(alertConditionNames=["Down"])).fingerprint


def test_the_end_of_an_issue_that_grew_ends_all_that_it_began() -> None:
    grown = issue(state="CLOSED", alertConditionNames=["Slow", "Errors"], impactedEntities=["checkout", "cart"])
    ends = alerts(grown)
    assert {(one.name, one.service) for one in ends} == {
        ("Slow", "checkout"), ("Slow", "cart"), ("Errors", "checkout"), ("Errors", "cart"),
    }  # fmt: skip
    assert alert(issue()).fingerprint in {one.fingerprint for one in ends}
    assert {(one.status, one.starts_at, one.ends_at) for one in ends} == {(Status.RESOLVED, START, AT - 20_000)}


def test_no_issue_makes_more_alerts_than_any_real_one() -> None:
    many = [str(number) for number in range(50)]
    assert error(issue(alertConditionNames=many, impactedEntities=many)).startswith("wrong_value: 50 conditions of 50")


def test_an_issue_without_entities_or_conditions_is_an_alert_all_the_same() -> None:
    one = alert(issue(impactedEntities=[], alertConditionNames=None))
    assert (one.name, one.service) == ("checkout query result is > 1.0", None)


def test_an_older_incident_is_read_and_ends() -> None:
    one = alert(payload("newrelic_legacy_incident"))
    assert (one.status, one.severity, one.starts_at) == (Status.FIRING, Severity.INFO, 1_601_033_007_849)
    end = alert({**payload("newrelic_legacy_incident"), "current_state": "closed", "condition_id": 9, "targets": []})
    assert (end.status, end.fingerprint) == (Status.RESOLVED, one.fingerprint)


def test_acknowledged_at_new_relic_is_no_alert() -> None:
    assert read(issue(state="ACKNOWLEDGED")).notices == {("newrelic", "acknowledged"): 1}
    legacy = {"incident_id": 1, "condition_name": "c", "current_state": "acknowledged"}
    assert read(legacy).notices == {("newrelic", "acknowledged"): 1}


# -- Sentry ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("action", "severity"), [("critical", Severity.CRITICAL), ("warning", Severity.WARNING)])
def test_a_metric_alert_fires(action: str, severity: Severity) -> None:
    one = alert(metric_alert(action), {"sentry-hook-resource": "metric_alert"})
    assert (one.status, one.name, one.service, one.severity) == (Status.FIRING, "Too many errors", "checkout", severity)
    assert (one.starts_at, one.fingerprint) == (START, "sentry/5/metric/7")


def test_a_metric_alert_ends() -> None:
    one = alert(metric_alert("resolved", date_closed="2026-11-23T03:40:10Z"))
    assert (one.status, one.starts_at, one.ends_at) == (Status.RESOLVED, START, AT - 20_000)
    assert alert(metric_alert("resolved")).ends_at == AT
    real = alert(payload("sentry_metric_alert"))
    assert (real.status, real.service, real.fingerprint) == (Status.RESOLVED, "bar", "sentry/5/metric/7")


def test_an_issue_alert_fires_and_the_state_of_the_issue_ends_it() -> None:
    fired = alert(payload("sentry_issue_alert"), {"sentry-hook-resource": "event_alert"})
    assert (fired.name, fired.service, fired.severity) == (
        "ReferenceError: heck is not defined", "front-end", Severity.ERROR,
    )  # fmt: skip
    assert fired.labels["browser"] == "Chrome 75.0.3770"
    assert fired.starts_at == 1_566_248_777_677
    ended = alert(sentry_issue("resolved"), {"sentry-hook-resource": "issue"})
    assert (ended.status, ended.fingerprint, ended.service, ended.ends_at) == (
        Status.RESOLVED, fired.fingerprint, "front-end", AT,
    )  # fmt: skip


@pytest.mark.parametrize(("action", "starts_at"), [("created", AT - 90_000), ("unresolved", START)])
def test_an_issue_that_is_new_or_back_fires(action: str, starts_at: int) -> None:
    one = alert(sentry_issue(action))
    assert (one.status, one.starts_at) == (Status.FIRING, starts_at)


@pytest.mark.parametrize("resource", ["installation", "comment", "error"])
def test_other_hooks_of_sentry_are_no_alerts(resource: str) -> None:
    contents = read({"action": "created", "data": {"comment": "x"}}, {"sentry-hook-resource": resource})
    assert (contents.events, contents.notices) == ([], {("sentry", resource): 1})
    unknown = read({"action": "created", "data": {}}, {"sentry-hook-resource": f"{resource}-of-tomorrow"})
    assert unknown.notices == {("sentry", "other"): 1}


@pytest.mark.parametrize("action", ["assigned", "archived", "ignored"])
def test_what_people_do_with_issues_is_no_alert(action: str) -> None:
    assert read(sentry_issue(action)).notices == {("sentry", action): 1}


# -- Opsgenie --------------------------------------------------------------------------------------------------------


def test_an_alert_of_opsgenie_is_read_with_times_in_two_units() -> None:
    one = alert(opsgenie())
    assert (one.status, one.name, one.service) == (Status.FIRING, "Checkout is slow", "checkout")
    assert (one.starts_at, one.severity, one.labels) == (START + 288, Severity.ERROR, {"env": "prod", "region": "eu"})
    closed = alert(opsgenie("Close"))
    assert (closed.status, closed.starts_at, closed.ends_at) == (Status.RESOLVED, START + 288, AT - 19_712)
    assert closed.fingerprint == one.fingerprint


def test_a_real_alert_of_opsgenie_is_read() -> None:
    real = alert(payload("opsgenie_outgoing_webhook_create"))
    assert (real.starts_at, real.severity, real.service) == (1_502_709_956_288, Severity.WARNING, "Server")


@pytest.mark.parametrize(
    ("priority", "severity"),
    [("P1", Severity.CRITICAL), (1, Severity.CRITICAL), ("p5", Severity.INFO), (9, None), (None, None), ([], None)],
)
def test_a_priority_is_a_word_or_a_number(priority: object, severity: Severity | None) -> None:
    assert alert(opsgenie(priority=priority)).severity is severity


@pytest.mark.parametrize(
    ("action", "word"),
    [("Acknowledge", "acknowledged"), ("AddNote", "note"), ("EscalateNext", "escalated"), ("AddResponder", "other")],
)
def test_what_people_do_with_alerts_is_no_alert(action: str, word: str) -> None:
    assert read(opsgenie(action)).notices == {("opsgenie", word): 1}


def test_an_alert_without_an_alias_is_its_own_number() -> None:
    assert alert(opsgenie(alias=None)).fingerprint == alert(opsgenie("Delete", alias=None)).fingerprint


def test_what_is_wrong_is_said_with_its_place() -> None:
    assert error(datadog(alert_transition="Odd")).startswith("wrong_value: alert_transition: 'odd' is none of")
    assert error(datadog(date="soon")).startswith("bad_timestamp: date: 'soon'")
    assert error(datadog(alert_title="")).startswith("missing_field: missing required field `alert_title`")
    assert error(issue(state="ODD")).startswith("wrong_value: state: 'odd' is none of created, activated, closed")
    assert error(issue(createdAt=5)).startswith("bad_timestamp: createdAt: 5")
    assert error(metric_alert("odd")).startswith("wrong_value: action: 'odd' is none of critical, warning, resolved")
    assert error(metric_alert("critical", alert_rule=5)).startswith(
        "wrong_type: data.metric_alert.alert_rule: expected"
    )
    assert error(opsgenie(createdAt=5)).startswith("bad_timestamp: alert.createdAt: 5")
    assert error(opsgenie(alertId=5)).startswith("wrong_type: alert.alertId: expected string, got integer")
