"""PagerDuty's V3 webhooks: what people do with an incident there.

https://developer.pagerduty.com/docs/webhooks/v3-overview/
An incident there holds one alert or several; the key of an alert is our incident's id. The webhook tells the incident's
`incident_key` at most, which is that of its first alert and often null; the alerts' own keys have to be asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from correlator.domain import Feedback, FeedbackAction, FeedbackSource, rfc3339
from correlator.errors import InputError
from correlator.formats.feedback import is_incident_id
from correlator.formats.format import shaped
from correlator.formats.instants import instant

_PERSON = ("user", "user_reference")
_MERGE = "merge_resolve_reason"
_MAX_TEXT = 256


class _Reference(msgspec.Struct, frozen=True):
    id: str = ""
    type: str = ""
    summary: str | None = None


class _Reason(msgspec.Struct, frozen=True):
    type: str = ""
    incident: _Reference | None = None


class _Incident(msgspec.Struct, frozen=True):
    id: str = ""
    type: str = ""
    incident_key: str | None = None
    assignees: list[_Reference] = []
    escalation_policy: _Reference | None = None
    resolve_reason: _Reason | None = None


class _Note(msgspec.Struct, frozen=True):
    incident: _Reference


class Event(msgspec.Struct, frozen=True):
    """One event; `data` is an incident, or a note of one, only where its own `type` says so."""

    id: str
    event_type: str
    occurred_at: datetime
    agent: _Reference | None = None
    data: Any = None


class Webhook(msgspec.Struct, frozen=True):
    """The document of a webhook."""

    event: Event


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook tells: an action of a person on an incident there, or only a `notice` of something else.

    `incident` is its id there; `key` its `incident_key`, where that could be an id of ours; `into` the incident there
    into which it was merged.
    """

    notice: str
    action: FeedbackAction | None = None
    delivery: str = ""
    incident: str = ""
    key: str | None = None
    into: str = ""
    to: str | None = None
    to_person: bool = False
    by: str | None = None
    occurred_at: int = 0


def read(document: object) -> Told:
    """Read a webhook.

    What no person did is a notice: our own resolves and acknowledgements come back as webhooks, too. That nobody goes
    on with what was acknowledged is told by a timer, and counts.

    Raises:
        InputError: it is none of PagerDuty's.
    """
    event = shaped(document, Webhook).event
    kind, _, what = event.event_type.partition(".")
    incident = _incident(event.data) if kind == "incident" and isinstance(event.data, dict) else None
    if incident is None:
        return Told(notice="pong" if event.event_type == "pagey.ping" else "other")
    if not event.id or not incident.id:
        raise InputError("missing_field", "event.id or event.data.id is empty")
    by_person = event.agent is not None and event.agent.type in _PERSON
    action, to = _action(what, incident)
    if action is None:
        return Told(notice="other")
    if not by_person and action is not FeedbackAction.UNACKNOWLEDGE:
        return Told(notice="by_program")
    reason = incident.resolve_reason
    merged = reason.incident if reason is not None and reason.type == _MERGE else None
    key = incident.incident_key
    return Told(
        notice="word",
        action=action,
        delivery=event.id[:_MAX_TEXT],
        incident=incident.id,
        key=key if key is not None and is_incident_id(key) else None,
        into=merged.id if merged is not None and action is FeedbackAction.MERGE else "",
        to=to[:_MAX_TEXT] if to else None,
        # Of people it is not told which team they are of; an escalation policy is a team's.
        to_person=what == "reassigned" and to is not None,
        by=event.agent.summary[:_MAX_TEXT] if event.agent is not None and event.agent.summary else None,
        occurred_at=instant(event.occurred_at, "event.occurred_at"),
    )


def words(told: Told, keys: Sequence[str], *, arrived_at: int) -> list[Feedback]:
    """Return what is said of each of our incidents.

    Args:
        keys: the alerts' keys of the incident there, the oldest first; of a merge those of the incident it went into,
            where the alerts of both are: all but the first are merged into that.
    """
    assert told.action is not None
    ours = list(dict.fromkeys(key for key in keys if is_incident_id(key)))
    into = None
    if told.action is FeedbackAction.MERGE:
        into = f"pagerduty:{told.into}"
        if len(ours) > 1:
            into, *ours = ours
    return [
        Feedback(
            incident_id=key,
            action=told.action,
            at=rfc3339(min(told.occurred_at, arrived_at)),
            by=told.by,
            source=FeedbackSource.PAGERDUTY,
            id=told.delivery if len(ours) == 1 else f"{told.delivery}:{key}",
            to=told.to,
            to_person=told.to_person,
            into=into,
        )
        for key in ours
    ]


def _incident(data: dict[str, Any]) -> _Incident | None:
    """Return the incident that an event is about; where that is a note, no more than its id is known."""
    match data.get("type"):
        case "incident":
            return shaped(data, _Incident, at="event.data")
        case "incident_note":
            return _Incident(id=shaped(data, _Note, at="event.data").incident.id)
        case _:
            return None


def _action(what: str, incident: _Incident) -> tuple[FeedbackAction | None, str | None]:
    """Return what is done, and to whom the incident is given."""
    match what:
        case "acknowledged":
            return FeedbackAction.ACKNOWLEDGE, None
        case "unacknowledged":
            return FeedbackAction.UNACKNOWLEDGE, None
        case "resolved":
            # Whoever merged it is the agent of this, but nothing is over: its alerts are in the other incident.
            reason = incident.resolve_reason
            is_merge = reason is not None and reason.type == _MERGE
            return (FeedbackAction.MERGE if is_merge else FeedbackAction.RESOLVE), None
        case "annotated":
            return FeedbackAction.ANNOTATE, None
        case "reopened":
            return FeedbackAction.REOPEN, None
        case "reassigned" | "delegated":
            policy = incident.escalation_policy
            names = [one.summary or one.id for one in incident.assignees]
            if what == "delegated" and policy is not None:
                names = [policy.summary or policy.id]
            to = ", ".join(name for name in names if name)
            return (FeedbackAction.REASSIGN if to else None), to
        case _:
            return None, None
