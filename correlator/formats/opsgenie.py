"""Opsgenie's and Jira Service Management's outgoing webhooks.

https://support.atlassian.com/opsgenie/docs/opsgenie-edge-connector-alert-action-data/
Some instants are milliseconds and some nanoseconds, in one object.
"""

from __future__ import annotations

from typing import Any

import msgspec

from correlator.domain import Severity, Status
from correlator.formats.alert import ParsedAlert, identity, labels_of, plain, tags_of
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Notice, Payload, shaped
from correlator.formats.instants import counted
from correlator.formats.links import links_of

_ACTIONS = {"create": Status.FIRING, "close": Status.RESOLVED, "delete": Status.RESOLVED}
#: What else people and policies do with alerts, by the words they are counted by.
_NOTICES = {
    "acknowledge": "acknowledged",
    "unacknowledge": "unacknowledged",
    "assignownership": "assigned",
    "takeownership": "assigned",
    "escalate": "escalated",
    "escalatenext": "escalated",
    "snooze": "snoozed",
    "snoozeended": "snoozed",
    "addnote": "note",
}
_PRIORITIES = {
    "1": Severity.CRITICAL,
    "2": Severity.ERROR,
    "3": Severity.WARNING,
    "4": Severity.INFO,
    "5": Severity.INFO,
}


class _Alert(msgspec.Struct, rename="camel"):
    alert_id: str
    message: str = ""
    alias: str | None = None
    entity: str | None = None
    source: str | None = None
    priority: Any = None
    description: str | None = None
    created_at: float | None = None
    updated_at: float | None = None
    tags: Any = None
    details: Any = None


class _Webhook(msgspec.Struct):
    action: str
    alert: _Alert


def _recognises(document: Document, headers: Headers) -> bool:
    alert = document.get("alert")
    return "action" in document and isinstance(alert, dict) and "alertId" in alert


def _read(payload: Payload) -> list[Element]:
    webhook = shaped(payload.document, _Webhook)
    alert, word = webhook.alert, webhook.action.lower()
    if word not in _ACTIONS:
        return [Notice(_NOTICES.get(word, "other"))]
    status = _ACTIONS[word]
    began = counted(alert.created_at, "alert.createdAt") if alert.created_at else None
    updated_at = counted(alert.updated_at, "alert.updatedAt") if alert.updated_at else None
    ended_at = (updated_at or payload.arrival()) if status is Status.RESOLVED else None
    details = labels_of(alert.details) if isinstance(alert.details, dict) else {}
    labels = (tags_of(alert.tags) if isinstance(alert.tags, list) else {}) | details
    return [
        ParsedAlert(
            source="opsgenie",
            status=status,
            name=alert.message.strip() or alert.alias or alert.alert_id,
            service=labels.get("service") or alert.entity or None,
            entity=alert.entity or None,
            severity=_PRIORITIES.get((plain(alert.priority) or "").upper().removeprefix("P")),
            starts_at=began or ended_at or updated_at or payload.arrival(),
            ends_at=ended_at or payload.until(TOLD_ONCE_SECONDS),
            observed_at=ended_at,
            # The alias is the sender's; an alert without one has its own number as such.
            fingerprint=identity("opsgenie", alert.alias or alert.alert_id),
            labels=labels,
            summary=alert.description or alert.message,
            links=links_of(details),
        )
    ]


FORMAT = Format(name="opsgenie", signs=("alert",), recognises=_recognises, read=_read)
