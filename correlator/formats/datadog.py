"""Datadog's webhooks, whose body the user writes: ours is `deploy/templates/datadog-webhook.json`.

https://docs.datadoghq.com/integrations/webhooks/
Other common templates are understood too, as far as they hold `alert_transition`. A variable without value may be left
as it stands, `$LIKE_THIS`.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from correlator.domain import Severity, Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert, identity, plain, tags_of
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Notice, Payload, shaped
from correlator.formats.instants import told

_TRANSITIONS = {
    "triggered": Status.FIRING,
    "re-triggered": Status.FIRING,
    "warn": Status.FIRING,
    "re-warn": Status.FIRING,
    "no data": Status.FIRING,  # in doubt, someone looks
    "re-no data": Status.FIRING,
    "renotify": Status.FIRING,
    "recovered": Status.RESOLVED,
    "warn recovered": Status.RESOLVED,
    "no data recovered": Status.RESOLVED,
}
#: Of what is no monitor's (an event that mentions the webhook) there is only the type.
_TYPES = {"error": Status.FIRING, "warning": Status.FIRING, "success": Status.RESOLVED}
_PRIORITIES = {
    "p1": Severity.CRITICAL,
    "p2": Severity.ERROR,
    "p3": Severity.WARNING,
    "p4": Severity.INFO,
    "p5": Severity.INFO,
}
_TYPE_SEVERITIES = {"error": Severity.ERROR, "warning": Severity.WARNING, "info": Severity.INFO}
_WARNINGS = frozenset({"warn", "re-warn"})
#: What Datadog puts before the name of a monitor: `[P2] [Re-Triggered on {host:a}] `.
_PREFIX = re.compile(
    r"^\s*\[(P[1-5]|(Re-)?(Triggered|Warn|No Data)|Recovered|Renotify|Alert|OK)\b[^\]]*\]\s*", re.IGNORECASE
)
_MAX_NAME = 200
_UNSET = re.compile(r"^\$[A-Z_]+(\[[^\]]*\])?$")


class _Webhook(msgspec.Struct):
    """Fields of our template, and what others call the same."""

    alert_transition: str
    alert_id: Any = None
    monitor_id: Any = None
    aggreg_key: Any = None
    org_id: Any = None
    org: Any = None
    alert_title: Any = None
    event_title: Any = None
    title: Any = None
    alert_type: Any = None
    alert_priority: Any = None
    priority: Any = None
    severity: Any = None
    alert_scope: Any = None
    scopes: Any = None
    tags: Any = None
    hostname: Any = None
    host: Any = None
    date: Any = None
    event_msg: Any = None
    body: Any = None

    def text(self, *keys: str) -> str:
        """Return the first of the fields that has a value."""
        for key in keys:
            value = getattr(self, key)
            text = value.strip() if type(value) is str else plain(value)
            if text and not (text[0] == "$" and _UNSET.match(text)):
                return text
        return ""


def _recognises(document: Document, headers: Headers) -> bool:
    return "alert_transition" in document


def _read(payload: Payload) -> list[Element]:
    webhook = shaped(payload.document, _Webhook)
    transition = webhook.text("alert_transition").lower()
    status = _TRANSITIONS.get(transition) if transition else _TYPES.get(webhook.text("alert_type").lower())
    if status is None:
        if not transition:
            return [Notice("event")]
        raise InputError("wrong_value", f"alert_transition: {transition[:40]!r} is none of {', '.join(_TRANSITIONS)}")
    title = webhook.text("alert_title", "event_title", "title")
    if not title:
        raise InputError("missing_field", "missing required field `alert_title`")
    changed_at = told(date, "date") if (date := webhook.text("date")) else payload.arrival()
    scope = webhook.text("alert_scope", "scopes")
    tags = _tags(webhook, scope)
    return [
        ParsedAlert(
            source="datadog",
            status=status,
            name=_name(title),
            service=tags.get("service"),
            entity=webhook.text("hostname", "host") or tags.get("host"),
            severity=_severity(webhook, transition),
            starts_at=changed_at,
            ends_at=changed_at if status is Status.RESOLVED else payload.until(TOLD_ONCE_SECONDS),
            fingerprint=_fingerprint(webhook, scope),
            labels=tags,
            summary=webhook.text("event_msg", "body")[:500] or title,
        )
    ]


def _severity(webhook: _Webhook, transition: str) -> Severity | None:
    """Return the monitor's priority, else what the event's type says; below its alert threshold it only warns."""
    found = _PRIORITIES.get(webhook.text("alert_priority", "severity").lower()) or _PRIORITIES.get(
        webhook.text("priority").lower()
    )
    found = found or _TYPE_SEVERITIES.get(webhook.text("alert_type").lower())
    if transition in _WARNINGS and (found is None or found.rank > Severity.WARNING.rank):
        return Severity.WARNING
    return found


def _name(title: str) -> str:
    name = title
    while match := _PREFIX.match(name):
        name = name[match.end() :]
    return (name or title).strip()[:_MAX_NAME]


def _fingerprint(webhook: _Webhook, scope: str) -> str | None:
    """Return the identity of a monitor's group; None where the template has neither monitor nor key."""
    monitor, key = webhook.text("alert_id", "monitor_id"), webhook.text("aggreg_key")
    if not monitor and not key:
        return None
    organisation = webhook.text("org_id") or (plain(webhook.org.get("id")) if isinstance(webhook.org, dict) else "")
    return identity("datadog", organisation or "", monitor, key, scope)


def _tags(webhook: _Webhook, scope: str) -> dict[str, str]:
    tags = [str(tag) for tag in webhook.tags] if isinstance(webhook.tags, list) else webhook.text("tags").split(",")
    return tags_of(tags) | {key: value for key, value in tags_of(scope.split(",")).items() if value != "*"}


FORMAT = Format(name="datadog", signs=("alert_transition",), recognises=_recognises, read=_read)
