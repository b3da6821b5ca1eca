"""Sentry's webhooks of an integration: metric alerts, issue alerts and the states of issues.

https://docs.sentry.io/organization/integrations/integration-platform/webhooks/
The header `Sentry-Hook-Resource` says which; where it was lost, what the data holds. An issue alert never tells of an
end: that comes as the state of the issue, if the integration subscribes to issues too.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from correlator.domain import Severity, Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert, labels_of, name_in
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Notice, Payload, shaped
from correlator.formats.instants import written
from correlator.formats.links import links_of

_RESOURCE_HEADER = "sentry-hook-resource"
_METRIC_ACTIONS = {
    "critical": (Status.FIRING, Severity.CRITICAL),
    "warning": (Status.FIRING, Severity.WARNING),
    "resolved": (Status.RESOLVED, None),
}
_ISSUE_ACTIONS = {"created": Status.FIRING, "unresolved": Status.FIRING, "resolved": Status.RESOLVED}
#: What people do with issues, neither beginning nor end.
_ISSUE_NOTICES = ("assigned", "archived", "ignored")
_OTHER_RESOURCES = ("installation", "comment", "error", "seer")
_LEVELS = {
    "fatal": Severity.CRITICAL,
    "error": Severity.ERROR,
    "warning": Severity.WARNING,
    "info": Severity.INFO,
    "debug": Severity.INFO,
}
_PROJECT_IN_URL = re.compile(r"/projects/[^/]+/([^/]+)/")


class _Rule(msgspec.Struct):
    id: str | int
    name: str | None = None
    environment: str | None = None
    projects: list[str] | None = None


class _MetricAlert(msgspec.Struct):
    alert_rule: _Rule
    organization_id: str | int | None = None
    projects: list[str] | None = None
    date_started: str | None = None
    date_closed: str | None = None


class _MetricData(msgspec.Struct):
    metric_alert: _MetricAlert
    description_title: str | None = None
    description_text: str | None = None
    web_url: Any = None


class _Event(msgspec.Struct):
    issue_id: str | int
    title: str = ""
    level: str | None = None
    datetime: str | None = None
    url: str | None = None
    web_url: Any = None
    environment: str | None = None
    tags: Any = None


class _EventData(msgspec.Struct):
    event: _Event
    triggered_rule: str | None = None


class _Project(msgspec.Struct):
    slug: str | None = None


class _Issue(msgspec.Struct, rename="camel"):
    id: str | int
    title: str = ""
    level: str | None = None
    first_seen: str | None = None
    last_seen: str | None = None
    project: _Project | None = None
    web_url: Any = msgspec.field(name="web_url", default=None)


class _IssueData(msgspec.Struct):
    issue: _Issue


class _Hook(msgspec.Struct):
    action: str
    data: dict[str, Any]


def _recognises(document: Document, headers: Headers) -> bool:
    if _RESOURCE_HEADER in headers:
        return True
    data = document.get("data")
    return "action" in document and isinstance(data, dict) and _resource(data) != ""


def _resource(data: dict[str, Any]) -> str:
    if "metric_alert" in data:
        return "metric_alert"
    if "event" in data and "triggered_rule" in data:
        return "event_alert"
    issue = data.get("issue")
    return "issue" if isinstance(issue, dict) and "shortId" in issue else ""


def _read(payload: Payload) -> list[Element]:
    hook = shaped(payload.document, _Hook)
    resource = payload.headers.get(_RESOURCE_HEADER) or _resource(hook.data)
    if resource == "metric_alert":
        return [_metric(payload, hook.action, shaped(hook.data, _MetricData, at="data"))]
    if resource == "event_alert":
        return [_event(payload, shaped(hook.data, _EventData, at="data"))]
    if resource == "issue":
        return [_issue(payload, hook.action, shaped(hook.data, _IssueData, at="data").issue)]
    return [Notice(resource if resource in _OTHER_RESOURCES else "other")]


def _metric(payload: Payload, action: str, data: _MetricData) -> ParsedAlert:
    if action not in _METRIC_ACTIONS:
        raise InputError("wrong_value", f"action: {action[:40]!r} is none of {', '.join(_METRIC_ACTIONS)}")
    status, severity = _METRIC_ACTIONS[action]
    alert, rule = data.metric_alert, data.metric_alert.alert_rule
    ended_at = None
    if status is Status.RESOLVED:
        ended_at = _instant(alert.date_closed, "data.metric_alert.date_closed") or payload.arrived_at
    # Without either, the only time there is.
    began = _instant(alert.date_started, "data.metric_alert.date_started") or ended_at or payload.arrival()
    return ParsedAlert(
        source="sentry",
        status=status,
        name=rule.name or f"metric alert {rule.id}",
        service=next(iter(rule.projects or alert.projects or ()), None),
        severity=severity,
        starts_at=began,
        ends_at=ended_at or (began if status is Status.RESOLVED else payload.until(TOLD_ONCE_SECONDS)),
        observed_at=ended_at,
        fingerprint=f"sentry/{alert.organization_id or ''}/metric/{rule.id}",
        labels=labels_of({"environment": rule.environment}),
        summary=data.description_title or data.description_text or rule.name or "",
        links=links_of({}, source=data.web_url),
    )


def _event(payload: Payload, data: _EventData) -> ParsedAlert:
    event = data.event
    match = _PROJECT_IN_URL.search(event.url or "")
    return ParsedAlert(
        source="sentry",
        status=Status.FIRING,
        name=name_in(event.title) or f"issue {event.issue_id}",
        service=match[1] if match else None,
        severity=_LEVELS.get((event.level or "").lower()),
        starts_at=_instant(event.datetime, "data.event.datetime") or payload.arrival(),
        ends_at=payload.until(TOLD_ONCE_SECONDS),
        fingerprint=_issue_fingerprint(event.issue_id),
        labels=labels_of({**_tags(event.tags), "environment": event.environment, "rule": data.triggered_rule}),
        summary=event.title,
        links=links_of({}, source=event.web_url),
    )


def _issue(payload: Payload, action: str, issue: _Issue) -> Element:
    if action in _ISSUE_NOTICES:
        return Notice(action)
    if action not in _ISSUE_ACTIONS:
        raise InputError(
            "wrong_value", f"action: {action[:40]!r} is none of {', '.join((*_ISSUE_ACTIONS, *_ISSUE_NOTICES))}"
        )
    status = _ISSUE_ACTIONS[action]
    seen = _instant(issue.last_seen if action != "created" else issue.first_seen, "data.issue.lastSeen")
    # When someone resolved it is not told, only when it was last seen.
    at = (payload.arrived_at if status is Status.RESOLVED else seen) or seen or payload.arrival()
    return ParsedAlert(
        source="sentry",
        status=status,
        name=name_in(issue.title) or f"issue {issue.id}",
        service=issue.project.slug if issue.project else None,
        severity=_LEVELS.get((issue.level or "").lower()),
        starts_at=at,
        ends_at=at if status is Status.RESOLVED else payload.until(TOLD_ONCE_SECONDS),
        fingerprint=_issue_fingerprint(issue.id),
        summary=issue.title,
        links=links_of({}, source=issue.web_url),
    )


def _issue_fingerprint(number: str | int) -> str:
    return f"sentry/issue/{number}"


def _tags(tags: object) -> dict[str, Any]:
    """Return tags, which are a list of pairs."""
    pairs = [pair for pair in tags if isinstance(pair, list) and len(pair) == 2] if isinstance(tags, list) else []
    return {key: value for key, value in pairs if isinstance(key, str) and key}


def _instant(text: str | None, where: str) -> int | None:
    return written(text, where) if text else None


FORMAT = Format(name="sentry", recognises=_recognises, read=_read)
