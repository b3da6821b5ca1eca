"""What all encodings of spans have in common: ids, kinds, and what a span tells of its other side."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

from topology.findings import text
from topology.spans import PEER_ATTRIBUTES, Span, SpanKind, peer_of

TRACE_BYTES, SPAN_BYTES = 16, 8
#: The attributes that matter; the others are many and long.
KEYS = frozenset(PEER_ATTRIBUTES)
_HEX = re.compile(r"^(?:[0-9a-fA-F]{2})+$")


def span_of(
    service: str,
    *,
    trace: str,
    span: str,
    parent: str,
    kind: SpanKind,
    attributes: dict[str, str],
    links: Iterable[tuple[str, str]] = (),
) -> Span | None:
    """Make a span; None for one without ids."""
    if not trace or not span:
        return None
    peer, peer_kind = peer_of(kind, attributes)
    return Span(
        id=trace + span,
        parent=trace + parent if parent else "",
        service=service,
        kind=kind,
        peer=peer,
        peer_kind=peer_kind,
        links=tuple(other_trace + other for other_trace, other in links if other_trace and other),
    )


def kind_of(value: object) -> SpanKind:
    """Read the kind of a span: its number, or the name that protojson writes."""
    if isinstance(value, str):
        return SpanKind.__members__.get(value.upper().removeprefix("SPAN_KIND_"), _of_number(value))
    return _of_number(value)


def _of_number(value: object) -> SpanKind:
    try:
        return SpanKind(int(value)) if isinstance(value, int | float | str) else SpanKind.UNSPECIFIED
    except (ValueError, OverflowError):
        return SpanKind.UNSPECIFIED


def id_of(value: object, size: int) -> str:
    """Return an id of `size` bytes, hex or base64, as lower-case hex; empty where there is none, or only zeros."""
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
