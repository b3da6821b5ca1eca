"""Groups: what a grouping method makes of the spells of a stream, and the incidents they become.

A method says which spells are together, since when, and when it would tell somebody. The rest is the same for all:
the noise gate, the root ranker, and the small form that the scorer reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from benchmarks.quality.baselines.rankers import Ranker, Sighting
from benchmarks.quality.stream import Spell
from correlator.scoring.inputs import AlertLine, Assignment, IncidentStep
from topology.graph import ServiceGraph

#: Time between the first alert of a group and its page, for all methods that have no rule of their own: Alertmanager's
#: `group_wait`, so that every method may gather before it speaks.
HOLD_MS = 30_000
#: The gate lets one service page only when its trouble lasts longer.
LASTING_MS = 300_000


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A spell in a group, and since when."""

    spell: int
    joined_at: int


class Group(msgspec.Struct, kw_only=True):
    """Spells that are together; `told_at` is when the method tells of them, None if never."""

    members: list[Member]
    told_at: int | None
    merged_into: int | None = None
    merged_at: int | None = None


Grouper = Callable[[Sequence[Spell], ServiceGraph], list[Group]]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a method made of a stream, in the form that the scorer reads."""

    assignments: list[Assignment]
    steps: list[IncidentStep]


def publish(
    groups: Sequence[Group],
    spells: Sequence[Spell],
    alerts: Iterable[AlertLine],
    graph: ServiceGraph,
    *,
    lines: int,
    ranker: Ranker,
    gate: bool,
) -> Outcome:
    """Turn groups into incident events and assignments of the `lines` of the input."""
    home: dict[int, int] = {}
    steps: list[IncidentStep] = []
    for number, group in enumerate(groups):
        steps += _steps(number, group, spells, graph, ranker, gate)
        # A merged group's members are members of its heir too, and stay there.
        home |= {member.spell: number for member in group.members if group.merged_into is None}
    assigned: list[str | None] = [None] * lines
    ids = [""] * lines
    for alert in alerts:
        ids[alert.position] = alert.event_id or ""
    for spell in spells:
        for firing in spell.episode.firings:
            assigned[firing.position] = _id(home[spell.number]) if spell.number in home else None
    return Outcome(
        assignments=[
            Assignment(event_id=event_id, incident_id=incident)
            for event_id, incident in zip(ids, assigned, strict=True)
        ],
        steps=steps,
    )


def page_time(group: Group, spells: Sequence[Spell], *, gate: bool) -> int | None:
    """Return when a group pages, None if never; one that was merged before that does not."""
    moments = [group.told_at] if group.told_at is not None else []
    if gate and moments:
        passed = [moment for moment in (_second_service(group, spells), _outlasts(group, spells)) if moment is not None]
        moments = [max(moments[0], min(passed))] if passed else []
    if not moments or (group.merged_at is not None and group.merged_at <= moments[0]):
        return None
    return moments[0]


def _second_service(group: Group, spells: Sequence[Spell]) -> int | None:
    first = spells[group.members[0].spell].service
    return min((item.joined_at for item in group.members if spells[item.spell].service != first), default=None)


def _outlasts(group: Group, spells: Sequence[Spell]) -> int | None:
    """Return when the group has lasted too long for a blip: something of it still fires then."""
    moment = min(spells[item.spell].at for item in group.members) + LASTING_MS
    lasting = any(item.joined_at <= moment < spells[item.spell].ended_at for item in group.members)
    return moment + 1 if lasting else None


def _steps(
    number: int, group: Group, spells: Sequence[Spell], graph: ServiceGraph, ranker: Ranker, gate: bool
) -> list[IncidentStep]:
    def step(revision: int, at: int, page: bool, merged_into: int | None = None) -> IncidentStep:
        known = sorted(item.spell for item in group.members if item.joined_at <= at)
        sightings = [Sighting(service=spells[item].service, at=spells[item].at) for item in known]
        return IncidentStep(
            incident_id=_id(number),
            revision=revision,
            at=at,
            page=page,
            candidates=ranker(sightings, graph)[:10],
            merged_into=None if merged_into is None else _id(merged_into),
        )

    paged_at = page_time(group, spells, gate=gate)
    opened_at = group.members[0].joined_at if paged_at is None else paged_at
    first = step(1, opened_at, paged_at is not None)
    if group.merged_into is not None and group.merged_at is not None:
        return [first, step(2, max(group.merged_at, opened_at), False, group.merged_into)]
    ended_at = max(max(spells[item.spell].ended_at, item.joined_at) for item in group.members)
    return [first, step(2, max(ended_at, opened_at), False)]


def _id(number: int) -> str:
    return f"group-{number:06d}"
