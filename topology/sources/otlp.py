"""Spans as the Kafka exporter of the OpenTelemetry collector writes them, above all OTLP's `ExportTraceServiceRequest`.

That comes as protobuf or as JSON (`otlp_proto`, `otlp_json`). Those of Zipkin and Jaeger are read where they are JSON
(`zipkin_json`, as in Zipkin's own topic, and `jaeger_json`). In OTLP's JSON, ids are hex by the specification, in
either case; base64 where a generic protobuf library wrote them. Numbers of 64 bits may be strings, enumerations may be
names. Nothing of it is needed but who called whom.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from correlator.errors import SourceError
from topology.findings import Findings, items, mapping, text
from topology.names import service_name
from topology.sources import jaeger, zipkin
from topology.sources.decoding import decode_json
from topology.sources.spans import KEYS, SPAN_BYTES, TRACE_BYTES, id_of, kind_of, span_of
from topology.spans import Span, SpanPairs


def read(payload: bytes) -> Findings:
    """Read a file of spans, protobuf or JSON, or JSON one message a line as the collector's file exporter writes.

    Raises:
        SourceError: it is neither.
    """
    pairs = SpanPairs()
    lines = payload.split(b"\n") if payload.lstrip()[:1] in (b"{", b"[") else [payload]
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
        tree = decode_json(payload)
        if isinstance(tree, list):
            return zipkin.spans_of(tree)
        return jaeger.spans_of(tree) if "process" in tree else list(_of_json(tree))
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
                made = span_of(
                    service,
                    trace=span.trace_id.hex(),
                    span=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    kind=kind_of(int(span.kind)),
                    attributes=_proto_attributes(span.attributes, KEYS),
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
                made = span_of(
                    service,
                    trace=id_of(span.get("traceId"), TRACE_BYTES),
                    span=id_of(span.get("spanId"), SPAN_BYTES),
                    parent=id_of(span.get("parentSpanId"), SPAN_BYTES),
                    kind=kind_of(span.get("kind")),
                    attributes=_json_attributes(span.get("attributes"), KEYS),
                    links=(
                        (id_of(link.get("traceId"), TRACE_BYTES), id_of(link.get("spanId"), SPAN_BYTES))
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
