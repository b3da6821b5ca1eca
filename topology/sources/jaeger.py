"""Jaeger: who called whom, counted by its dependency job or storage.

`GET /api/v3/dependencies` (openapi of jaeger-idl), whose counts are strings, as protojson writes 64 bit integers; and
`GET /api/dependencies` of the user interface, for servers before it. And single spans (`model.proto` of jaeger-idl), by
the JSON mapping of proto3: ids are base64, and what is the default (a tag that is a string, a child) is left out.
"""

from __future__ import annotations

from datetime import UTC, datetime

from correlator.errors import SourceError
from topology.findings import Findings, FoundDependency, count, items, mapping, observed, text
from topology.names import service_name
from topology.sources.decoding import decode_json
from topology.sources.fetching import Get
from topology.sources.spans import KEYS, SPAN_BYTES, TRACE_BYTES, id_of, kind_of, span_of
from topology.spans import Span

#: What goes on from another span without being its child.
_FOLLOWS = "FOLLOWS_FROM"


async def fetch(get: Get, now: int, *, window_seconds: int, legacy: bool = False) -> Findings:
    """Ask for the window that ends now; `legacy` asks as the user interface does."""
    if legacy:
        query = [("endTs", str(now)), ("lookback", str(window_seconds * 1000))]
        return read(await get("api/dependencies", query))
    query = [("startTime", _rfc3339(now - window_seconds * 1000)), ("endTime", _rfc3339(now))]
    return read(await get("api/v3/dependencies", query))


def read(payload: bytes) -> Findings:
    """Read either answer.

    Raises:
        SourceError: it is neither.
    """
    tree = mapping(decode_json(payload))
    links = tree.get("dependencies", tree.get("data"))
    if links is None and tree.get("errors"):
        raise SourceError(f"Jaeger: {tree['errors']}")
    if links is not None and not isinstance(links, list):
        raise SourceError("no dependencies of Jaeger: neither dependencies nor data is a list")
    if links is None and tree and "data" not in tree and "dependencies" not in tree:
        raise SourceError("no dependencies of Jaeger: neither dependencies nor data is there")
    return links_of(items(links))


def links_of(links: list[object]) -> Findings:
    """Read `{parent, child, callCount}` links, parent being the caller."""
    edges, problems = [], []
    for position, item in enumerate(links):
        link = mapping(item)
        if not text(link.get("parent")) or not text(link.get("child")):
            problems.append(f"link {position}: has no parent and child")
            continue
        parent, child = service_name(text(link["parent"])), service_name(text(link["child"]))
        edges.append(FoundDependency(source=parent, to=child, calls=count(link.get("callCount"))))
    return observed(edges, problems=problems)


def spans_of(tree: object) -> list[Span]:
    """Read the one span of a message; none where it has no ids or no service."""
    span = mapping(tree)
    service = service_name(text(mapping(span.get("process")).get("serviceName")))
    if not service:
        return []
    tags = {text(tag.get("key")): text(tag.get("vStr")) for tag in map(mapping, items(span.get("tags")))}
    trace = id_of(span.get("traceId"), TRACE_BYTES)
    references = [
        (text(one.get("refType")), id_of(one.get("traceId"), TRACE_BYTES), id_of(one.get("spanId"), SPAN_BYTES))
        for one in map(mapping, items(span.get("references")))
    ]
    made = span_of(
        service,
        trace=trace,
        span=id_of(span.get("spanId"), SPAN_BYTES),
        parent=next((own for kind, of, own in references if kind != _FOLLOWS and of == trace), ""),
        kind=kind_of(tags.get("span.kind")),
        attributes={key: value for key, value in tags.items() if key in KEYS},
        links=[(of, own) for kind, of, own in references if kind == _FOLLOWS or of != trace],
    )
    return [] if made is None else [made]


def _rfc3339(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
