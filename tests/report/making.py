"""Incidents, fates and feedback for the tests of the report."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec

from correlator.config_pager import HourClass
from correlator.domain import (
    Action,
    AlertCounts,
    Disposition,
    Feedback,
    IncidentEvent,
    IncidentStatus,
    Owner,
    RootCause,
    Severity,
    Versions,
    rfc3339,
)
from correlator.report.account import Hours
from correlator.report.noise import Fate
from correlator.report.stories import instant

#: A Monday, midnight UTC.
MONDAY = instant("2026-03-02T00:00:00Z")
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def event(
    incident_id: str = "incident-1",
    revision: int = 1,
    action: Action = Action.OPENED,
    *,
    at: int = MONDAY,
    opened_at: int | None = None,
    page: bool | None = None,
    team: str | None = "payments",
    root: str = "db",
    alert: str | None = "DbDown",
    events: int = 5,
) -> IncidentEvent:
    """Return one revision; it pages where it opens, unless told otherwise, and its alerts began 30 s before."""
    over = action in (Action.RESOLVED, Action.MERGED)
    opened = at if opened_at is None else opened_at
    return IncidentEvent(
        incident_id=incident_id,
        revision=revision,
        action=action,
        page=action is Action.OPENED if page is None else page,
        status=IncidentStatus.RESOLVED if over else IncidentStatus.TRIGGERED,
        severity=Severity.CRITICAL,
        title=f"{root}: {alert}",
        summary="",
        scope="default",
        root_cause=RootCause(service=root, entity=None, alert=alert, silent=alert is None, confidence=1, candidates=[]),
        owner=Owner(team=team) if team else None,
        services=[root],
        blast_radius=[],
        alerts=AlertCounts(firing=0, total=1, events=events, sample=[]),
        changes=[],
        merged_into="incident-0" if action is Action.MERGED else None,
        started_at=rfc3339(opened - 30_000),
        opened_at=rfc3339(opened),
        resolved_at=rfc3339(at) if over else None,
        published_at=rfc3339(at),
        versions=Versions(topology="t", model="m", config="c"),
    )


def fate(
    disposition: Disposition = Disposition.ATTACHED,
    reason: str = "explained",
    *,
    incident_id: str | None = None,
    name: str = "DbDown",
    service: str = "db",
    at: int = MONDAY,
    firing: bool = True,
    fingerprint: str = "f",
) -> Fate:
    return Fate(
        fingerprint=fingerprint,
        disposition=disposition,
        reason=reason,
        incident_id=incident_id,
        firing=firing,
        name=name,
        service=service,
        at=at,
    )


def said(action: str, at: int = MONDAY + MINUTE, incident_id: str = "incident-1", **more: object) -> Feedback:
    told = {"incident_id": incident_id, "action": action, "at": rfc3339(at), "source": "http", "id": f"{action}@{at}"}
    return msgspec.convert({**told, **more}, Feedback)


def _hour_class(team: str, at: int) -> HourClass:
    hour = at // HOUR % 24
    return "business" if 8 <= hour < 18 else "off" if 18 <= hour < 22 else "sleep"


#: Every day a working day, everybody in UTC.
UTC_HOURS = Hours(zone=lambda team: ZoneInfo("UTC"), hour_class=_hour_class)
