"""Alertmanager's grouping: alerts with equal labels of choice share a notification.

The rules that matter here, from its dispatcher: a group waits `group_wait` after its first alert, then is flushed every
`group_interval`; a flush with nothing firing that was never notified of tells nobody, so what is resolved within
`group_wait` never notifies; an alert whose start lies `group_wait` back is flushed at once; a group all of whose alerts
are resolved ends with the flush that says so. A group pages once in its life: a pager takes later notifications of a
group that is open as updates of one incident, which is the kindest reading.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import msgspec

from benchmarks.quality.baselines.groups import Group, Grouper, Member
from benchmarks.quality.stream import Spell
from topology.graph import ServiceGraph

GROUP_WAIT_MS = 30_000
GROUP_INTERVAL_MS = 300_000

Key = Callable[[Spell], Hashable]


class _Life(msgspec.Struct, kw_only=True):
    """A group between its first alert and the flush at which all is resolved; `ended_at` is when its last alert is."""

    group: Group
    first_flush: int
    ended_at: int = 0


def alertmanager(key: Key) -> Grouper:
    """Group as `group_by` with the labels that `key` returns."""

    def group(spells: Sequence[Spell], graph: ServiceGraph) -> list[Group]:
        alive: dict[Hashable, _Life] = {}
        lives: list[_Life] = []
        for spell in spells:
            life = alive.get(key(spell))
            if life is None or _over(life, spell.at):
                life = alive[key(spell)] = _Life(
                    group=Group(members=[], told_at=None), first_flush=spell.at + GROUP_WAIT_MS
                )
                lives.append(life)
            if spell.at < life.first_flush and spell.alert.starts_at + GROUP_WAIT_MS < spell.at:
                life.first_flush = spell.at
            life.ended_at = max(life.ended_at, spell.ended_at)
            life.group.members.append(Member(spell=spell.number, joined_at=spell.at))
        for life in lives:
            life.group.told_at = _first_notification(life, spells)
        return [life.group for life in lives]

    return group


def _flush_at_or_after(life: _Life, moment: int) -> int:
    """Return the first flush that sees what happened at `moment`."""
    behind = max(0, moment - life.first_flush)
    return life.first_flush + -(-behind // GROUP_INTERVAL_MS) * GROUP_INTERVAL_MS


def _over(life: _Life, now: int) -> bool:
    """Tell whether a flush before `now` found everything resolved, which ends the group."""
    return _flush_at_or_after(life, life.ended_at) < now


def _first_notification(life: _Life, spells: Sequence[Spell]) -> int | None:
    """Return the first flush at which an alert of the group fires."""
    flushes = [
        flush
        for item in life.group.members
        if (flush := _flush_at_or_after(life, item.joined_at)) < spells[item.spell].ended_at
    ]
    return min(flushes, default=None)


def by_name_cluster_service(spell: Spell) -> Hashable:
    """`group_by: [alertname, cluster, service]`."""
    return spell.alert.name, _cluster(spell), spell.service


def by_name(spell: Spell) -> Hashable:
    """`group_by: [alertname]`."""
    return spell.alert.name


def by_service(spell: Spell) -> Hashable:
    """`group_by: [service]`."""
    return spell.service


def _cluster(spell: Spell) -> str:
    return spell.alert.labels.get("cluster", spell.alert.scope)
