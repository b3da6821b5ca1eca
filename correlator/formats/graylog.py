"""Graylog's HTTP notifications: of event definitions (3.1 and later), and of streams' alert conditions before.

https://go2docs.graylog.org/current/interacting_with_your_log_data/notifications.html
Graylog tells that something happened, never that it is over; while it goes on it tells again, as often as the grace
period lets it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from correlator.domain import Severity, Status
from correlator.formats.alert import ParsedAlert, identity, labels_of
from correlator.formats.format import Document, Element, Format, Headers, Notice, Payload, shaped
from correlator.formats.instants import written

#: Longer than grace periods commonly are.
_LEASE_SECONDS = 3600
_PRIORITIES: dict[float, Severity] = {
    1: Severity.INFO,
    2: Severity.WARNING,
    3: Severity.ERROR,
    4: Severity.CRITICAL,
}


class _Event(msgspec.Struct):
    event_definition_id: str | None = None
    message: str | None = None
    timestamp: str | None = None
    source: str | None = None
    key: str | None = None
    key_tuple: Any = None
    priority: float | None = None
    fields: dict[str, Any] | None = None
    group_by_fields: dict[str, Any] | None = None


class _Notification(msgspec.Struct):
    event_definition_id: str
    event: _Event
    event_definition_title: str | None = None


class _Condition(msgspec.Struct):
    id: str | None = None
    title: str | None = None


class _Result(msgspec.Struct):
    triggered: bool = True
    result_description: str | None = None
    triggered_at: str | None = None
    triggered_condition: _Condition | None = None


class _Stream(msgspec.Struct):
    id: str | None = None
    title: str | None = None


class _Legacy(msgspec.Struct):
    check_result: _Result
    stream: _Stream


def _recognises(document: Document, headers: Headers) -> bool:
    return ("event_definition_id" in document and "event" in document) or (
        "check_result" in document and "stream" in document
    )


def _read(payload: Payload) -> list[Element]:
    document = payload.document
    if isinstance(document, dict) and "check_result" in document:
        return [_condition(payload, shaped(document, _Legacy))]
    notification = shaped(document, _Notification)
    event = notification.event
    labels = labels_of({**(event.fields or {}), **(event.group_by_fields or {})})
    groups = sorted(labels_of(event.group_by_fields or {}).items())
    name = notification.event_definition_title or event.message or notification.event_definition_id
    return [
        ParsedAlert(
            source="graylog",
            status=Status.FIRING,
            name=name,
            entity=labels.get("source") or event.source or None,
            severity=None if event.priority is None else _PRIORITIES.get(event.priority),
            starts_at=_instant(event.timestamp, "event.timestamp") or payload.arrival(),
            ends_at=payload.until(_LEASE_SECONDS),
            fingerprint=identity(
                "graylog",
                notification.event_definition_id,
                event.key or "",
                *(part for pair in groups for part in pair),
            ),
            labels=labels,
            summary=event.message or name,
        )
    ]


def _condition(payload: Payload, legacy: _Legacy) -> Element:
    result, stream = legacy.check_result, legacy.stream
    if not result.triggered:
        return Notice("not_triggered")
    condition = result.triggered_condition or _Condition()
    name = condition.title or (f"stream {stream.title}" if stream.title else "stream condition")
    return ParsedAlert(
        source="graylog",
        status=Status.FIRING,
        name=name,
        starts_at=_instant(result.triggered_at, "check_result.triggered_at") or payload.arrival(),
        ends_at=payload.until(_LEASE_SECONDS),
        fingerprint=identity("graylog", stream.id or stream.title or "", condition.id or ""),
        labels=labels_of({"stream": stream.title}),
        summary=result.result_description or name,
    )


def _instant(text: str | None, where: str) -> int | None:
    return written(text, where) if text else None


FORMAT = Format(name="graylog", signs=("event_definition_id", "check_result"), recognises=_recognises, read=_read)
