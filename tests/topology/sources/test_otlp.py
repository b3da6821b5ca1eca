"""Spans: the same trace in every encoding gives the same dependencies."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from correlator.errors import SourceError
from tests.topology.sources.payloads import edges, payload
from topology.findings import Findings
from topology.graph import ServiceKind
from topology.sources import otlp
from topology.spans import SpanKind

# The same as the example of payments, small enough to stand here.
TRACE = "5b8efff798038103d269b633813fc60c"


def message(*resources: tuple[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": [_attribute("service.name", service)]},
                "scopeSpans": [{"spans": spans}],
            }
            for service, spans in resources
        ]
    }


def span(
    number: int, kind: Any, parent: int = 0, *, trace: str = TRACE, links: Sequence[int] = (), **attributes: str
) -> dict[str, Any]:
    made: dict[str, Any] = {"traceId": trace, "spanId": f"{number:016x}", "kind": kind, "name": "x"}
    if parent:
        made["parentSpanId"] = f"{parent:016x}"
    if links:
        made["links"] = [{"traceId": trace, "spanId": f"{link:016x}"} for link in links]
    made["attributes"] = [_attribute(key.replace("__", "."), value) for key, value in attributes.items()]
    return made


def _attribute(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def read(tree: dict[str, Any]) -> Findings:
    return otlp.read(json.dumps(tree).encode())


def test_protobuf_and_json_of_one_trace_say_the_same() -> None:
    binary, written = (otlp.read(payload(f"otlp_traces_client_server_db.{end}")) for end in ("binpb", "json"))
    assert edges(binary) == edges(written) == {"checkout -> payments", "payments -> payments-db"}
    assert [(service.name, service.kind) for service in written.services] == [("payments-db", ServiceKind.DATASTORE)]


def test_the_example_of_the_specification_is_read_with_numbers_and_upper_case_ids() -> None:
    (only,) = otlp.spans(payload("otlp_trace_example_spec.json"))
    assert only.id == "5b8efff798038103d269b633813fc60ceee19b7ec3c1b174"
    assert only.parent == "5b8efff798038103d269b633813fc60ceee19b7ec3c1b173"
    assert (only.service, only.kind) == ("my.service", SpanKind.SERVER)


CALL = message(
    ("web", [span(1, 2), span(2, 3, 1, server__address="api")]),
    ("api", [span(3, 2, 2), span(4, 3, 3, db__system="redis", server__address="cache", db__name="0")]),
)


def _as_bytes(written: str) -> str:
    return base64.b64encode(bytes.fromhex(written)).decode()


def _changed(tree: Any, key: str, change: Any) -> Any:
    if isinstance(tree, dict):
        return {name: change(value) if name == key else _changed(value, key, change) for name, value in tree.items()}
    return [_changed(item, key, change) for item in tree] if isinstance(tree, list) else tree


@pytest.mark.parametrize("change", ["hex", "upper", "base64", "names of kinds", "kinds as strings", "old scopes"])
def test_every_spelling_of_a_message_says_the_same(change: str) -> None:
    tree: Any = CALL
    ids = ("traceId", "spanId", "parentSpanId")
    for key in ids if change in ("upper", "base64") else ():
        tree = _changed(tree, key, str.upper if change == "upper" else _as_bytes)
    if change == "names of kinds":
        tree = _changed(tree, "kind", lambda kind: f"SPAN_KIND_{SpanKind(kind).name}")
    elif change == "kinds as strings":
        tree = _changed(tree, "kind", str)
    elif change == "old scopes":
        tree = json.loads(json.dumps(tree).replace("scopeSpans", "instrumentationLibrarySpans"))
    assert edges(read(tree)) == {"web -> api", "api -> cache"}


def test_the_halves_of_a_call_meet_though_each_side_spells_ids_in_its_own_way() -> None:
    # Nothing else tells that the one calls the other.
    web, api = message(("web", [span(10, 3)]), ("api", [span(11, 2, 10)]))["resourceSpans"]
    for change in (str, str.upper, _as_bytes):
        other = api
        for key in ("traceId", "spanId", "parentSpanId"):
            other = _changed(other, key, change)
        assert edges(read({"resourceSpans": [web, other]})) == {"web -> api"}


def test_what_a_generic_protobuf_library_writes_is_read() -> None:
    request = ExportTraceServiceRequest()
    json_format.ParseDict(
        _changed(_changed(_changed(CALL, "traceId", _as_bytes), "spanId", _as_bytes), "parentSpanId", _as_bytes),
        request,
    )
    by_library = json_format.MessageToJson(request).encode()
    assert (
        edges(otlp.read(by_library)) == edges(otlp.read(request.SerializeToString())) == {"web -> api", "api -> cache"}
    )


def test_a_consumer_depends_on_its_producer_whether_child_or_linked() -> None:
    child = message(("shop", [span(1, 4)]), ("mail", [span(2, 5, 1)]))
    linked = message(("shop", [span(1, 4)]), ("mail", [span(2, 5, 0, links=[1])]))
    assert edges(read(child)) == edges(read(linked)) == {"mail -> shop (consumes)"}


def test_the_halves_of_a_message_meet_at_their_queue() -> None:
    findings = read(
        message(
            ("shop", [span(1, 4, messaging__destination__name="orders")]),
            ("mail", [span(2, 5, trace="ab" * 16, messaging__destination__name="orders")]),
        )
    )
    assert edges(findings) == {"mail -> orders (consumes)", "orders -> shop (consumes)"}
    assert [(service.name, service.kind) for service in findings.services] == [("orders", ServiceKind.QUEUE)]


def test_peers_are_named_in_the_order_of_tempo_and_addresses_are_none() -> None:
    def peer(**attributes: str) -> set[str]:
        named = [_attribute(key.replace("__", "."), value) for key, value in attributes.items()]
        return edges(read(message(("web", [{**span(1, 3), "attributes": named}]))))

    assert peer(peer__service="auth", server__address="10.0.0.1") == {"web -> auth"}
    assert peer(server__address="auth.shop.svc.cluster.local") == {"web -> auth"}
    assert peer(server__address="10.0.0.1") == set()
    assert peer(server__address="10.0.0.1", db__system="mysql", db__name="ledger") == {"web -> ledger"}
    assert peer(db__system__name="postgresql") == {"web -> postgresql"}


def test_a_file_of_one_message_a_line_is_one_trace() -> None:
    lines = [
        json.dumps(message((service, spans))) for service, spans in (("web", [span(1, 3)]), ("api", [span(2, 2, 1)]))
    ]
    assert edges(otlp.read("\n".join([*lines, ""]).encode())) == {"web -> api"}


@pytest.mark.parametrize("bad", [b"{", b"[]", b"{}", b"\xff\xff\xff\xff", b'{"resourceSpans"', b"no spans at all"])
def test_what_is_no_message_of_spans_is_refused(bad: bytes) -> None:
    with pytest.raises(SourceError):
        otlp.spans(bad)


def test_spans_without_ids_or_service_tell_nothing() -> None:
    tree = message(
        ("web", [{"kind": 3}, span(1, 3, trace="00" * 16), {**span(2, 3), "spanId": "zz"}]), ("", [span(3, 2)])
    )
    tree["resourceSpans"] += [3, {"scopeSpans": 1}, {"resource": {"attributes": [1, {"key": "service.name"}]}}]
    assert otlp.spans(json.dumps(tree).encode()) == []
