"""Spans of Zipkin and Jaeger in JSON: the same calls as OTLP has them give the same dependencies."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from correlator.errors import SourceError
from tests.topology.sources.payloads import edges
from topology.findings import Findings
from topology.graph import ServiceKind
from topology.sources import otlp
from topology.spans import SpanKind

TRACE = "5b8efff798038103d269b633813fc60c"


def zipkin(service: str, number: int, kind: str | None = None, parent: int = 0, **more: Any) -> dict[str, Any]:
    """Return a span as https://zipkin.io/zipkin-api/zipkin2-api.yaml has it."""
    made: dict[str, Any] = {"traceId": TRACE, "id": f"{number:016x}", "localEndpoint": {"serviceName": service}}
    made |= {"kind": kind} if kind else {}
    return made | ({"parentId": f"{parent:016x}"} if parent else {}) | more


def jaeger(
    service: str, number: int, kind: str = "", parent: int = 0, *, follows: int = 0, **tags: str
) -> dict[str, Any]:
    """Return a span as jsonpb writes that of model.proto: what is the default is left out."""
    tagged = [{"key": key.replace("__", "."), "vStr": value} for key, value in tags.items()]
    tagged += [{"key": "span.kind", "vStr": kind}] if kind else []
    tagged += [{"key": "http.status_code", "vType": "INT64", "vInt64": "200"}, {"key": "error", "vType": "BOOL"}]
    references = [{"traceId": _base64(TRACE), "spanId": _number(parent)}] if parent else []
    if follows:
        references.append({"traceId": _base64(TRACE), "spanId": _number(follows), "refType": "FOLLOWS_FROM"})
    return {
        "traceId": _base64(TRACE),
        "spanId": _number(number),
        "operationName": "x",
        "references": references,
        "flags": 1,
        "startTime": "2026-11-23T03:40:00Z",
        "duration": "0.25s",
        "tags": tagged,
        "process": {"serviceName": service, "tags": [{"key": "hostname", "vStr": "h"}]},
    }


def _number(number: int) -> str:
    return _base64(f"{number:016x}")


def _base64(written: str) -> str:
    return base64.b64encode(bytes.fromhex(written)).decode()


def lines(*messages: Any) -> Findings:
    return otlp.read("\n".join(json.dumps(message) for message in messages).encode())


CALLS = {"web -> api", "api -> cache"}


def test_spans_of_zipkin_give_the_calls() -> None:
    found = lines(
        [zipkin("web", 1, "SERVER"), zipkin("web", 2, "CLIENT", 1, remoteEndpoint={"serviceName": "api"})],
        [
            zipkin("api", 3, "SERVER", 2),
            zipkin("api", 4, "CLIENT", 3, tags={"db.system": "redis", "peer.service": "cache"}),
        ],
    )
    assert edges(found) == CALLS
    assert [(service.name, service.kind) for service in found.services] == [("cache", ServiceKind.DATASTORE)]


def test_both_sides_of_a_call_may_have_one_id_in_zipkin() -> None:
    called = zipkin("api", 2, "SERVER", 1, shared=True)
    below = zipkin("db", 5, "SERVER", 4)
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]):
        spans = [zipkin("web", 2, "CLIENT", 1), called, zipkin("api", 4, "CLIENT", 2), below]
        assert edges(lines([spans[place] for place in order])) == {"web -> api", "api -> db"}


def test_a_trace_of_64_bits_is_the_same_with_zeros_before_it() -> None:
    short, long = "d269b633813fc60c", "0" * 16 + "d269b633813fc60c"
    web, api = zipkin("web", 1, "CLIENT"), zipkin("api", 2, "SERVER", 1)
    assert edges(lines([web | {"traceId": short}], [api | {"traceId": long}])) == {"web -> api"}


def test_who_reads_in_zipkin_depends_on_who_writes() -> None:
    assert edges(lines([zipkin("shop", 1, "PRODUCER"), zipkin("mail", 2, "CONSUMER", 1)])) == {
        "mail -> shop (consumes)"
    }


def test_spans_of_jaeger_give_the_calls() -> None:
    found = lines(
        jaeger("web", 1, "server"),
        jaeger("web", 2, "client", 1, peer__service="api"),
        jaeger("api", 3, "server", 2),
        jaeger("api", 4, "client", 3, db__system="redis", peer__service="cache"),
    )
    assert edges(found) == CALLS


def test_what_follows_from_a_message_in_jaeger_depends_on_who_sent_it() -> None:
    linked = lines(jaeger("shop", 1, "producer"), jaeger("mail", 2, "consumer", follows=1))
    assert edges(linked) == {"mail -> shop (consumes)"}


def test_both_sides_of_a_call_meet_though_their_collectors_write_in_different_encodings() -> None:
    assert edges(lines([zipkin("web", 1, "CLIENT")], jaeger("api", 2, "server", 1))) == {"web -> api"}


@pytest.mark.parametrize("message", [[], [{}], [1, "x"], [{"id": "1"}], {"traceId": "x", "spanId": "y"}])
def test_what_is_no_span_of_theirs_is_refused(message: Any) -> None:
    with pytest.raises(SourceError):
        otlp.spans(json.dumps(message).encode())


def test_spans_without_ids_or_service_tell_nothing() -> None:
    odd = [
        zipkin("", 1, "CLIENT"),
        zipkin("web", 1, "SERVER") | {"id": "zz", "shared": True},
        zipkin("web", 1) | {"traceId": 7},
        zipkin("web", 1) | {"localEndpoint": None},
    ]
    assert otlp.spans(json.dumps(odd).encode()) == []
    for change in ({"process": None}, {"spanId": "!"}, {"traceId": None}):
        assert otlp.spans(json.dumps(jaeger("web", 1) | change).encode()) == []
    odd_tags = jaeger("web", 1, "client") | {"tags": [1, {"key": 7}], "references": [None, {"spanId": 1}]}
    (bare,) = otlp.spans(json.dumps(odd_tags).encode())
    assert (bare.kind, bare.parent, bare.peer, bare.links) == (SpanKind.UNSPECIFIED, "", "", ())
