"""OpenTelemetry's logs: JSON and protobuf tell the same, numbers in strings, severities by number."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

from correlator.domain import Severity, Status
from tests.formats.examples import AT, EXAMPLES, alert, alerts, error, errors, payload, read

START = AT - 29_700
PROTOBUF = {"content-type": "application/x-protobuf"}


def logs(*records: dict[str, Any], resource: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the example, with records that differ from its own in the fields given."""
    document: dict[str, Any] = copy.deepcopy(EXAMPLES["otlp"])
    inside = document["resourceLogs"][0]
    inside["scopeLogs"][0]["logRecords"] = [
        {**inside["scopeLogs"][0]["logRecords"][0], **one} for one in records or ({},)
    ]
    if resource is not None:
        inside["resource"]["attributes"] = [{"key": k, "value": {"stringValue": v}} for k, v in resource.items()]
    return document


def protobuf(document: dict[str, Any]) -> bytes:
    return json_format.ParseDict(document, LogsData()).SerializeToString()


def test_a_record_is_a_firing_that_holds_a_quarter_of_an_hour() -> None:
    one = alert(logs())
    assert (one.status, one.name, one.service, one.entity) == (
        Status.FIRING, "payment.refused", "checkout", "checkout-1",
    )  # fmt: skip
    assert (one.severity, one.starts_at, one.ends_at) == (Severity.ERROR, START, AT + 900_000)
    assert (one.summary, one.labels["count"], "list" in one.labels) == ("refused 17 times", "17", False)


def test_protobuf_and_json_tell_the_same() -> None:
    document = logs({}, {"severityNumber": 13, "eventName": "", "body": {"stringValue": "disk at 97 %"}})
    assert alerts(protobuf(document), PROTOBUF) == alerts(document)
    assert alerts(protobuf(document), {"format": "otlp"}) == alerts(document)
    assert alerts(document, {"format": "otlp", "content-type": "application/json"}) == alerts(document)


def test_numbers_of_64_bits_are_strings_or_numbers() -> None:
    assert alert(logs({"timeUnixNano": 1_795_405_200_300_000_000})) == alert(logs())
    assert alert(logs({"timeUnixNano": "0", "observedTimeUnixNano": "1795405200300000000"})).starts_at == START
    assert alert(logs({"timeUnixNano": "0"})).starts_at == AT


@pytest.mark.parametrize(
    ("fields", "severity"),
    [
        ({"severityNumber": 9}, Severity.INFO),
        ({"severityNumber": 16}, Severity.WARNING),
        ({"severityNumber": 17}, Severity.ERROR),
        ({"severityNumber": 24}, Severity.CRITICAL),
        ({"severityNumber": 0, "severityText": "Fatal"}, Severity.CRITICAL),
        ({"severityNumber": "SEVERITY_NUMBER_WARN3", "severityText": ""}, Severity.WARNING),
        ({"severityNumber": None, "severityText": None}, None),
        ({"severityNumber": 99, "severityText": "odd"}, None),
    ],
)
def test_the_severity_is_the_number_else_the_text(fields: dict[str, Any], severity: Severity | None) -> None:
    assert alert(logs(fields)).severity is severity


def test_debugging_is_no_alert() -> None:
    contents = read(logs({"severityNumber": 5}, {"severityNumber": 1}, {}))
    assert (len(contents.alerts), contents.notices) == (1, {("otlp", "debug"): 2})


def test_the_identity_is_service_environment_and_event_or_the_body_without_numbers() -> None:
    def fingerprint(body: str = "took 17 ms", **resource: str) -> str | None:
        return alert(logs({"eventName": "", "body": {"stringValue": body}}, resource=resource)).fingerprint

    same = fingerprint(**{"service.name": "a"})
    assert same == fingerprint("took 99.5 ms", **{"service.name": "a", "k8s.pod.name": "a-2"})
    others = {
        fingerprint(**{"service.name": "b"}),
        fingerprint("refused", **{"service.name": "a"}),
        fingerprint(**{"service.name": "a", "service.namespace": "n"}),
        fingerprint(**{"service.name": "a", "deployment.environment.name": "test"}),
    }
    assert len(others | {same}) == 5


def test_an_exception_names_a_record_without_an_event() -> None:
    attributes = [{"key": "exception.type", "value": {"stringValue": "OutOfMemoryError"}},
                  {"key": "exception.message", "value": {"stringValue": "heap"}}]  # fmt: skip
    one = alert(logs({"eventName": None, "body": None, "attributes": attributes}))
    assert (one.name, one.summary) == ("OutOfMemoryError", "heap")


def test_the_example_of_the_specification_is_read() -> None:
    one = alert(payload("otlp_logs_example_spec"))
    assert (one.name, one.service, one.severity, one.starts_at) == (
        "Example log record", "my.service", Severity.INFO, 1_544_712_660_300,
    )  # fmt: skip
    assert one.labels["boolean.attribute"] == "true"


def test_a_bad_record_spoils_no_other_and_says_where_it_stands() -> None:
    bad: tuple[dict[str, Any], ...] = (
        {"timeUnixNano": "soon"},
        {"eventName": "", "body": None},
        {"timeUnixNano": "17"},
        {"timeUnixNano": {}},
    )
    contents = read(logs({}, *bad, {}))
    assert len(contents.alerts) == 2
    at = "resourceLogs[0].scopeLogs[0].logRecords"
    for text, start in zip(
        errors(contents),
        (
            f"bad_timestamp: {at}[1]: timeUnixNano: 'soon'",
            f"missing_field: {at}[2]: neither",
            f"bad_timestamp: {at}[3]: timeUnixNano: 17",
            f"wrong_type: {at}[4].timeUnixNano: expected",
        ),
        strict=True,
    ):
        assert text.startswith(start)


def test_a_resource_that_is_none_spoils_no_other() -> None:
    document = logs()
    document["resourceLogs"][:0] = [5, {"scopeLogs": [{"logRecords": "x"}]}]
    contents = read(document)
    assert len(contents.alerts) == 1
    assert errors(contents) == [
        "wrong_type: resourceLogs[0]: expected object, got integer",
        "wrong_type: resourceLogs[1].scopeLogs[0].logRecords: expected array, got string",
    ]


def test_what_is_wrong_is_said_with_its_place() -> None:
    assert error({"resourceLogs": 5}) == "wrong_type: resourceLogs: expected array, got integer"
    assert error({"resourceLogs": [{"scopeLogs": 5}]}).startswith("wrong_type: resourceLogs[0].scopeLogs: expected")
    assert error({"resourceLogs": [5]}).startswith("wrong_type: resourceLogs[0]: expected object")


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"hello", b"\x08\x01"])
def test_bytes_that_are_no_protobuf_of_logs_are_refused(data: bytes) -> None:
    assert error(data, PROTOBUF).startswith("wrong_value: ")


def test_what_protobuf_leaves_out_is_empty() -> None:
    assert alerts({"resourceLogs": [{}, {"scopeLogs": [{}]}, {"resource": None, "scopeLogs": None}]}) == []
    assert alerts(b"", PROTOBUF) == []
