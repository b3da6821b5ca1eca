"""Datadog's webhooks, whose body the user writes: ours is `deploy/templates/datadog-webhook.json`.

https://docs.datadoghq.com/integrations/webhooks/
Other common templates are understood too, as far as they hold `alert_transition`. A variable without value may be left
as it stands, `$LIKE_THIS`.
"""

from __future__ import annotations

import re

import msgspec

from correlator.domain import Severity, Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert, first_of, identity, plain, tags_of
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Notice, Payload, shaped
from correlator.formats.instants import told
from correlator.formats.links import links_of

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
    r"^\[(P[1-5]|(Re-)?(Triggered|Warn|No Data)|Recovered|Renotify|Alert|OK)\b[^\]]*\]\s*", re.IGNORECASE
)
_MAX_NAME = 200
_UNSET = re.compile(r"^\$[A-Z_]+(\[[^\]]*\])?$")


#: What our template writes, and what others call the same.
_FIELDS = frozenset({
    "alert_transition", "alert_id", "monitor_id", "aggreg_key", "org_id", "alert_title", "event_title", "title",
    "alert_type", "alert_priority", "severity", "priority", "alert_scope", "scopes", "tags", "hostname", "host", "date",
    "event_msg", "body", "link", "url",
})  # fmt: skip


class _Webhook(msgspec.Struct):
    """What none is without; the other fields may each be missing, a number, or a variable that nobody filled in."""

    alert_transition: str


def _recognises(document: Document, headers: Headers) -> bool:
    return "alert_transition" in document


def _read(payload: Payload) -> list[Element]:
    document = payload.document
    shaped(document, _Webhook)
    fields = _texts(document)
    transition = fields.get("alert_transition", "").lower()
    status = _TRANSITIONS.get(transition) if transition else _TYPES.get(fields.get("alert_type", "").lower())
    if status is None:
        if not transition:
            return [Notice("event")]
        raise InputError("wrong_value", f"alert_transition: {transition[:40]!r} is none of {', '.join(_TRANSITIONS)}")
    title = first_of(fields, ("alert_title", "event_title", "title"))
    if not title:
        raise InputError("missing_field", "missing required field `alert_title`")
    changed_at = told(date, "date") if (date := fields.get("date")) else payload.arrival()
    scope = first_of(fields, ("alert_scope", "scopes")) or ""
    tags = _tags(document, fields, scope)
    return [
        ParsedAlert(
            source="datadog",
            status=status,
            name=_name(title),
            service=tags.get("service"),
            entity=first_of(fields, ("hostname", "host")) or tags.get("host"),
            severity=_severity(fields, transition),
            starts_at=changed_at,
            ends_at=changed_at if status is Status.RESOLVED else payload.until(TOLD_ONCE_SECONDS),
            fingerprint=_fingerprint(document, fields, scope),
            labels=tags,
            summary=(first_of(fields, ("event_msg", "body")) or title)[:500],
            links=links_of(tags, source=first_of(fields, ("link", "url"))),
        )
    ]


def _texts(document: Document) -> dict[str, str]:
    """Return the fields that have a value."""
    texts: dict[str, str] = {}
    for key in _FIELDS.intersection(document):
        value = document[key]
        text = value.strip() if type(value) is str else plain(value)
        if text and not (text[0] == "$" and _UNSET.match(text)):
            texts[key] = text
    return texts


def _severity(fields: dict[str, str], transition: str) -> Severity | None:
    """Return the monitor's priority, else what the event's type says; below its alert threshold it only warns."""
    priority = first_of(fields, ("alert_priority", "severity")) or ""
    found = _PRIORITIES.get(priority.lower()) or _PRIORITIES.get(fields.get("priority", "").lower())
    found = found or _TYPE_SEVERITIES.get(fields.get("alert_type", "").lower())
    if transition in _WARNINGS and (found is None or found.rank > Severity.WARNING.rank):
        return Severity.WARNING
    return found


def _name(title: str) -> str:
    name = title
    while name.startswith("[") and (match := _PREFIX.match(name)):
        name = name[match.end() :]
    return (name or title).strip()[:_MAX_NAME]


def _fingerprint(document: Document, fields: dict[str, str], scope: str) -> str | None:
    """Return the identity of a monitor's group; None where the template has neither monitor nor key."""
    monitor, key = first_of(fields, ("alert_id", "monitor_id")) or "", fields.get("aggreg_key", "")
    if not monitor and not key:
        return None
    organisation, whole = fields.get("org_id"), document.get("org")
    if organisation is None and isinstance(whole, dict):
        organisation = plain(whole.get("id"))
    return identity("datadog", organisation or "", monitor, key, scope)


def _tags(document: Document, fields: dict[str, str], scope: str) -> dict[str, str]:
    tags = document.get("tags")
    tags = [str(tag) for tag in tags] if isinstance(tags, list) else fields.get("tags", "").split(",")
    return tags_of(tags) | {key: value for key, value in tags_of(scope.split(",")).items() if value != "*"}


FORMAT = Format(name="datadog", signs=("alert_transition",), recognises=_recognises, read=_read)
