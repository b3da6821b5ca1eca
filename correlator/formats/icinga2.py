"""Icinga 2's event stream (`/v1/events`), one event a message, as a forwarder puts it into Kafka.

https://icinga.com/docs/icinga-2/latest/doc/12-icinga2-api/#event-streams
A check that fails is tried again while its state is soft; what is told is a hard one. A downtime, like an
acknowledgement, is the word of an operator: problems within it are no alerts. Only a `Notification` tells of a problem
that outlives its downtime, so stream those too.
"""

from __future__ import annotations

import msgspec

from correlator.domain import Severity, Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert, labels_of
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Notice, Payload, shaped
from correlator.formats.instants import counted
from correlator.formats.notifications import told_by

#: States of services. UNKNOWN is a check that could not tell.
_SERVICE: dict[float, Severity] = {1: Severity.WARNING, 2: Severity.CRITICAL, 3: Severity.UNKNOWN}
#: States of hosts: UP is 0.
_HOST: dict[float, Severity] = {1: Severity.CRITICAL}
#: In the result of a host's check stands the plugin's state: OK and WARNING mean UP.
_HOST_CHECK: dict[float, Severity] = {2: Severity.CRITICAL, 3: Severity.CRITICAL}
#: Names of alerts on a host itself.
_HOST_CHECK_NAME = "host down"
_NOTICES = {
    "CheckResult": "check_result",
    "AcknowledgementSet": "acknowledged",
    "AcknowledgementCleared": "acknowledgement_cleared",
    "CommentAdded": "comment",
    "CommentRemoved": "comment",
    "DowntimeAdded": "downtime",
    "DowntimeRemoved": "downtime",
    "DowntimeStarted": "downtime",
    "DowntimeTriggered": "downtime",
    "Flapping": "flapping",
    "ObjectCreated": "object",
    "ObjectModified": "object",
    "ObjectDeleted": "object",
}
_NOTIFICATION_NOTICES = {
    "ACKNOWLEDGEMENT": "acknowledged",
    "DOWNTIMESTART": "downtime",
    "DOWNTIMEEND": "downtime",
    "DOWNTIMEREMOVED": "downtime",
    "FLAPPINGSTART": "flapping",
    "FLAPPINGEND": "flapping",
    "CUSTOM": "custom",
}
_SOFT = 0


class _Vars(msgspec.Struct):
    reachable: bool | None = None


class _Result(msgspec.Struct):
    state: float | None = None
    output: str | None = None
    check_source: str | None = None
    vars_after: _Vars | None = None


class _Event(msgspec.Struct):
    host: str
    service: str | None = None
    timestamp: float | None = None
    state: float | None = None
    state_type: float | None = None
    notification_type: str | None = None
    downtime_depth: float = 0
    check_result: _Result | None = None


def _recognises(document: Document, headers: Headers) -> bool:
    kind = document.get("type")
    return (kind in ("StateChange", "Notification") or (isinstance(kind, str) and kind in _NOTICES)) and (
        "timestamp" in document
    )


def _read(payload: Payload) -> list[Element]:
    document = payload.document
    kind = document.get("type") if isinstance(document, dict) else None
    if isinstance(kind, str) and kind in _NOTICES:
        return [Notice(_NOTICES[kind])]
    event = shaped(document, _Event)
    if kind == "Notification":
        return [_notification(payload, event)]
    if kind == "StateChange":
        return [_state_change(payload, event)]
    raise InputError("wrong_value", "type: expected StateChange, Notification or another type of the event stream")


def _state_change(payload: Payload, event: _Event) -> Element:
    if event.state is None:
        raise InputError("missing_field", "missing required field `state`")
    if event.state == 0:
        return _alert(payload, event, Status.RESOLVED, None)
    if event.state_type == _SOFT:
        return Notice("soft_state")
    if event.downtime_depth > 0:
        return Notice("in_downtime")
    severity = (_SERVICE if event.service else _HOST).get(event.state)
    if severity is None:
        raise InputError("wrong_value", f"state: {event.state} is none of {'0 to 3' if event.service else '0, 1'}")
    return _alert(payload, event, Status.FIRING, severity)


def _notification(payload: Payload, event: _Event) -> Element:
    status = told_by(event.notification_type or "", _NOTIFICATION_NOTICES, field="notification_type")
    if isinstance(status, Notice):
        return status
    result = event.check_result or _Result()
    severity = (_SERVICE if event.service else _HOST_CHECK).get(result.state or 0)
    return _alert(payload, event, status, severity)


def _alert(payload: Payload, event: _Event, status: Status, severity: Severity | None) -> ParsedAlert:
    told_at = counted(event.timestamp, "timestamp") if event.timestamp else payload.arrival()
    result = event.check_result or _Result()
    reachable = result.vars_after.reachable if result.vars_after else None
    return ParsedAlert(
        source="icinga2",
        status=status,
        name=event.service or _HOST_CHECK_NAME,
        # What Icinga calls a service is a check; whose it is the host says, or a label of the configuration.
        entity=event.host,
        severity=severity,
        starts_at=told_at,
        ends_at=told_at if status is Status.RESOLVED else payload.until(TOLD_ONCE_SECONDS),
        fingerprint=f"icinga2/{event.host}!{event.service or ''}",
        labels=labels_of(
            {
                "host": event.host,
                "check": event.service,
                # False: a parent of it is down, so this is a consequence.
                "reachable": reachable,
            }
        ),
        unreachable=reachable is False,
        summary=(result.output or "").strip() or f"{event.service or _HOST_CHECK_NAME} on {event.host}",
    )


FORMAT = Format(name="icinga2", signs=("timestamp",), recognises=_recognises, read=_read)
