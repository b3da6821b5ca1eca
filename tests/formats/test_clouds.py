"""Google Cloud Monitoring and Azure Monitor: ends that are not, seven digits, what lasts beyond a firing."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from correlator.domain import Severity, Status
from correlator.formats.alert import ParsedAlert
from tests.formats.examples import AT, EXAMPLES, alert, error, payload, read

START = AT - 30_000


def gcp(**fields: Any) -> dict[str, Any]:
    return {**EXAMPLES["gcp"], "incident": {**EXAMPLES["gcp"]["incident"], **fields}}


def azure(*, context: Any = None, custom: Any = None, **essentials: Any) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(EXAMPLES["azure"])
    document["data"]["essentials"].update(essentials)
    if context is not None:
        document["data"]["alertContext"] = context
    document["data"]["customProperties"] = custom
    return document


# -- Google Cloud ----------------------------------------------------------------------------------------------------


def test_an_incident_of_google_is_read() -> None:
    assert alert(gcp()) == ParsedAlert(
        status=Status.FIRING, name="p99 high", starts_at=START, source="gcp", service="checkout", entity="checkout-1",
        severity=Severity.ERROR, ends_at=AT + 86_400_000, fingerprint=alert(gcp(incident_id="another")).fingerprint,
        labels={"project_id": "shop", "policy": "latency", "resource_type": "k8s_container", "route": "/pay",
                "container_name": "checkout", "pod_name": "checkout-1", "team": "core"},
        summary="p99 is 3 s",
    )  # fmt: skip


@pytest.mark.parametrize("word", ["open", "OPEN"])
@pytest.mark.parametrize("ended_at", [None, 0])
def test_an_open_incident_has_no_end_in_whatever_way_that_is_written(word: str, ended_at: int | None) -> None:
    one = alert(gcp(state=word, ended_at=ended_at))
    assert (one.status, one.starts_at, one.ends_at) == (Status.FIRING, START, AT + 86_400_000)


@pytest.mark.parametrize("word", ["closed", "CLOSED"])
def test_a_closed_incident_ended(word: str) -> None:
    one = alert(gcp(state=word, ended_at=1_795_405_210))
    assert (one.status, one.starts_at, one.ends_at) == (Status.RESOLVED, START, AT - 20_000)
    assert alert(gcp(state=word, ended_at=0)).ends_at == AT
    assert one.fingerprint == alert(gcp()).fingerprint


def test_an_incident_is_told_apart_by_condition_and_labels_not_by_its_number() -> None:
    other = alert(gcp(resource={"type": "k8s_container", "labels": {"container_name": "cart"}}))
    conditions = {alert(gcp(condition={"name": name})).fingerprint for name in ("c/1", "c/2")}
    assert len({alert(gcp()).fingerprint, other.fingerprint, *conditions}) == 4


@pytest.mark.parametrize(
    ("word", "severity"), [("Critical", Severity.CRITICAL), ("WARNING", Severity.WARNING), ("No severity", None)]
)
def test_a_severity_of_google_is_the_policys(word: str, severity: Severity | None) -> None:
    assert alert(gcp(severity=word)).severity is severity


def test_the_policys_own_word_for_the_service_wins() -> None:
    assert alert(gcp(policy_user_labels={"service": "pay"})).service is None  # left to the label
    assert alert(gcp(policy_user_labels={"service": "pay"})).labels["service"] == "pay"


def test_real_incidents_of_google_are_read() -> None:
    one = alert(payload("gcp_monitoring_v1_2"))
    assert (one.name, one.starts_at, one.entity) == (
        "GCE VM Instance - CPU usage",
        1_580_920_957_000,
        "8979287136362607111",
    )
    mock = alert(payload("gcp_monitoring_v1_0_keep_mock"))
    assert (mock.starts_at, mock.service, mock.labels["team"]) == (AT, "default", "platform")
    assert mock.labels["severity"] == "critical"


def test_a_test_of_a_channel_pages_nobody() -> None:
    assert read({**gcp(), "version": "test"}).notices == {("gcp", "test"): 1}


# -- Azure -----------------------------------------------------------------------------------------------------------


def test_an_alert_of_azure_is_read() -> None:
    one = alert(azure(custom={"team": "core"}))
    assert (one.status, one.name, one.service, one.severity) == (
        Status.FIRING, "High latency", "checkout", Severity.ERROR,
    )  # fmt: skip
    assert (one.starts_at, one.fingerprint) == (START + 371, "3f2d_shop_microsoft.insights_-117781227")
    assert one.labels == {
        "resource_group": "shop", "resource_type": "microsoft.web/sites", "signal_type": "Metric",
        "monitoring_service": "Platform", "Instance": "i-1", "team": "core",
    }  # fmt: skip


def test_the_real_alert_has_seven_digits_after_the_second() -> None:
    one = alert(payload("azure_common_alert_schema_metric"))
    assert (one.status, one.severity) == (Status.RESOLVED, Severity.INFO)
    assert (one.starts_at, one.ends_at) == (1_553_263_104_371, 1_553_263_396_225)
    assert (one.service, one.entity) == (None, "wcus-r2-gen2")


def test_an_alert_of_logs_is_read_whose_end_is_told_without_a_time() -> None:
    context = {"conditionType": "LogQueryCriteria", "condition": {"allOf": [
        {"searchQuery": "Heartbeat", "dimensions": [{"name": "Computer", "value": "vm-7"}]}]}}  # fmt: skip
    one = alert(
        azure(context=context, monitorCondition="Resolved", signalType="Log", monitoringService="Log Alerts V2")
    )
    assert (one.status, one.ends_at, one.labels["Computer"]) == (Status.RESOLVED, AT, "vm-7")


def test_the_service_of_azure_is_the_users_word_else_the_role_else_the_resource() -> None:
    role = {"condition": {"allOf": [{"dimensions": [{"name": "cloud/roleName", "value": "cart"}]}]}}
    assert alert(azure(context=role, custom={"service": "pay"})).service == "pay"
    assert alert(azure(context=role)).service == "cart"
    assert alert(azure()).service == "checkout"
    nested = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Sql/servers/db/databases/orders"
    assert alert(azure(alertTargetIDs=[nested], configurationItems=[])).service == "orders"


@pytest.mark.parametrize("target", ["", "x", "/subscriptions/s", "/resourcegroups", "/providers", "a/providers/b"])
def test_a_target_that_is_no_resource_costs_no_alert(target: str) -> None:
    assert alert(azure(alertTargetIDs=[target], configurationItems=None)).service is None


def test_a_firing_of_azure_is_the_same_alert_at_its_next_firing() -> None:
    assert alert(azure(alertId="another")).fingerprint == alert(azure()).fingerprint


def test_what_is_wrong_is_said_with_its_place() -> None:
    assert error(gcp(state="ajar")).startswith("wrong_value: incident.state: 'ajar' is none of open, closed")
    assert error(gcp(started_at=17)).startswith("bad_timestamp: incident.started_at: 17")
    assert error(gcp(resource=5)).startswith("wrong_type: incident.resource: expected object or null, got integer")
    assert error(azure(monitorCondition="Maybe")).startswith("wrong_value: data.essentials.monitorCondition: 'Maybe'")
    assert error(azure(firedDateTime="soon")).startswith("bad_timestamp: data.essentials.firedDateTime: 'soon'")
    assert error({"schemaId": "azureMonitorCommonAlertSchema", "data": {}}).startswith("missing_field: data: missing")
