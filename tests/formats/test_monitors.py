"""Zabbix, Icinga, Nagios, Checkmk, Sensu, Kibana, Pingdom, Graylog, Riemann, vRealize: states, and what is no alert."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from correlator.config import NamingConfig
from correlator.domain import Severity, Status
from correlator.formats.naming import Namer
from tests.formats.examples import AT, EXAMPLES, alert, error, payload, read
from topology.graph import ServiceGraph

START = AT - 30_000
TEMPLATES = Path(__file__).parents[2] / "deploy" / "templates"


def changed(name: str, **fields: Any) -> dict[str, Any]:
    return {**EXAMPLES[name], **fields}


def notices(document: Any) -> dict[tuple[str, str], int]:
    """Return the notices of a message that holds nothing else."""
    contents = read(document)
    assert contents.events == []
    return contents.notices


# -- Zabbix ----------------------------------------------------------------------------------------------------------


def test_a_problem_of_zabbix_is_read() -> None:
    one = alert(changed("zabbix"))
    assert (one.status, one.name, one.service, one.entity) == (Status.FIRING, "Disk is full on db-1", "db", "db-1")
    assert (one.severity, one.starts_at, one.instance) == (Severity.ERROR, START, "10528")
    assert one.summary == "Disk is full on db-1: 97 %"
    assert one.labels == {"service": "db", "scope": "capacity", "host": "db-1"}


def test_a_recovery_of_zabbix_ends_its_problem() -> None:
    one = alert(changed("zabbix", event_value="0", event_ended_at=1_795_405_210))
    assert (one.status, one.starts_at, one.ends_at) == (Status.RESOLVED, START, AT - 20_000)
    assert (one.fingerprint, one.instance) == (alert(changed("zabbix")).fingerprint, "10528")


def test_the_next_problem_of_a_trigger_is_the_same_alert_and_of_another_zabbix_another() -> None:
    again, elsewhere = alert(changed("zabbix", event_id="2")), alert(changed("zabbix", url="https://other.example"))
    assert again.fingerprint == alert(changed("zabbix")).fingerprint != elsewhere.fingerprint


def test_dates_on_the_servers_wall_are_instants_by_its_offset() -> None:
    dates = {"event_started_at": None, "event_date": "2026.11.23", "event_time": "04:40:00"}
    assert alert(changed("zabbix", **dates, utc_offset_minutes=60)).starts_at == START
    assert alert(changed("zabbix", **dates)).starts_at == AT  # nobody knows in what zone


@pytest.mark.parametrize(
    ("number", "severity"),
    [("0", Severity.UNKNOWN), (1, Severity.INFO), ("2", Severity.WARNING), ("3", Severity.WARNING),
     (4, Severity.ERROR), ("5", Severity.CRITICAL), ("{EVENT.NSEVERITY}", None)],
)  # fmt: skip
def test_severities_of_zabbix(number: object, severity: Severity | None) -> None:
    assert alert(changed("zabbix", event_nseverity=number)).severity is severity


@pytest.mark.parametrize("tags", ["", "{EVENT.TAGSJSON}", "[", "5", None, [{"tag": 5}, "x"]])
def test_tags_that_are_none_cost_no_alert(tags: object) -> None:
    assert alert(changed("zabbix", event_tags=tags)).labels == {"host": "db-1"}


def test_an_update_of_zabbix_is_no_alert() -> None:
    assert notices(changed("zabbix", event_update_status="1")) == {("zabbix", "update"): 1}


def test_a_common_short_template_of_zabbix_is_read() -> None:
    document = payload("zabbix_webhook_high")
    one = alert(document)
    assert (one.status, one.entity, one.severity, one.starts_at) == (
        Status.FIRING, "www.example.com", Severity.ERROR, AT,
    )  # fmt: skip
    end = alert({**document, "status": "OK"})
    assert (end.status, end.fingerprint) == (Status.RESOLVED, one.fingerprint)


# -- Icinga and Nagios -----------------------------------------------------------------------------------------------


def icinga(**fields: Any) -> dict[str, Any]:
    return changed("icinga2", **fields)


def test_a_hard_state_of_icinga_is_an_alert() -> None:
    one = alert(icinga())
    assert (one.status, one.name, one.entity, one.severity) == (Status.FIRING, "disk", "db-1", Severity.CRITICAL)
    assert (one.starts_at, one.fingerprint) == (START + 500, "icinga2/db-1!disk")
    assert alert(icinga(state=1)).severity is Severity.WARNING
    assert alert(icinga(state=3)).severity is Severity.UNKNOWN


def test_a_host_of_icinga_is_down_or_up() -> None:
    down = {key: value for key, value in icinga(state=1).items() if key != "service"}
    one = alert(down)
    assert (one.name, one.severity, one.fingerprint) == ("host down", Severity.CRITICAL, "icinga2/db-1!")
    assert alert({**down, "state": 0}).status is Status.RESOLVED
    assert error({**down, "state": 2}).startswith("wrong_value: state: 2.0 is none of 0, 1")


def test_a_soft_state_is_no_alert_but_ok_always_ends_one() -> None:
    assert notices(icinga(state_type=0)) == {("icinga2", "soft_state"): 1}
    assert notices(payload("icinga2_statechange_service")) == {("icinga2", "soft_state"): 1}
    assert alert(icinga(state=0, state_type=0)).status is Status.RESOLVED
    assert alert(icinga(state=0)).ends_at == START + 500


def test_a_downtime_hides_problems_and_no_recovery() -> None:
    assert notices(icinga(downtime_depth=1)) == {("icinga2", "in_downtime"): 1}
    assert alert(icinga(downtime_depth=1, state=0)).status is Status.RESOLVED
    told = {**icinga(downtime_depth=0), "type": "Notification", "notification_type": "PROBLEM"}
    assert alert(told).fingerprint == alert(icinga()).fingerprint


def test_that_a_parent_is_down_is_told_by_icinga() -> None:
    unreachable = icinga(check_result={"state": 2, "output": "x", "vars_after": {"reachable": False}})
    assert (alert(unreachable).unreachable, alert(unreachable).labels["reachable"]) == (True, "false")
    assert not alert(icinga()).unreachable


@pytest.mark.parametrize(
    ("kind", "word"),
    [("CheckResult", "check_result"), ("AcknowledgementSet", "acknowledged"), ("DowntimeStarted", "downtime"),
     ("Flapping", "flapping"), ("CommentAdded", "comment"), ("ObjectModified", "object")],
)  # fmt: skip
def test_other_events_of_icinga_are_no_alerts(kind: str, word: str) -> None:
    assert notices({"type": kind, "timestamp": 1.5}) == {("icinga2", word): 1}
    assert notices(payload("icinga2_acknowledgement_set")) == {("icinga2", "acknowledged"): 1}


def test_a_host_of_icinga_that_notifies_is_down_by_its_plugins_state() -> None:
    document = {"type": "Notification", "timestamp": 1_795_405_200.5, "host": "db-1", "notification_type": "PROBLEM",
                "check_result": {"state": 2, "output": "unreachable"}}  # fmt: skip
    assert alert(document).severity is Severity.CRITICAL
    assert notices({**document, "notification_type": "ACKNOWLEDGEMENT"}) == {("icinga2", "acknowledged"): 1}


def test_the_real_notification_of_nagios_is_read() -> None:
    one = alert(payload("nagios_notify_macros"))
    assert (one.status, one.name, one.entity, one.severity) == (Status.FIRING, "HTTP", "web1", Severity.CRITICAL)
    assert (one.starts_at, one.fingerprint) == (1_767_225_600_000, "nagios/web1!HTTP")


def test_a_recovery_of_nagios_ends_its_problem() -> None:
    one = alert(changed("nagios", notification_type="RECOVERY", state="OK", last_state_change="1795405210"))
    assert (one.status, one.ends_at, one.fingerprint) == (
        Status.RESOLVED, AT - 20_000, alert(changed("nagios")).fingerprint,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "severity"), [("DOWN", Severity.CRITICAL), ("UNREACHABLE", Severity.UNKNOWN), ("$HOSTSTATE$", None)]
)
def test_a_host_of_nagios_has_no_service(state: str, severity: Severity | None) -> None:
    one = alert(changed("nagios", host_state=state, service="$SERVICEDESC$", state=""))
    assert (one.name, one.severity, one.fingerprint) == ("host down", severity, "nagios/db-1!")
    assert ("reachable" in one.labels) is one.unreachable is (state == "UNREACHABLE")


@pytest.mark.parametrize(
    ("kind", "word"),
    [("ACKNOWLEDGEMENT", "acknowledged"), ("FLAPPINGSTART", "flapping"), ("DOWNTIMEEND", "downtime"),
     ("CUSTOM ($AUTHOR$)", "custom")],
)  # fmt: skip
def test_other_notifications_of_nagios_are_no_alerts(kind: str, word: str) -> None:
    assert notices(changed("nagios", notification_type=kind)) == {("nagios", word): 1}


def test_a_problem_of_checkmk_is_read_with_the_labels_of_host_and_service() -> None:
    one = alert(changed("checkmk", NOTIFY_HOSTLABEL_team="core", NOTIFY_SERVICELABEL_team="storage"))
    assert (one.status, one.name, one.entity, one.severity) == (
        Status.FIRING, "Filesystem /", "db-1", Severity.CRITICAL,
    )  # fmt: skip
    assert (one.starts_at, one.fingerprint, one.summary) == (START, "checkmk/db-1!Filesystem /", "CRIT - 97 % used")
    assert one.labels == {
        "service": "db", "team": "storage", "host": "db-1", "check": "Filesystem /", "site": "prod",
    }  # fmt: skip


def test_a_recovery_of_checkmk_ends_its_problem() -> None:
    one = alert(
        changed("checkmk", NOTIFY_NOTIFICATIONTYPE="RECOVERY", NOTIFY_LASTSERVICESTATECHANGE="1795405210"),
    )
    assert (one.status, one.ends_at, one.fingerprint) == (
        Status.RESOLVED, AT - 20_000, alert(changed("checkmk")).fingerprint,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "severity"),
    [("DOWN", Severity.CRITICAL), ("UNREACH", Severity.UNKNOWN), ("UNREACHABLE", Severity.UNKNOWN), ("", None)],
)
def test_a_host_of_checkmk_has_no_service(state: str, severity: Severity | None) -> None:
    document = {"NOTIFY_NOTIFICATIONTYPE": "PROBLEM", "NOTIFY_HOSTNAME": "db-1", "NOTIFY_HOSTSTATE": state,
                "NOTIFY_HOSTOUTPUT": "no answer", "NOTIFY_LASTHOSTSTATECHANGE": "1795405200"}  # fmt: skip
    one = alert(document)
    assert (one.name, one.severity, one.fingerprint) == ("host down", severity, "checkmk/db-1!")
    assert (one.starts_at, one.summary) == (START, "no answer")
    assert ("reachable" in one.labels) is one.unreachable is state.startswith("UNREACH")


def test_a_state_of_checkmk_that_never_changed_began_when_it_was_told() -> None:
    assert alert(changed("checkmk", NOTIFY_LASTSERVICESTATECHANGE="0")).starts_at == START + 3_123
    untold = changed("checkmk", NOTIFY_LASTSERVICESTATECHANGE="", NOTIFY_MICROTIME=None)
    assert alert(untold).starts_at == AT


@pytest.mark.parametrize(
    ("kind", "word"),
    [("ACKNOWLEDGEMENT", "acknowledged"), ("FLAPPINGSTOP", "flapping"), ("DOWNTIMECANCELLED", "downtime"),
     ("ALERTHANDLER (OK)", "alert_handler"), ("CUSTOM", "custom")],
)  # fmt: skip
def test_other_notifications_of_checkmk_are_no_alerts(kind: str, word: str) -> None:
    assert notices(changed("checkmk", NOTIFY_NOTIFICATIONTYPE=kind)) == {("checkmk", word): 1}


@pytest.mark.parametrize("name", ["icinga2", "nagios", "riemann"])
def test_checks_of_one_name_on_two_hosts_are_not_of_one_service(name: str) -> None:
    document = {key: value for key, value in EXAMPLES[name].items() if key != "tags"}
    namer = Namer(NamingConfig(), ServiceGraph.empty())
    services = {
        namer.name(alert({**document, "host": host}), event_id="e", observed_at=AT).service
        for host in ("db-1", "web-1")
    }
    assert services == {"unknown:db-1", "unknown:web-1"}


# -- Sensu -----------------------------------------------------------------------------------------------------------


def sensu(*, entity: dict[str, Any] | None = None, timestamp: int = 1_795_405_200, **check: Any) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(EXAMPLES["sensu"])
    document["check"].update(check)
    document["entity"].update(entity or {})
    document["timestamp"] = timestamp
    return document


def test_a_failing_check_began_one_interval_after_it_was_last_well_at_each_repetition() -> None:
    first, again = alert(sensu()), alert(sensu(timestamp=1_795_405_220))
    assert first.starts_at == again.starts_at == START - 60_000
    assert (first.fingerprint, again.observed_at) == ("sensu/default/db-1/check_disk", AT - 10_000)
    assert alert(sensu(last_ok=0)).starts_at == START
    assert alert(sensu(last_ok=1_795_405_190)).starts_at == START  # began no later than it is told


@pytest.mark.parametrize(
    ("status", "severity"),
    [(1, Severity.WARNING), (2, Severity.CRITICAL), (3, Severity.UNKNOWN), (127, Severity.UNKNOWN)],
)
def test_a_status_of_sensu_is_a_severity(status: int, severity: Severity) -> None:
    one = alert(sensu(status=status))
    assert (one.status, one.severity, one.labels["service"]) == (Status.FIRING, severity, "db")


def test_a_passing_check_ends_its_alert_even_while_silenced() -> None:
    one = alert(sensu(status=0, is_silenced=True))
    assert (one.status, one.ends_at) == (Status.RESOLVED, START)
    real = alert(payload("sensu_go_event"))
    assert (real.status, real.fingerprint) == (Status.RESOLVED, "sensu/default/sensu-centos/check_cpu")
    assert notices(sensu(is_silenced=True)) == {("sensu", "silenced"): 1}


def test_a_wrapped_event_of_sensu_is_read() -> None:
    wrapped = {"type": "Event", "api_version": "core/v2", "metadata": {}, "spec": sensu()}
    assert alert(wrapped) == alert(sensu())
    assert error({**wrapped, "spec": sensu(status="x")}).startswith("wrong_type: spec.check.status: expected number")


# -- Kibana ----------------------------------------------------------------------------------------------------------


def kibana(**fields: Any) -> dict[str, Any]:
    return changed("kibana", **{f"kibana.alert.{name}": value for name, value in fields.items()})


def test_a_document_of_kibana_is_read() -> None:
    one = alert(kibana())
    assert (one.status, one.name, one.service, one.entity) == (Status.FIRING, "CPU usage", "db", "db-1")
    assert (one.severity, one.starts_at, one.observed_at) == (Severity.ERROR, START, AT - 10_000)
    real = alert(payload("kibana_alert_document"))
    assert (real.name, real.entity, real.service, real.severity) == ("CPU Usage", "Benas-MBP", None, None)
    assert alert({"_index": ".alerts", "_source": kibana()}) == one


@pytest.mark.parametrize(
    "told",
    [
        {"service.name": "db", "host.name": "db-1"},
        {"service": {"name": "db"}, "host": {"name": "db-1", "ip": ["10.0.0.1"]}},
        {"kibana.alert.group": [{"field": "host.name", "value": "db-1"}, {"field": "service.name", "value": "db"}, 3]},
    ],
)
def test_kibana_tells_service_and_host_as_fields_as_objects_or_as_what_it_groups_by(told: dict[str, Any]) -> None:
    document = {key: value for key, value in kibana().items() if key not in ("service.name", "host.name")}
    one = alert({**document, "tags": ["service:other"], **told})
    assert (one.service, one.entity, one.labels["service.name"]) == ("db", "db-1", "db")
    assert one.fingerprint == alert(kibana()).fingerprint


@pytest.mark.parametrize("word", ["recovered", "untracked"])
def test_an_alert_of_kibana_ends_when_it_recovers_or_its_rule_is_gone(word: str) -> None:
    one = alert(kibana(status=word, end="2026-11-23T03:40:10Z"))
    assert (one.status, one.starts_at, one.ends_at) == (Status.RESOLVED, START, AT - 20_000)
    assert alert(kibana(uuid="another", status=word)).fingerprint == one.fingerprint == alert(kibana()).fingerprint


def test_a_maintenance_window_of_kibana_hides_alerts_and_no_recovery() -> None:
    assert notices(kibana(maintenance_window_ids=["m"])) == {("kibana", "maintenance"): 1}
    assert alert(kibana(maintenance_window_ids=["m"], status="recovered")).status is Status.RESOLVED


@pytest.mark.parametrize(("group", "status"), [("threshold", Status.FIRING), ("recovered", Status.RESOLVED)])
def test_our_template_of_kibana_makes_an_alert(group: str, status: Status) -> None:
    values = {"alert.uuid": "15f1", "alert.id": "db-1", "alert.actionGroup": group, "rule.id": "bfa4",
              "rule.name": "CPU usage", "context.reason": "CPU is 97 %", "date": "2026-11-23T03:40:20.000Z",
              "rule.tags": "service:db, x", "rule.url": ""}  # fmt: skip
    text = (TEMPLATES / "kibana-webhook.json").read_text()
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", value)
    assert "{{" not in text
    one = alert(json.loads(text))
    assert (one.status, one.name, one.service, one.entity) == (status, "CPU usage", "db", "db-1")


# -- others ----------------------------------------------------------------------------------------------------------


def test_a_check_of_pingdom_is_down_and_up() -> None:
    one = alert(changed("pingdom"))
    assert (one.name, one.service, one.severity, one.starts_at) == ("Shop down", "web", Severity.CRITICAL, START)
    end = alert(changed("pingdom", current_state="UP", state_changed_timestamp=1_795_405_210))
    assert (end.status, end.ends_at, end.fingerprint) == (Status.RESOLVED, AT - 20_000, one.fingerprint)
    real = alert(payload("pingdom_down"))
    assert (real.entity, real.starts_at) == ("api.alerta.io", 1_498_861_543_000)


def test_events_of_graylog_are_told_apart_by_their_groups() -> None:
    one = alert(changed("graylog"))
    assert (one.name, one.labels, one.severity) == ("Many refusals", {"service": "checkout"}, Severity.ERROR)
    event = {**EXAMPLES["graylog"]["event"], "group_by_fields": {"service": "cart"}, "key": "cart"}
    assert alert(changed("graylog", event=event)).fingerprint != one.fingerprint
    again = {**EXAMPLES["graylog"]["event"], "id": "02F", "timestamp": "2026-11-23T03:41:00Z"}
    assert alert(changed("graylog", event=again)).fingerprint == one.fingerprint


def test_an_older_condition_of_graylog_is_read() -> None:
    document = payload("graylog_alert")
    one = alert(document)
    assert (one.name, one.starts_at, one.status) == ("stream test", 1_441_878_354_749, Status.FIRING)
    quiet = {**document, "check_result": {"triggered": False}}
    assert notices(quiet) == {("graylog", "not_triggered"): 1}


@pytest.mark.parametrize(
    ("state", "status", "severity"),
    [("ok", Status.RESOLVED, None), ("warning", Status.FIRING, Severity.WARNING),
     ("expired", Status.FIRING, Severity.UNKNOWN)],
)  # fmt: skip
def test_a_state_of_riemann_holds_whatever_its_ttl(state: str, status: Status, severity: Severity | None) -> None:
    one = alert(changed("riemann", state=state))
    assert (one.status, one.severity, one.ends_at) == (status, severity, START if state == "ok" else AT + 86_400_000)
    assert alert(payload("riemann_event")).status is Status.RESOLVED


def test_an_alert_of_vrealize_begins_and_ends() -> None:
    one = alert(changed("vmware"))
    assert (one.status, one.entity, one.severity, one.starts_at) == (Status.FIRING, "vm-1", Severity.ERROR, START)
    end = alert(changed("vmware", status="CANCELED", cancelDate=AT - 20_000))
    assert (end.status, end.starts_at, end.ends_at) == (Status.RESOLVED, START, AT - 20_000)
    assert (end.fingerprint, end.instance) == (one.fingerprint, "a-1")
    real = alert(payload("vmware_vrealize"))
    assert (real.status, real.severity, real.starts_at) == (Status.FIRING, Severity.WARNING, 1_369_757_346_267)


def test_what_is_wrong_is_said_with_its_place() -> None:
    assert error(changed("zabbix", event_value="2")).startswith("wrong_value: event_value: '2' is none of 1, problem")
    assert error(changed("zabbix", event_started_at="soon")).startswith("bad_timestamp: event_started_at: 'soon'")
    assert error(changed("zabbix", utc_offset_minutes=10**9)).startswith("wrong_type: utc_offset_minutes")
    assert error(icinga(timestamp=5)).startswith("bad_timestamp: timestamp: 5")
    assert error(icinga(state=None)).startswith("missing_field: missing required field `state`")
    assert error(changed("nagios", notification_type="ODD")).startswith("wrong_value: notification_type: 'ODD'")
    assert error(sensu(last_ok=5)).startswith("bad_timestamp: check.last_ok: 5")
    assert error(kibana(status="odd")).startswith("wrong_value: kibana.alert.status: 'odd' is none of active")
    assert error({"kibana.alert.uuid": "u", "kibana.alert.rule.name": "n"}).startswith("missing_field: missing")
    assert error(changed("pingdom", current_state="ODD")).startswith("wrong_value: current_state: 'ODD' is none of")
    assert error(changed("graylog", event=5)).startswith("wrong_type: event: expected object, got integer")
    assert error(changed("riemann", state="odd")).startswith("wrong_value: state: 'odd' is none of ok, warning")
    assert error(changed("vmware", status="ODD")).startswith("wrong_value: status: 'ODD' is none of active")
