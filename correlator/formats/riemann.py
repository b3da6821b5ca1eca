"""Riemann's events as JSON: the state of a service on a host.

https://riemann.io/concepts.html
Its `ttl` is no lease here: a stream that forwards changes of state only tells of a trouble once, however long it lasts.
"""

from __future__ import annotations

from typing import Any

import msgspec

from correlator.domain import Severity, Status
from correlator.errors import InputError
from correlator.formats.alert import PLAIN, ParsedAlert, labels_of, tags_of
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Payload, shaped
from correlator.formats.instants import told

_STATES: dict[str, tuple[Status, Severity | None]] = {
    "ok": (Status.RESOLVED, None),
    "warning": (Status.FIRING, Severity.WARNING),
    "error": (Status.FIRING, Severity.ERROR),
    "critical": (Status.FIRING, Severity.CRITICAL),
    # Whoever told of it does so no more, which may mean anything.
    "expired": (Status.FIRING, Severity.UNKNOWN),
}


class _Event(msgspec.Struct):
    host: str
    service: str
    state: str
    description: str | None = None
    time: Any = None
    tags: Any = None


def _recognises(document: Document, headers: Headers) -> bool:
    return (
        "host" in document
        and "service" in document
        and "state" in document
        and ("metric" in document or "ttl" in document)
    )


def _read(payload: Payload) -> list[Element]:
    event = shaped(payload.document, _Event)
    if event.state.lower() not in _STATES:
        raise InputError("wrong_value", f"state: {event.state[:40]!r} is none of {', '.join(_STATES)}")
    status, severity = _STATES[event.state.lower()]
    told_at = told(event.time, "time") if isinstance(event.time, PLAIN) and event.time else payload.arrival()
    return [
        ParsedAlert(
            source="riemann",
            status=status,
            # What Riemann calls a service is a metric (`cpu`, `api latency`); whose it is the host says, or a tag.
            name=event.service,
            entity=event.host,
            severity=severity,
            starts_at=told_at,
            ends_at=told_at if status is Status.RESOLVED else payload.until(TOLD_ONCE_SECONDS),
            fingerprint=f"riemann/{event.host}/{event.service}",
            labels=(tags_of(event.tags) if isinstance(event.tags, list) else {})
            | labels_of({"host": event.host, "check": event.service}),
            summary=event.description or f"{event.service} on {event.host}",
        )
    ]


FORMAT = Format(name="riemann", signs=("metric", "ttl"), recognises=_recognises, read=_read)
