"""The groupings that need no more than a clock: none at all, fixed windows, sessions."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.quality.baselines.groups import Group, Grouper, Member
from benchmarks.quality.baselines.linkage import chain
from benchmarks.quality.stream import Spell
from topology.graph import ServiceGraph


def no_grouping(spells: Sequence[Spell], graph: ServiceGraph) -> list[Group]:
    """Tell of every alert by itself, at once."""
    return [Group(members=[Member(spell=spell.number, joined_at=spell.at)], told_at=spell.at) for spell in spells]


def fixed_window(seconds: float) -> Grouper:
    """Cut time into windows of equal length and tell of each, as a whole, when it ends."""
    length = round(seconds * 1000)

    def group(spells: Sequence[Spell], graph: ServiceGraph) -> list[Group]:
        windows: dict[tuple[str, int], Group] = {}
        for spell in spells:
            number = spell.at // length
            window = windows.setdefault((spell.alert.scope, number), Group(members=[], told_at=(number + 1) * length))
            window.members.append(Member(spell=spell.number, joined_at=spell.at))
        return list(windows.values())

    return group


def session_window(seconds: float) -> Grouper:
    """Put together all alerts of a scope until none came for so long."""
    gap = round(seconds * 1000)

    def group(spells: Sequence[Spell], graph: ServiceGraph) -> list[Group]:
        newest: dict[str, Spell] = {}

        def links(spell: Spell) -> list[int]:
            last = newest.get(spell.alert.scope)
            newest[spell.alert.scope] = spell
            return [last.number] if last is not None and spell.at - last.at <= gap else []

        return chain(spells, links)

    return group
