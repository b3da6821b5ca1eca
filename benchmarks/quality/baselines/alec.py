"""OpenNMS ALEC's published rule: density clustering of alarms in space and time.

From its `AlarmInSpaceTimeDistanceMeasure` and `DBScanEngine`: two alarms are at a distance
`144.47117699 x (0.55257784 x minutes apart + 0.44742216 x hops)`, linked up to 100; clusters are chains of links
(DBSCAN with one neighbour) of two alarms or more. Time is an alarm's last problem event; hops are undirected. So one
vertex links up to 75.16 s, one hop up to 26.58 s, two hops never. It looks every 30 s at the problems of the last
2 hours and at what cleared in the last 5 minutes. Situations are never merged or split: a new alarm of a cluster that
touches several goes to that of its nearest neighbour.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from benchmarks.quality.baselines.connected import neighbourhood
from benchmarks.quality.baselines.groups import Group, Member
from benchmarks.quality.stream import Spell
from topology.graph import ServiceGraph

ALPHA = 144.47117699
BETA = 0.55257784
EPSILON = 100.0
TICK_MS = 30_000
PROBLEM_MS = 7_200_000
CLEARED_MS = 300_000

#: No pair farther apart than this is linked: one hop.
REACH_HOPS = int(EPSILON / ALPHA / (1 - BETA))


def distance(apart_ms: int, hops: int) -> float:
    """Return ALEC's distance of two alarms."""
    return ALPHA * (BETA * abs(apart_ms) / 60_000 + (1 - BETA) * hops)


class _Alarm(msgspec.Struct, kw_only=True):
    """One alarm (an alert's identity) while ALEC knows it: its last event and the spells it went through."""

    key: int
    place: tuple[str, str]
    spells: list[int]
    last_at: int
    cleared_at: int | None = None
    situation: int | None = None


def alec(spells: Sequence[Spell], graph: ServiceGraph) -> list[Group]:
    """Group the spells of a stream as ALEC would."""
    engine = _Engine(graph)
    tick = 0
    for at, spell, firing in _events(spells):
        # Nothing changes at a tick without an event since the last.
        if at > tick:
            engine.look(tick)
            tick = -(-at // TICK_MS) * TICK_MS
        engine.take(spell, at, firing=firing)
    engine.look(tick)
    return engine.groups


def _events(spells: Sequence[Spell]) -> list[tuple[int, Spell, bool]]:
    events = [(firing.arrived_at, spell, True) for spell in spells for firing in spell.episode.firings]
    events += [(spell.ended_at, spell, False) for spell in spells]
    return sorted(events, key=lambda event: (event[0], event[2], event[1].number))


class _Engine:
    def __init__(self, graph: ServiceGraph) -> None:
        self.groups: list[Group] = []
        self._graph = graph
        self._alarms: dict[str, _Alarm] = {}
        self._at: defaultdict[tuple[str, str], dict[int, _Alarm]] = defaultdict(dict)
        self._near: dict[str, list[tuple[str, int]]] = {}
        self._changed: dict[int, _Alarm] = {}
        self._count = 0

    def take(self, spell: Spell, at: int, *, firing: bool) -> None:
        identity = spell.alert.identity
        alarm = self._alarms.get(identity)
        if alarm is None or _forgotten(alarm, at):
            if not firing:
                return
            if alarm is not None:
                self._at[alarm.place].pop(alarm.key, None)
            place = (spell.alert.scope, spell.service)
            alarm = _Alarm(key=self._count, place=place, spells=[], last_at=at)
            self._count += 1
            self._alarms[identity] = self._at[place][alarm.key] = alarm
        if firing and spell.number not in alarm.spells[-1:]:
            alarm.spells.append(spell.number)
            if alarm.situation is not None:
                self.groups[alarm.situation].members.append(Member(spell=spell.number, joined_at=at))
        if firing:
            alarm.last_at = at
        alarm.cleared_at = None if firing else at
        self._changed[alarm.key] = alarm

    def look(self, now: int) -> None:
        """Cluster around what changed since the last look; clusters elsewhere are what they were."""
        waiting = _Waiting(self._at, now)
        for alarm in self._changed.values():
            cluster = self._cluster(alarm, waiting)
            if len(cluster) >= 2:
                self._map(cluster, now)
        self._changed.clear()

    def _cluster(self, start: _Alarm, waiting: _Waiting) -> list[_Alarm]:
        found = waiting.take(start.place, start.last_at, 0)
        for alarm in found:
            scope, service = alarm.place
            for name, hops in self._around(service):
                found += waiting.take((scope, name), alarm.last_at, reach_ms(hops))
        return found

    def _map(self, cluster: Sequence[_Alarm], now: int) -> None:
        fresh = sorted((alarm for alarm in cluster if alarm.situation is None), key=lambda alarm: alarm.key)
        placed: defaultdict[tuple[str, str], list[_Alarm]] = defaultdict(list)
        for alarm in sorted(cluster, key=_by_time):
            if alarm.situation is not None:
                placed[alarm.place].append(alarm)
        if fresh and not placed:
            self.groups.append(Group(members=[], told_at=now))
        for alarm in fresh:
            situation = self._nearest(alarm, placed) if placed else len(self.groups) - 1
            alarm.situation = situation
            self.groups[situation].members += [Member(spell=number, joined_at=now) for number in alarm.spells]

    def _nearest(self, alarm: _Alarm, placed: Mapping[tuple[str, str], list[_Alarm]]) -> int:
        """Return the situation of the nearest alarm that has one; if all are beyond reach, of any, the first."""
        scope, service = alarm.place
        near: list[tuple[float, int, int]] = []
        for name, hops in self._around(service):
            residents = placed.get((scope, name), [])
            middle = bisect_left(residents, alarm.last_at, key=_time)
            for other in residents[max(middle - 1, 0) : middle + 1]:
                near.append((distance(alarm.last_at - other.last_at, hops), other.key, other.situation or 0))
        if not near:
            near = [(0.0, other.key, other.situation or 0) for residents in placed.values() for other in residents]
        return min(near)[2]

    def _around(self, service: str) -> list[tuple[str, int]]:
        if service not in self._near:
            adjacent = sorted(neighbourhood(self._graph, service, REACH_HOPS) - {service})
            self._near[service] = [(service, 0), *((name, 1) for name in adjacent)]
        return self._near[service]


class _Waiting:
    """The alarms of one look that are in no cluster yet, by place and time."""

    def __init__(self, at: Mapping[tuple[str, str], dict[int, _Alarm]], now: int) -> None:
        self._at = at
        self._now = now
        self._sorted: dict[tuple[str, str], list[_Alarm]] = {}

    def take(self, place: tuple[str, str], around: int, reach: float) -> list[_Alarm]:
        """Take out the alarms of a place within reach of an instant."""
        if place not in self._sorted:
            residents = self._at.get(place, {})
            for key in [key for key, alarm in residents.items() if _forgotten(alarm, self._now)]:
                del residents[key]
            self._sorted[place] = sorted(residents.values(), key=_by_time)
        alarms = self._sorted[place]
        span = slice(bisect_left(alarms, around - reach, key=_time), bisect_right(alarms, around + reach, key=_time))
        taken = alarms[span]
        del alarms[span]
        return taken


def reach_ms(hops: int) -> float:
    """Return how far apart in time two alarms so many hops apart may be to be linked."""
    return (EPSILON / ALPHA - (1 - BETA) * hops) / BETA * 60_000


def _forgotten(alarm: _Alarm, now: int) -> bool:
    if alarm.cleared_at is not None:
        return now - alarm.cleared_at > CLEARED_MS
    return now - alarm.last_at > PROBLEM_MS


def _time(alarm: _Alarm) -> int:
    return alarm.last_at


def _by_time(alarm: _Alarm) -> tuple[int, int]:
    return alarm.last_at, alarm.key
