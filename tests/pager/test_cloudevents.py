"""CloudEvents on Kafka, in both modes of the protocol binding."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from correlator.domain import IncidentEvent, Severity
from correlator.pager.cloudevents import TOO_LARGE, CloudEvents
from correlator.pager.exchange import Delivered, Refused, Reply, Request
from correlator.pager.mark import NOTHING
from tests.pager.incidents import incident, paged, resolved, updated

SHARED = Path(__file__).parents[3] / "shared" / "payloads" / "output"
BINARY = CloudEvents(name="ce", topic="t", mode="binary", source="/correlator", type_prefix="io.correlator.incident")
STRUCTURED = msgspec.structs.replace(BINARY, mode="structured")


def written(dialect: CloudEvents, event: IncidentEvent) -> Request:
    return dialect.request(event, dialect.step(event, NOTHING, missed=False, now=0.0), 0.0)


def test_in_binary_mode_the_value_is_the_event_and_the_headers_are_its_attributes() -> None:
    request = written(BINARY, paged())
    assert msgspec.json.decode(request.body, type=IncidentEvent) == paged()
    assert (request.url, request.key) == ("t", "inc-00000001")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["ce_type"] == "io.correlator.incident.opened.v1"
    assert request.headers["ce_partitionkey"] == request.key
    # All four attributes that the specification demands.
    assert {"ce_id", "ce_source", "ce_specversion", "ce_type"} <= request.headers.keys()
    assert all(isinstance(value, str) for value in request.headers.values())


def test_in_structured_mode_all_is_in_the_value() -> None:
    request = written(STRUCTURED, paged())
    document = json.loads(request.body)
    assert request.headers == {"content-type": "application/cloudevents+json; charset=UTF-8"}
    assert document["specversion"] == "1.0"
    assert document["datacontenttype"] == "application/json"
    assert msgspec.convert(document["data"], IncidentEvent) == paged()


def test_an_id_is_unique_for_a_revision_and_the_same_for_its_repeat() -> None:
    ids = [written(BINARY, event).headers["ce_id"] for event in (paged(), updated(), resolved(), paged())]
    assert ids == ["inc-00000001-1", "inc-00000001-2", "inc-00000001-3", "inc-00000001-1"]


@pytest.mark.parametrize("severity", list(Severity))
def test_every_severity_has_a_number_of_opentelemetrys(severity: Severity) -> None:
    assert 1 <= int(written(BINARY, incident(severity=severity)).headers["ce_severitynumber"]) <= 24


def test_names_of_attributes_are_lower_case_letters_and_digits() -> None:
    assert all(name.isascii() and name.isalnum() and name == name.lower() for name in BINARY.attributes(paged()))


def test_the_shape_is_that_of_the_documented_examples() -> None:
    if not SHARED.is_dir():
        pytest.skip("the example payloads are not beside the repository")
    example = json.loads((SHARED / "cloudevents_kafka_binary.json").read_text())["kafka"]["headers"]
    ours = written(BINARY, paged()).headers
    assert example.keys() - ours.keys() == {"ce_dataschema"}
    structured = json.loads((SHARED / "cloudevents_kafka_structured.json").read_text())["value"]
    assert structured.keys() - json.loads(written(STRUCTURED, paged()).body).keys() == {"dataschema"}


def test_a_record_too_large_for_kafka_is_refused_and_does_not_stand_in_the_way() -> None:
    assert isinstance(BINARY.verdict(Reply(status=TOO_LARGE), 0.0), Refused)
    assert BINARY.verdict(Reply(status=200), 0.0) == Delivered()
