"""Small streams written out by hand: events, truths and incidents for the tests of the scorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from correlator.scoring import AlertLine, Assignment, Case, IncidentStep, Truth

SECOND = 1000


def fire(
    position: int, at: float, *, name: str = "A", service: str = "s", starts: float | None = None, lease: float = 0
) -> AlertLine:
    """Return the firing event `e<position>` of the alert `name` on `service`, in seconds."""
    return _event(position, at, name, service, firing=True, starts=starts, ends=lease or None)


def resolve(position: int, at: float, *, name: str = "A", service: str = "s", ends: float | None = None) -> AlertLine:
    return _event(position, at, name, service, firing=False, starts=None, ends=ends)


def _event(
    position: int, at: float, name: str, service: str, *, firing: bool, starts: float | None, ends: float | None
) -> AlertLine:
    return AlertLine(
        position=position,
        event_id=f"e{position}",
        firing=firing,
        identity=f"{name}@{service}",
        name=name,
        service=service,
        arrived_at=round(at * SECOND),
        starts_at=round((at if starts is None else starts) * SECOND),
        ends_at=None if ends is None else round(ends * SECOND),
    )


def truth(labels: Mapping[int, str], roots: Mapping[str, str], *, scored_from: float | None = None) -> Truth:
    """Return the truth that labels positions; the case `c@30` starts at 30 s, `c` at 0."""
    return Truth(
        cases=tuple(
            Case(name=name, start=int(name.partition("@")[2] or 0) * SECOND, roots=frozenset({root}))
            for name, root in roots.items()
        ),
        labels={f"e{position}": case for position, case in labels.items()},
        scored_from=None if scored_from is None else round(scored_from * SECOND),
    )


def assigned(*incidents: str | None) -> list[Assignment]:
    return [Assignment(event_id=f"e{number}", incident_id=name) for number, name in enumerate(incidents)]


def step(
    incident: str,
    revision: int,
    at: float,
    *,
    page: bool = False,
    candidates: Sequence[str] = ("s",),
    merged_into: str | None = None,
    confidence: float | None = None,
) -> IncidentStep:
    return IncidentStep(
        incident_id=incident,
        revision=revision,
        at=round(at * SECOND),
        page=page,
        candidates=tuple(candidates),
        merged_into=merged_into,
        confidence=confidence,
    )
