"""OTLP: spans of `ExportTraceServiceRequest`, as protobuf or as JSON (the collector's `otlp_proto` and `otlp_json`).

In JSON, ids are hex by the specification, in either case; base64 where a generic protobuf library wrote them. Numbers
of 64 bits may be strings, enumerations may be names. Nothing of it is needed but who called whom.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from correlator.errors import SourceError
from topology.findings import Findings, items, mapping, text
from topology.names import service_name
from topology.sources.decoding import decode_json
from topology.spans import PEER_ATTRIBUTES, Span, SpanKind, SpanPairs, peer_of

_HEX = re.compile(r"^(?:[0-9a-fA-F]{2})+$")
_TRACE_BYTES, _SPAN_BYTES = 16, 8
#: The attributes that matter; the others are many and long.
_KEYS = frozenset(PEER_ATTRIBUTES)


def read(payload: bytes) -> Findings:
    """Read a file of spans, protobuf or JSON, or JSON one request a line as the collector's file exporter writes.

    Raises:
        SourceError: it is neither.
    """
    pairs = SpanPairs()
    lines = payload.split(b"\n") if payload.lstrip()[:1] == b"{" else [payload]
    try:
        pairs.add(spans(payload), now=0)
    except SourceError:
        if len(lines) < 2:
            raise
        for line in lines:
            if line.strip():
                pairs.add(spans(line), now=0)
    return pairs.harvest(now=2**63)


def spans(payload: bytes) -> list[Span]:
    """Read the spans of one message. JSON begins with a brace, which no protobuf message of spans does.

    Raises:
        SourceError: it is neither.
    """
    if payload.lstrip()[:1] in (b"{", b"["):
        return list(_of_json(decode_json(payload)))
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(payload)
    except (DecodeError, RecursionError) as error:
        raise SourceError(f"no spans: {error}") from None
    return list(_of_protobuf(request))


def _of_protobuf(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        service = _service(_proto_attributes(resource.resource.attributes, {"service.name"}))
        if not service:
            continue
        for scope in resource.scope_spans:
            for span in scope.spans:
                made = _span(
                    service,
                    trace=span.trace_id.hex(),
                    span=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    kind=int(span.kind),
                    attributes=_proto_attributes(span.attributes, _KEYS),
                    links=((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                )
                if made is not None:
                    yield made


def _proto_attributes(attributes: Iterable[KeyValue], keys: Iterable[str]) -> dict[str, str]:
    return {attribute.key: attribute.value.string_value for attribute in attributes if attribute.key in keys}


def _of_json(tree: object) -> Iterator[Span]:
    if "resourceSpans" not in mapping(tree):
        raise SourceError("no spans: resourceSpans is missing")
    for resource in map(mapping, items(mapping(tree)["resourceSpans"])):
        service = _service(_json_attributes(mapping(resource.get("resource")).get("attributes"), {"service.name"}))
        if not service:
            continue
        # The older name of scopes is still written by collectors before 0.60.
        for scope in map(mapping, items(resource.get("scopeSpans", resource.get("instrumentationLibrarySpans")))):
            for span in map(mapping, items(scope.get("spans"))):
                made = _span(
                    service,
                    trace=_id(span.get("traceId"), _TRACE_BYTES),
                    span=_id(span.get("spanId"), _SPAN_BYTES),
                    parent=_id(span.get("parentSpanId"), _SPAN_BYTES),
                    kind=span.get("kind"),
                    attributes=_json_attributes(span.get("attributes"), _KEYS),
                    links=(
                        (_id(link.get("traceId"), _TRACE_BYTES), _id(link.get("spanId"), _SPAN_BYTES))
                        for link in map(mapping, items(span.get("links")))
                    ),
                )
                if made is not None:
                    yield made


def _json_attributes(attributes: object, keys: Iterable[str]) -> dict[str, str]:
    found = {}
    for attribute in map(mapping, items(attributes)):
        key = text(attribute.get("key"))
        if key in keys:
            found[key] = text(mapping(attribute.get("value")).get("stringValue"))
    return found


def _service(attributes: dict[str, str]) -> str:
    return service_name(attributes.get("service.name", ""))


def _span(
    service: str,
    *,
    trace: str,
    span: str,
    parent: str,
    kind: object,
    attributes: dict[str, str],
    links: Iterable[tuple[str, str]],
) -> Span | None:
    """Make a span; None for one without ids."""
    if not trace or not span:
        return None
    span_kind = _kind(kind)
    peer, peer_kind = peer_of(span_kind, attributes)
    return Span(
        id=trace + span,
        parent=trace + parent if parent else "",
        service=service,
        kind=span_kind,
        peer=peer,
        peer_kind=peer_kind,
        links=tuple(other_trace + other for other_trace, other in links if other_trace and other),
    )


def _kind(value: object) -> SpanKind:
    """Read the kind of a span: its number, or the name that protojson writes."""
    if isinstance(value, str):
        return SpanKind.__members__.get(value.removeprefix("SPAN_KIND_"), _of_number(value))
    return _of_number(value)


def _of_number(value: object) -> SpanKind:
    try:
        return SpanKind(int(value)) if isinstance(value, int | float | str) else SpanKind.UNSPECIFIED
    except (ValueError, OverflowError):
        return SpanKind.UNSPECIFIED


def _id(value: object, size: int) -> str:
    """Return an id of `size` bytes as lower-case hex; empty where there is none, or only zeros."""
    written = text(value)
    if len(written) == 2 * size and _HEX.match(written):
        data = bytes.fromhex(written)
    else:
        try:
            data = base64.b64decode(written, validate=True)
        except (binascii.Error, ValueError):
            return ""
        if len(data) != size:
            return ""
    return data.hex() if any(data) else ""
