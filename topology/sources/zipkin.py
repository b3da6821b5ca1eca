"""Zipkin: `GET /api/v2/dependencies`, a list of links from the calling service (`parent`) to the called one; and spans.

https://zipkin.io/zipkin-api/zipkin2-api.yaml
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from correlator.errors import SourceError
from topology.findings import Findings, mapping, text
from topology.names import service_name
from topology.sources.decoding import decode_json
from topology.sources.fetching import Get
from topology.sources.jaeger import links_of
from topology.sources.spans import KEYS, SPAN_BYTES, TRACE_BYTES, id_of, kind_of, span_of
from topology.spans import Span, SpanKind


async def fetch(get: Get, now: int, *, window_seconds: int) -> Findings:
    """Ask for the window that ends now."""
    query = [("endTs", str(now)), ("lookback", str(window_seconds * 1000))]
    return read(await get("api/v2/dependencies", query))


def read(payload: bytes) -> Findings:
    """Read the links.

    Raises:
        SourceError: it is no list.
    """
    tree = decode_json(payload)
    if not isinstance(tree, list):
        raise SourceError("no dependencies of Zipkin: not a list")
    return links_of(tree)


def spans_of(tree: list[object]) -> list[Span]:
    """Read a list of spans, version 2.

    Raises:
        SourceError: none of it is a span.
    """
    found = [span for span in map(mapping, tree) if "traceId" in span and "id" in span]
    if not found:
        raise SourceError("no spans: not a list of Zipkin's")
    return [made for span in found if (made := _span_of(span)) is not None]


def _span_of(span: Mapping[str, Any]) -> Span | None:
    service = service_name(text(mapping(span.get("localEndpoint")).get("serviceName")))
    if not service:
        return None
    kind = kind_of(span.get("kind"))
    # Of 64 bits, a trace's id is the same as with zeros before it.
    trace = id_of(text(span.get("traceId")).zfill(2 * TRACE_BYTES), TRACE_BYTES)
    own, parent = id_of(span.get("id"), SPAN_BYTES), id_of(span.get("parentId"), SPAN_BYTES)
    if own and kind is SpanKind.SERVER and span.get("shared") is True:
        # Both sides of the call have one id: that stays the caller's, whom those below may name, too.
        own, parent = f"{own}/server", own
    attributes = {key: text(value) for key, value in mapping(span.get("tags")).items() if key in KEYS}
    if remote := text(mapping(span.get("remoteEndpoint")).get("serviceName")):
        attributes.setdefault("peer.service", remote)
    return span_of(service, trace=trace, span=own, parent=parent, kind=kind, attributes=attributes)
