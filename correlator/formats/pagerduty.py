"""PagerDuty's Events API v2 as input, alerts (`/v2/enqueue`) and changes (`/v2/change/enqueue`).

https://developer.pagerduty.com/docs/events-api-v2/overview/
Whatever can page through PagerDuty can send here instead, by another address. What a resolve repeats of its trigger is
the two keys and often no more.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from correlator.domain import Severity, Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert, identity, labels_of, name_in
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Notice, Payload, shaped
from correlator.formats.instants import told
from correlator.formats.links import links_of

_SEVERITIES = {
    "critical": Severity.CRITICAL,
    "error": Severity.ERROR,
    "warning": Severity.WARNING,
    "info": Severity.INFO,
}
#: What the engine knows a change by (`engine.kinds`): such a name, and a severity that nobody would be paged for.
CHANGE_NAME = "Change event"
#: A resolve of later than this has a broken clock.
_SKEW_MS = 3_600_000
#: What Alertmanager's default template puts before the name.
_COUNT = re.compile(r"^\[(FIRING|RESOLVED)(:\d+)?\]\s*")


class _Details(msgspec.Struct):
    """`payload` of an event."""

    summary: str = ""
    source: str | None = None
    severity: str | None = None
    timestamp: str | int | float | None = None
    component: str | None = None
    group: str | None = None
    class_: str | None = msgspec.field(name="class", default=None)
    custom_details: Any = None


class _Event(msgspec.Struct):
    routing_key: str
    event_action: str
    dedup_key: str | None = None
    client: str | None = None
    client_url: Any = None
    links: Any = None
    payload: _Details | None = None


class _Change(msgspec.Struct):
    routing_key: str
    payload: _Details
    links: Any = None


def _recognises(document: Document, headers: Headers) -> bool:
    return "routing_key" in document and "event_action" in document


def _recognises_change(document: Document, headers: Headers) -> bool:
    return "routing_key" in document and "event_action" not in document and isinstance(document.get("payload"), dict)


def _read(payload: Payload) -> list[Element]:
    event = shaped(payload.document, _Event)
    if event.event_action == "acknowledge":
        return [Notice("acknowledged")]
    if event.event_action not in ("trigger", "resolve"):
        raise InputError(
            "wrong_value", f"event_action: {event.event_action[:40]!r} is none of trigger, acknowledge, resolve"
        )
    if event.event_action == "resolve":
        return [_resolve(payload, event)]
    if event.payload is None:
        raise InputError("missing_field", "missing required field `payload`")
    return [_trigger(payload, event, event.payload)]


def _trigger(payload: Payload, event: _Event, details: _Details) -> ParsedAlert:
    if not details.summary.strip():
        raise InputError("missing_field", "payload: missing required field `summary`")
    return ParsedAlert(
        source="pagerduty",
        status=Status.FIRING,
        name=_name(details),
        starts_at=_time(payload, details),
        ends_at=payload.until(TOLD_ONCE_SECONDS),
        service=_service(details),
        entity=details.source or None,
        severity=_SEVERITIES.get((details.severity or "").lower()),
        fingerprint=_fingerprint(event),
        labels=_labels(details),
        summary=details.summary,
        links=_links(details, event.links, event.client_url),
    )


def _resolve(payload: Payload, event: _Event) -> ParsedAlert:
    if not event.dedup_key:
        raise InputError("missing_field", "missing required field `dedup_key`, without which nothing is resolved")
    details = event.payload or _Details()
    ended_at = _end(payload, details)
    return ParsedAlert(
        source="pagerduty",
        status=Status.RESOLVED,
        name=_name(details) if details.class_ or details.summary.strip() else name_in(event.dedup_key),
        starts_at=ended_at,
        ends_at=ended_at,
        service=_service(details),
        entity=details.source or None,
        severity=_SEVERITIES.get((details.severity or "").lower()),
        fingerprint=_fingerprint(event),
        labels=_labels(details),
        summary=details.summary,
    )


def _read_change(payload: Payload) -> list[Element]:
    change = shaped(payload.document, _Change)
    details = change.payload
    return [
        ParsedAlert(
            source="pagerduty",
            status=Status.FIRING,
            name=CHANGE_NAME,
            starts_at=_time(payload, details),
            service=_service(details),
            entity=details.source or None,
            severity=Severity.INFO,
            labels=_labels(details),
            summary=details.summary,
            links=_links(details, change.links, None),
        )
    ]


def _fingerprint(event: _Event) -> str | None:
    """Return a key's identity within its integration. The routing key is a secret: only a digest leaves."""
    return identity(event.routing_key, event.dedup_key) if event.dedup_key else None


def _name(details: _Details) -> str:
    return details.class_ or name_in(_COUNT.sub("", details.summary)) or name_in(details.summary)


def _service(details: _Details) -> str | None:
    """Return the service: the sender's own word for it in the details, else the component."""
    custom = details.custom_details
    named = custom.get("service") if isinstance(custom, dict) else None
    return named if isinstance(named, str) and named else details.component or None


def _labels(details: _Details) -> dict[str, str]:
    labels = labels_of(details.custom_details) if isinstance(details.custom_details, dict) else {}
    fields = {"class": details.class_, "component": details.component, "group": details.group}
    return labels | labels_of(fields)


def _links(details: _Details, links: object, client_url: object) -> dict[str, str]:
    """Return the links: their texts tell which are a runbook and a dashboard; the first other is the sender's page."""
    named: dict[str, object] = {}
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict):
            text = link.get("text")
            words = text.lower() if isinstance(text, str) else ""
            kind = next((kind for kind in ("runbook", "dashboard") if kind in words), "source")
            named.setdefault(kind, link.get("href"))
    custom = details.custom_details if isinstance(details.custom_details, dict) else {}
    return links_of({**named, **custom}, source=client_url or named.get("source"))


def _time(payload: Payload, details: _Details) -> int:
    return payload.arrival() if details.timestamp in (None, "") else told(details.timestamp, "payload.timestamp")


def _end(payload: Payload, details: _Details) -> int:
    """Return when it ended: on arrival, unless its `timestamp` is later; with some senders that is the trigger's."""
    if payload.arrived_at is None:
        return _time(payload, details)
    try:
        told_at = _time(payload, details)
    except InputError:
        return payload.arrived_at
    return told_at if payload.arrived_at <= told_at <= payload.arrived_at + _SKEW_MS else payload.arrived_at


FORMAT = Format(name="pagerduty", signs=("routing_key",), recognises=_recognises, read=_read, shape=_Event)
CHANGE = Format(
    name="pagerduty-change", signs=("routing_key",), recognises=_recognises_change, read=_read_change, shape=_Change
)
