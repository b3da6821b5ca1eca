"""Histories: what became of each incident, with merges followed.

An incident that was merged lives on in the one that took it; the pages it sent count there, since a human was woken.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from operator import attrgetter

import msgspec

from correlator.scoring.inputs import IncidentStep


class History(msgspec.Struct, frozen=True, kw_only=True):
    """One surviving incident: its own events by revision, and the pages of all that ended in it by time."""

    incident_id: str
    steps: tuple[IncidentStep, ...]
    pages: tuple[IncidentStep, ...]

    @property
    def opened_at(self) -> int:
        return self.steps[0].at

    @property
    def end(self) -> IncidentStep:
        """The last word on the incident."""
        return self.steps[-1]


class Histories(msgspec.Struct, frozen=True, kw_only=True):
    """All incidents of a replay; `survivors` maps every published id to the id it ended in."""

    by_id: dict[str, History]
    survivors: dict[str, str]
    opened: dict[str, int]

    def survivor(self, incident_id: str | None) -> str | None:
        """Return where the alerts of an incident are in the end; an id that was never published stands for itself."""
        return None if incident_id is None else self.survivors.get(incident_id, incident_id)


def histories(steps: Iterable[IncidentStep]) -> Histories:
    """Sort incident events into histories; the order of events of different incidents does not matter."""
    own: defaultdict[str, list[IncidentStep]] = defaultdict(list)
    for step in steps:
        own[step.incident_id].append(step)
    for incident_steps in own.values():
        incident_steps.sort(key=attrgetter("revision"))
    merged = {name: target for name, steps in own.items() if (target := steps[-1].merged_into) is not None}
    survivors = {name: _follow(name, merged, own) for name in own}
    pages: defaultdict[str, list[IncidentStep]] = defaultdict(list)
    for name, incident_steps in own.items():
        pages[survivors[name]].extend(step for step in incident_steps if step.page)
    by_id = {
        name: History(
            incident_id=name,
            steps=tuple(own[name]),
            pages=tuple(sorted(pages[name], key=attrgetter("at", "incident_id", "revision"))),
        )
        for name in sorted(set(survivors.values()))
    }
    opened = {name: incident_steps[0].at for name, incident_steps in own.items()}
    return Histories(by_id=by_id, survivors=survivors, opened=opened)


def _follow(name: str, merged: Mapping[str, str], published: Mapping[str, object]) -> str:
    # A target that was never published has no history to follow; a circle ends.
    seen = {name}
    while (target := merged.get(name)) is not None and target not in seen and target in published:
        seen.add(target)
        name = target
    return name
