"""Checkmk, by our notification script (`deploy/templates/checkmk-notify.py`): its variables as a JSON object.

https://docs.checkmk.com/latest/en/notifications.html#environment_variables
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
    "DOWNTIMESTART": "downtime",
    "DOWNTIMEEND": "downtime",
    "DOWNTIMECANCELLED": "downtime",
    "ALERTHANDLER": "alert_handler",
    "CUSTOM": "custom",
}
_SEVERITIES = {
    "WARNING": Severity.WARNING,
    "CRITICAL": Severity.CRITICAL,
    "UNKNOWN": Severity.UNKNOWN,
    "DOWN": Severity.CRITICAL,
    "UNREACHABLE": Severity.UNKNOWN,
}
#: As some of Checkmk's cores, and its `...SHORTSTATE`, have them.
_SHORT_STATES = {"WARN": "WARNING", "CRIT": "CRITICAL", "UNKN": "UNKNOWN", "UNREACH": "UNREACHABLE"}
_HOST_CHECK_NAME = "host down"
#: Of a label that both have, the service's counts.
_LABELS = ("NOTIFY_HOSTLABEL_", "NOTIFY_SERVICELABEL_")


class _Notification(msgspec.Struct, rename=lambda name: f"NOTIFY_{name.upper()}"):
    notificationtype: str
    hostname: str
    hoststate: str | None = None
    hostoutput: str | None = None
    lasthoststatechange: Any = None
    servicedesc: str | None = None
    servicestate: str | None = None
    serviceoutput: str | None = None
    lastservicestatechange: Any = None
    #: Microseconds: when it was told.
    microtime: Any = None
    omd_site: str | None = None


def _recognises(document: Document, headers: Headers) -> bool:
    return "NOTIFY_NOTIFICATIONTYPE" in document and "NOTIFY_HOSTNAME" in document


def _read(payload: Payload) -> list[Element]:
    notification = shaped(payload.document, _Notification)
    status = told_by(notification.notificationtype, _NOTICES, field="NOTIFY_NOTIFICATIONTYPE")
    if isinstance(status, Notice):
        return [status]
    host, check = notification.hostname, notification.servicedesc or None
    host_state = _state(notification.hoststate)
    changed_at = _changed_at(payload, notification)
    output = notification.serviceoutput if check else notification.hostoutput
    name = check or _HOST_CHECK_NAME
    return [
        ParsedAlert(
            source="checkmk",
            status=status,
            name=name,
            # What Checkmk calls a service is a check; whose it is the host says, or a label.
            entity=host,
            severity=_SEVERITIES.get(_state(notification.servicestate) if check else host_state),
            starts_at=changed_at,
            ends_at=changed_at if status is Status.RESOLVED else payload.until(TOLD_ONCE_SECONDS),
            # Within the sites of one installation no two hosts have the same name.
            fingerprint=f"checkmk/{host}!{check or ''}",
            labels=_labels(payload.document)
            | labels_of(
                {
                    "host": host,
                    "check": check,
                    "site": notification.omd_site,
                    # A parent of it is down, so this is a consequence.
                    "reachable": False if host_state == "UNREACHABLE" else None,
                }
            ),
            unreachable=host_state == "UNREACHABLE",
            summary=(output or "").strip() or f"{name} on {host}",
        )
    ]


def _state(word: str | None) -> str:
    state = (word or "").upper()
    return _SHORT_STATES.get(state, state)


def _changed_at(payload: Payload, notification: _Notification) -> int:
    """Return when the state changed; of what has never changed (`0`) or does not say so, when it was told."""
    change, where = (
        (notification.lastservicestatechange, "NOTIFY_LASTSERVICESTATECHANGE")
        if notification.servicedesc
        else (notification.lasthoststatechange, "NOTIFY_LASTHOSTSTATECHANGE")
    )
    for value, at in ((change, where), (notification.microtime, "NOTIFY_MICROTIME")):
        if (text := plain(value)) and text != "0":
            return told(text, at)
    return payload.arrival()


def _labels(document: Document) -> dict[str, str]:
    """Return the labels that Checkmk has of host and service."""
    return labels_of(
        {
            name.removeprefix(prefix): value
            for prefix in _LABELS
            for name, value in document.items()
            if name.startswith(prefix)
        }
    )


FORMAT = Format(name="checkmk", signs=("NOTIFY_NOTIFICATIONTYPE",), recognises=_recognises, read=_read)
