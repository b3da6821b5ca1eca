"""New Relic: issues by the default webhook of workflows, and incidents of the older notification channels.

https://docs.newrelic.com/docs/alerts/get-notified/notification-integrations/#webhook
An issue gathers conditions and entities while it lasts, and its end names them all. So an alert is each pair of them,
or the end would be of another alert than the beginning; `instance` is the issue.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from correlator.domain import Severity, Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert, identity, labels_of
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Notice, Payload, shaped
from correlator.formats.instants import counted
from correlator.formats.links import links_of

_STATES = {"created": Status.FIRING, "activated": Status.FIRING, "closed": Status.RESOLVED}
_LEGACY_STATES = {"open": Status.FIRING, "closed": Status.RESOLVED}
_ACKNOWLEDGED = "acknowledged"
_PRIORITIES = {
    "critical": Severity.CRITICAL,
    "high": Severity.ERROR,
    "medium": Severity.WARNING,
    "low": Severity.INFO,
    # of incidents
    "warning": Severity.WARNING,
    "info": Severity.INFO,
}
_ACCOUNT = re.compile(r"/accounts/(\d+)/")
#: More pairs of condition and entity than any issue has, and few enough to be harmless.
_MAX_PAIRS = 1000


class _Issue(msgspec.Struct, rename="camel"):
    id: str
    state: str
    issue_url: str = ""
    title: str = ""
    priority: str | None = None
    impacted_entities: list[str] | None = None
    alert_condition_names: list[str] | None = None
    alert_policy_names: list[str] | None = None
    created_at: float | None = None
    updated_at: float | None = None


class _Incident(msgspec.Struct):
    incident_id: int | str
    current_state: str
    condition_name: str | None = None
    policy_name: str | None = None
    account_id: int | str | None = None
    account_name: str | None = None
    severity: str | None = None
    targets: Any = None
    details: str | None = None
    timestamp: float | None = None
    incident_url: Any = None
    runbook_url: Any = None


def _recognises(document: Document, headers: Headers) -> bool:
    return ("issueUrl" in document and "state" in document) or (
        "incident_id" in document and "current_state" in document and "condition_name" in document
    )


def _read(payload: Payload) -> list[Element]:
    document = payload.document
    if isinstance(document, dict) and "current_state" in document:
        return _incident(payload, shaped(document, _Incident))
    return _issue(payload, shaped(document, _Issue))


def _issue(payload: Payload, issue: _Issue) -> list[Element]:
    word = issue.state.lower()
    if word == _ACKNOWLEDGED:
        return [Notice(_ACKNOWLEDGED)]
    status = _status(word, _STATES, "state")
    conditions = list(dict.fromkeys(issue.alert_condition_names or ())) or [issue.title]
    entities = list(dict.fromkeys(issue.impacted_entities or ())) or [""]
    if len(conditions) * len(entities) > _MAX_PAIRS:
        raise InputError("wrong_value", f"{len(conditions)} conditions of {len(entities)} entities are too many")
    updated_at = counted(issue.updated_at, "updatedAt") if issue.updated_at else None
    began = counted(issue.created_at, "createdAt") if issue.created_at else updated_at or payload.arrival()
    ended_at = (updated_at or payload.arrival()) if status is Status.RESOLVED else None
    match = _ACCOUNT.search(issue.issue_url)
    account = match[1] if match else ""
    return [
        ParsedAlert(
            source="newrelic",
            status=status,
            name=condition,
            service=entity or None,
            severity=_PRIORITIES.get((issue.priority or "").lower()),
            starts_at=began,
            ends_at=ended_at or payload.until(TOLD_ONCE_SECONDS),
            observed_at=ended_at or updated_at,
            fingerprint=identity("newrelic", account, condition, entity),
            instance=issue.id,
            labels=labels_of({"account": account, "policy": next(iter(issue.alert_policy_names or ()), None)}),
            summary=issue.title,
            links=links_of({}, source=issue.issue_url),
        )
        for condition in conditions
        for entity in entities
    ]


def _incident(payload: Payload, incident: _Incident) -> list[Element]:
    word = incident.current_state.lower()
    if word == _ACKNOWLEDGED:
        return [Notice(_ACKNOWLEDGED)]
    status = _status(word, _LEGACY_STATES, "current_state")
    told_at = counted(incident.timestamp, "timestamp") if incident.timestamp else payload.arrival()
    target = incident.targets[0] if isinstance(incident.targets, list) and incident.targets else None
    target = target if isinstance(target, dict) else {}
    labels = target.get("labels")
    account = "" if incident.account_id is None else str(incident.account_id)
    entity = target.get("name")
    ended_at = told_at if status is Status.RESOLVED else None
    return [
        ParsedAlert(
            source="newrelic",
            status=status,
            name=incident.condition_name or incident.policy_name or "incident",
            service=entity if isinstance(entity, str) and entity else None,
            severity=_PRIORITIES.get((incident.severity or "").lower()),
            starts_at=told_at,
            ends_at=ended_at or payload.until(TOLD_ONCE_SECONDS),
            # Conditions and targets come and go while an incident lasts; only its number is there from end to end.
            fingerprint=identity("newrelic-incident", account, str(incident.incident_id)),
            labels=labels_of(
                {
                    **(labels if isinstance(labels, dict) else {}),
                    "account": account,
                    "account_name": incident.account_name,
                    "policy": incident.policy_name,
                }
            ),
            summary=incident.details or incident.condition_name or "",
            links=links_of({}, runbook=incident.runbook_url, source=incident.incident_url),
        )
    ]


def _status(word: str, statuses: dict[str, Status], where: str) -> Status:
    if word not in statuses:
        raise InputError("wrong_value", f"{where}: {word[:40]!r} is none of {', '.join((*statuses, _ACKNOWLEDGED))}")
    return statuses[word]


FORMAT = Format(name="newrelic", signs=("issueUrl", "current_state"), recognises=_recognises, read=_read)
