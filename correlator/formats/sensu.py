"""Sensu Go's events, as a handler sends them; also wrapped, as `sensuctl` writes them.

https://docs.sensu.io/sensu-go/latest/observability-pipeline/observe-events/events/
A failing check is told again at each of its executions, or as seldom as the filters of the handler let through.
"""

from __future__ import annotations

from typing import Any

import msgspec

from correlator.domain import Severity, Status
from correlator.formats.alert import ParsedAlert, labels_of
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Notice, Payload, shaped
from correlator.formats.instants import counted
from correlator.formats.links import links_of

_OK = 0
_SEVERITIES: dict[float, Severity] = {1: Severity.WARNING, 2: Severity.CRITICAL}
_DAY_SECONDS = 86_400


class _Metadata(msgspec.Struct):
    name: str
    namespace: str | None = None
    labels: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None


class _Entity(msgspec.Struct):
    metadata: _Metadata


class _Check(msgspec.Struct):
    metadata: _Metadata
    status: float
    output: str | None = None
    interval: float = 0
    last_ok: float = 0
    is_silenced: bool = False


class _Event(msgspec.Struct):
    check: _Check
    entity: _Entity
    timestamp: float | None = None


def _recognises(document: Document, headers: Headers) -> bool:
    event = _event(document)
    return (
        isinstance(event, dict)
        and isinstance(event.get("check"), dict)
        and isinstance(event.get("entity"), dict)
        and "metadata" in event["check"]
    )


def _event(document: Any) -> Any:
    """Return the event, out of its wrapping if it is in one."""
    return document.get("spec") if isinstance(document, dict) and document.get("type") == "Event" else document


def _read(payload: Payload) -> list[Element]:
    document = payload.document
    event = shaped(_event(document), _Event, at="" if _event(document) is document else "spec")
    check, entity = event.check, event.entity.metadata
    told_at = counted(event.timestamp, "timestamp") if event.timestamp else payload.arrival()
    status = Status.RESOLVED if check.status == _OK else Status.FIRING
    if status is Status.FIRING and check.is_silenced:
        return [Notice("silenced")]  # once the silence is over, the next execution tells it
    return [
        ParsedAlert(
            source="sensu",
            status=status,
            name=check.metadata.name,
            entity=entity.name,
            severity=_SEVERITIES.get(check.status, Severity.UNKNOWN) if status is Status.FIRING else None,
            starts_at=told_at if status is Status.RESOLVED else _began(check, told_at),
            ends_at=told_at if status is Status.RESOLVED else payload.until(TOLD_ONCE_SECONDS),
            observed_at=told_at,
            fingerprint=f"sensu/{entity.namespace or ''}/{entity.name}/{check.metadata.name}",
            labels=labels_of(
                {
                    **(entity.labels or {}),
                    **(check.metadata.labels or {}),
                    "namespace": entity.namespace or check.metadata.namespace,
                    "entity": entity.name,
                }
            ),
            summary=(check.output or "").strip() or f"{check.metadata.name} on {entity.name}",
            links=links_of({**(entity.annotations or {}), **(check.metadata.annotations or {})}),
        )
    ]


def _began(check: _Check, told_at: int) -> int:
    """Return when the first execution failed: the one after the last that was well, the same at each repetition."""
    if check.last_ok <= 0:
        return told_at
    interval_seconds = min(max(check.interval, 0), _DAY_SECONDS)
    return min(told_at, counted(check.last_ok, "check.last_ok") + round(1000 * interval_seconds))


FORMAT = Format(name="sensu", signs=("check", "spec"), recognises=_recognises, read=_read)
