"""Incident events for the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from correlator.domain import (
    Action,
    AlertCounts,
    AlertSample,
    Candidate,
    Evidence,
    IncidentEvent,
    IncidentStatus,
    Link,
    Owner,
    RootCause,
    Severity,
    Status,
    Versions,
)


def incident(
    incident_id: str = "inc-00000001",
    revision: int = 1,
    action: Action = Action.OPENED,
    *,
    page: bool = False,
    status: IncidentStatus | None = None,
    severity: Severity = Severity.CRITICAL,
    title: str = "payments-db: PostgresDown (root cause of 14 alerts on 6 services)",
    summary: str = "",
    team: str | None = "payments",
    route: str | None = None,
    sample: int = 3,
    why: str = "upstream of 4 alerting services",
    candidates: int = 2,
    changes: Sequence[dict[str, str]] = (),
    links: Mapping[str, str] | None = None,
) -> IncidentEvent:
    """Return a plausible event; the status follows from the action."""
    if status is None:
        status = {
            Action.RESOLVED: IncidentStatus.RESOLVED,
            Action.MERGED: IncidentStatus.RESOLVED,
            Action.ACKNOWLEDGED: IncidentStatus.ACKNOWLEDGED,
        }.get(action, IncidentStatus.TRIGGERED)
    services = ["payments-db", "payments", "checkout"]
    evidence = [Evidence(kind="path", text=why)]
    rivals = [Candidate(service=f"rival-{number}", probability=0.05) for number in range(1, candidates)]
    alert = "PostgresDown"
    return IncidentEvent(
        incident_id=incident_id,
        revision=revision,
        action=action,
        page=page,
        status=status,
        severity=severity,
        title=title,
        summary=summary,
        scope="prod",
        root_cause=RootCause(
            service="payments-db",
            entity=None,
            alert=alert,
            silent=False,
            confidence=0.91,
            candidates=[Candidate(service="payments-db", probability=0.91, evidence=evidence), *rivals],
        ),
        owner=None if team is None else Owner(team=team, route=route),
        services=services,
        blast_radius=["payments", "checkout", "web"],
        alerts=AlertCounts(
            firing=14,
            total=14,
            events=260,
            sample=[
                AlertSample(
                    fingerprint=f"{number:016x}",
                    name=alert,
                    service="payments-db",
                    entity=None,
                    severity=severity,
                    status=Status.FIRING,
                    starts_at="2026-01-31T08:00:00.000Z",
                    why=why,
                )
                for number in range(sample)
            ],
        ),
        changes=list(changes),
        links=[Link(kind=kind, url=url, alert=alert) for kind, url in (links or {}).items()],
        merged_into="inc-00000002" if action is Action.MERGED else None,
        started_at="2026-01-31T08:00:00.000Z",
        opened_at="2026-01-31T08:00:20.000Z",
        resolved_at="2026-01-31T08:10:00.000Z" if status is IncidentStatus.RESOLVED else None,
        published_at="2026-01-31T08:00:20.000Z",
        versions=Versions(topology="t", model="m", config="c"),
    )


def paged(incident_id: str = "inc-00000001", revision: int = 1) -> IncidentEvent:
    return incident(incident_id, revision, Action.OPENED, page=True)


def updated(incident_id: str = "inc-00000001", revision: int = 2, *, page: bool = False) -> IncidentEvent:
    return incident(incident_id, revision, Action.UPDATED, page=page)


def acknowledged(incident_id: str = "inc-00000001", revision: int = 2) -> IncidentEvent:
    return incident(incident_id, revision, Action.ACKNOWLEDGED)


def resolved(incident_id: str = "inc-00000001", revision: int = 3) -> IncidentEvent:
    return incident(incident_id, revision, Action.RESOLVED)
