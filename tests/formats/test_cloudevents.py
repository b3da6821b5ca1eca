"""CloudEvents: three ways to wrap a message, and what the envelope adds."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from correlator.config import NamingConfig
from correlator.domain import Severity, Status
from correlator.formats.naming import Namer
from tests.formats.examples import AT, EXAMPLES, alert, alerts, error, errors, read
from topology.graph import ServiceGraph

INSIDE = {"status": "firing", "name": "N", "starts_at": "2026-11-23T03:40:00Z", "fingerprint": "f"}
CONTEXT = {"specversion": "1.0", "id": "7", "source": "/eu", "type": "alert"}
BINARY = {f"ce_{name}": value for name, value in CONTEXT.items()}


def structured(data: Any = INSIDE, **attributes: Any) -> dict[str, Any]:
    return {**CONTEXT, **attributes, "data": data}


STRUCTURED = [
    ({}, structured()),
    ({"content-type": "application/cloudevents+json; charset=UTF-8"}, structured()),
    ({"content-type": "Application/CloudEvents"}, structured()),
    ({"content-type": "application/cloudevents-batch+json"}, [structured()]),
    ({}, {**CONTEXT, "data_base64": base64.b64encode(json.dumps(INSIDE).encode()).decode()}),
    (BINARY | {"content-type": "application/json"}, INSIDE),
    ({name.replace("_", "-"): value for name, value in BINARY.items()}, INSIDE),
]


@pytest.mark.parametrize(("headers", "document"), STRUCTURED)
def test_every_mode_is_told_apart_and_unwrapped(headers: dict[str, str], document: Any) -> None:
    contents = read(document, headers)
    assert contents.formats == ["cloudevents", "canonical"] and errors(contents) == []
    (one,) = contents.events
    assert one.id("place") == "/eu#7"
    assert [(found.name, found.fingerprint) for found in contents.alerts] == [("N", "f")]


def test_headers_that_lack_one_of_the_four_are_no_event() -> None:
    headers = {name: value for name, value in BINARY.items() if name != "ce_type"}
    assert read(INSIDE, headers).formats == ["canonical"]


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "cloudevents"])
def test_what_is_inside_is_of_any_format(name: str) -> None:
    assert [one.name for one in alerts(structured(EXAMPLES[name]))] == [one.name for one in alerts(EXAMPLES[name])]


def test_several_alerts_inside_have_the_events_id_and_their_index() -> None:
    contents = read(structured(EXAMPLES["alertmanager"]))
    assert [one.id("place") for one in contents.events] == ["/eu#7-0", "/eu#7-1"]
    assert [one.id("place") for one in read(structured([INSIDE, {**INSIDE, "id": "own"}])).events] == ["/eu#7-0", "own"]


@pytest.mark.parametrize(
    ("attributes", "severity"),
    [
        ({"severitynumber": 21}, Severity.CRITICAL),
        ({"severitynumber": "17"}, Severity.ERROR),
        ({"severitynumber": 13, "severitytext": "FATAL"}, Severity.WARNING),
        ({"severitynumber": 1}, Severity.INFO),
        ({"severitytext": "Error3"}, Severity.ERROR),
        ({"severitynumber": 0}, None),
        ({"severitynumber": 99}, None),
        ({"severitytext": "purple"}, None),
        ({}, None),
    ],
)
def test_its_severity_is_opentelemetrys(attributes: dict[str, Any], severity: Severity | None) -> None:
    assert alert(structured(**attributes)).severity is severity
    headers = BINARY | {f"ce_{name}": str(value) for name, value in attributes.items()}
    assert alert(INSIDE, headers).severity is severity


def test_a_severity_of_the_alert_outranks_the_envelopes() -> None:
    assert alert(structured({**INSIDE, "severity": "info"}, severitynumber=21)).severity is Severity.INFO
    assert alert(structured({**INSIDE, "labels": {"severity": "info"}}, severitynumber=21)).severity is None


def test_an_expiry_is_the_lease_of_a_firing_and_the_time_its_arrival_in_a_replay() -> None:
    one = alert(structured(expirytime="2026-11-23T04:00:00Z", time="2026-11-23T03:40:10Z"))
    assert (one.ends_at, one.observed_at) == (AT + 30_000 + 19 * 60_000, AT - 20_000)
    resolved = alert(structured({**INSIDE, "status": "resolved"}, expirytime="2026-11-23T04:00:00Z"))
    assert (resolved.status, resolved.ends_at) == (Status.RESOLVED, None)


@pytest.mark.parametrize("value", ["soon", 5, None, {}, "0001-01-01T00:00:00Z"])
def test_an_attribute_that_makes_no_sense_costs_no_alert(value: Any) -> None:
    assert alert(structured(time=value, expirytime=value, severitynumber=value, sequence=value)).name == "N"


def test_what_ties_events_together_is_kept_and_is_no_part_of_the_identity() -> None:
    attributes = {"partitionkey": "eu", "correlationid": "c", "causationid": "d", "sequence": "1"}
    inside = {**INSIDE, "fingerprint": None, "labels": {"a": "b"}}
    one = alert(structured(inside, **attributes))
    assert one.labels == {"a": "b"} | {f"ce_{name}": value for name, value in attributes.items()}
    namer = Namer(NamingConfig(), ServiceGraph.empty())
    names = [namer.name(alert(document), event_id="e", observed_at=AT) for document in
             (inside, structured(inside, **attributes))]  # fmt: skip
    assert names[0].fingerprint == names[1].fingerprint


def test_a_scope_may_be_made_of_the_partition_key() -> None:
    namer = Namer(NamingConfig(scope_labels=("ce_partitionkey",)), ServiceGraph.empty())
    one = namer.name(alert(structured(partitionkey="eu")), event_id="e", observed_at=AT)
    assert one.scope == "eu"


@pytest.mark.parametrize(
    ("headers", "document", "problem"),
    [
        ({"content-type": "application/cloudevents+json"}, {"id": "7"}, "missing_field: missing required field"),
        ({"content-type": "application/cloudevents+json"}, [structured(), {"id": 7}], "wrong_type: [1].id: expected"),
        ({}, {**CONTEXT, "data_base64": "%"}, "wrong_value: data_base64: no base64"),
        (
            {},
            structured({"incident": 1}),
            "missing_field: of no known format; as a canonical event: missing required field `status`",
        ),
        ({}, structured(5), "wrong_type: of no known format; as a canonical event: expected object, got integer"),
    ],
)
def test_what_is_wrong_is_said(headers: dict[str, str], document: Any, problem: str) -> None:
    (found,) = errors(read(document, headers))
    assert found.startswith(problem)


def test_a_binary_event_without_data_is_refused() -> None:
    assert "holds no data" in error(b"", BINARY)
