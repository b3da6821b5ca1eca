"""Nagios and its kin, by our notify command (`deploy/templates/nagios-notify.py`): its macros as a JSON object.

https://assets.nagios.com/downloads/nagioscore/docs/nagioscore/4/en/macrolist.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from correlator.domain import Severity, Status
from correlator.formats.alert import ParsedAlert, labels_of, plain
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Notice, Payload, shaped
from correlator.formats.instants import told
from correlator.formats.notifications import told_by

_NOTICES = {
    "ACKNOWLEDGEMENT": "acknowledged",
    "FLAPPINGSTART": "flapping",
    "FLAPPINGSTOP": "flapping",
    "FLAPPINGDISABLED": "flapping",
    "DOWNTIMESTART": "downtime",
    "DOWNTIMEEND": "downtime",
    "DOWNTIMECANCELLED": "downtime",
    "CUSTOM": "custom",
}
_SEVERITIES = {
    "WARNING": Severity.WARNING,
    "CRITICAL": Severity.CRITICAL,
    "UNKNOWN": Severity.UNKNOWN,
    "DOWN": Severity.CRITICAL,
    "UNREACHABLE": Severity.UNKNOWN,
}
_HOST_CHECK_NAME = "host down"


class _Notification(msgspec.Struct):
    notification_type: str
    host: str
    service: str | None = None
    state: str | None = None
    host_state: str | None = None
    output: str | None = None
    last_state_change: Any = None


def _recognises(document: Document, headers: Headers) -> bool:
    return "notification_type" in document and "host_state" in document


def _read(payload: Payload) -> list[Element]:
    notification = shaped(payload.document, _Notification)
    status = told_by(notification.notification_type, _NOTICES, field="notification_type")
    if isinstance(status, Notice):
        return [status]
    # A macro without a value is left as it stands, or empty.
    service = notification.service if notification.service and not notification.service.startswith("$") else None
    state = ((notification.state if service else None) or notification.host_state or notification.state or "").upper()
    unreachable = notification.host_state == "UNREACHABLE"
    changed = plain(notification.last_state_change)
    changed_at = told(changed, "last_state_change") if changed and changed != "0" else payload.arrival()
    name = service or _HOST_CHECK_NAME
    return [
        ParsedAlert(
            source="nagios",
            status=status,
            name=name,
            # What Nagios calls a service is a check; whose it is the host says, or a label of the configuration.
            entity=notification.host,
            severity=_SEVERITIES.get(state),
            starts_at=changed_at,
            ends_at=changed_at if status is Status.RESOLVED else payload.until(TOLD_ONCE_SECONDS),
            fingerprint=f"nagios/{notification.host}!{service or ''}",
            labels=labels_of(
                {
                    "host": notification.host,
                    "check": service,
                    # A parent of it is down, so this is a consequence.
                    "reachable": False if unreachable else None,
                }
            ),
            unreachable=unreachable,
            summary=(notification.output or "").strip() or f"{name} on {notification.host}",
        )
    ]


FORMAT = Format(name="nagios", signs=("host_state",), recognises=_recognises, read=_read)
