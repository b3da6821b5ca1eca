"""The canonical alert event (contract `alert-event.schema.json`)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from correlator.domain import Edge, Severity, Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert, edge_of, named_summary
from correlator.formats.format import Document, Element, Format, Headers, Payload, decoded, shaped
from correlator.formats.instants import end, instant
from correlator.formats.links import links_of

_DAY_MS = 86_400_000


class CanonicalAlert(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One alert event as it stands on the wire. Unknown fields are ignored, so that senders may run ahead of us."""

    status: Status
    name: str
    starts_at: datetime
    id: str | None = None
    source: str = ""
    service: str | None = None
    entity: str | None = None
    severity: Severity | None = None
    ends_at: datetime | None = None
    observed_at: datetime | None = None
    fingerprint: str | None = None
    scope: str | None = None
    edge: Edge | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    summary: str = ""
    value: float | None = None
    threshold: float | None = None
    url: str | None = None


def parse(data: bytes) -> ParsedAlert:
    """Parse one event.

    Raises:
        InputError: reason `not_utf8`, `not_json`, `missing_field`, `wrong_type`, `wrong_value` or `bad_timestamp`.
    """
    return _checked(decoded(data, _decoder))


def looks_canonical(data: bytes) -> bool:
    """Tell cheaply whether bytes may be one canonical event; a field that no other format has decides."""
    return b'"starts_at"' in data and data[:1] == b"{"


def _checked(wire: CanonicalAlert) -> ParsedAlert:
    starts_at = instant(wire.starts_at, "starts_at")
    observed_at = None if wire.observed_at is None else instant(wire.observed_at, "observed_at")
    if observed_at is not None and starts_at > observed_at + _DAY_MS:
        raise InputError("bad_timestamp", "starts_at lies more than a day after observed_at")
    summary_name, summary = ("summary", wire.summary) if wire.summary else named_summary(wire.annotations)
    return ParsedAlert(
        id=wire.id,
        source=wire.source,
        status=wire.status,
        name=wire.name,
        service=wire.service or None,
        entity=wire.entity or None,
        severity=wire.severity,
        starts_at=starts_at,
        ends_at=end(wire.ends_at),
        observed_at=observed_at,
        fingerprint=wire.fingerprint or None,
        scope=wire.scope or None,
        edge=wire.edge or edge_of(wire.entity),
        labels=wire.labels,
        summary=summary,
        summary_name=summary_name,
        links=links_of(wire.annotations, source=wire.url),
    )


def _recognises(document: Document, headers: Headers) -> bool:
    return "starts_at" in document or ("status" in document and "name" in document)


def _read(payload: Payload) -> list[Element]:
    return [_checked(shaped(payload.document, CanonicalAlert))]


def _read_unknown(payload: Payload) -> list[Element]:
    try:
        return _read(payload)
    except InputError as error:
        raise InputError(error.reason, f"of no known format; as a canonical event: {error.detail}") from None


_decoder = msgspec.json.Decoder(CanonicalAlert)

FORMAT = Format(
    name="canonical", signs=("starts_at", "status"), recognises=_recognises, read=_read, shape=CanonicalAlert
)
#: What no format recognises: it is read as the canonical form, which says what it lacks.
UNKNOWN = Format(name="unknown", recognises=lambda document, headers: False, read=_read_unknown)
