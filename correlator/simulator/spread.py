"""How far a fault reaches: degradation is that of the strongest path, the product of its hidden weights.

Trouble climbs from a dependency to its dependents. Where a link carries load, trouble of the caller also goes down: a
callee stormed by retries is in trouble itself and passes it on; a starved one only sees its traffic fall.
"""

from __future__ import annotations

import heapq
from enum import StrEnum

import msgspec
from numpy.random import Generator

from correlator.simulator.faults import Fault
from correlator.simulator.system import Load, System

#: Degradation below this moves no rule and is not followed.
FAINTEST = 0.05


class State(StrEnum):
    TROUBLED = "troubled"
    STARVED = "starved"


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """How a fault shows at one vertex: the level, after `delay_ms`, by the link `via` (None at the root)."""

    level: float
    delay_ms: int
    via: int | None = None
    downwards: bool = False


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """All that one fault reaches; `hit` holds, by position, the links that carry it."""

    troubled: dict[str, Reach]
    starved: dict[str, Reach]
    hit: list[bool]


def spread(system: System, fault: Fault, stream: Generator) -> Spread:
    """Follow a fault along the strongest paths; of equally strong ones the faster counts."""
    hit = [bool(mark < fault.hit_probability) for mark in stream.random(len(system.links))]
    reached: dict[tuple[str, State], Reach] = {}
    rim: list[tuple[float, int, str, State, int, bool]] = [(-fault.severity, 0, fault.root, State.TROUBLED, -1, False)]
    while rim:
        negative, delay_ms, name, state, via, downwards = heapq.heappop(rim)
        if (name, state) in reached:
            continue
        level = -negative
        reached[name, state] = Reach(level=level, delay_ms=delay_ms, via=via if via >= 0 else None, downwards=downwards)
        for weight, delay, to, next_state, position, down in _steps(system, name, state):
            if hit[position] and level * weight >= FAINTEST:
                heapq.heappush(rim, (-(level * weight), delay_ms + delay, to, next_state, position, down))
    return Spread(
        troubled={name: reach for (name, state), reach in reached.items() if state is State.TROUBLED},
        starved={name: reach for (name, state), reach in reached.items() if state is State.STARVED},
        hit=hit,
    )


def _steps(system: System, name: str, state: State) -> list[tuple[float, int, str, State, int, bool]]:
    steps = []
    if state is State.TROUBLED:
        for position in system.dependents(name):
            link = system.links[position]
            steps.append((link.weight, link.delay_ms, link.tie.dependent, State.TROUBLED, position, False))
    for position in system.dependencies(name):
        link = system.links[position]
        if link.load is Load.STARVES:
            steps.append((link.load_weight, link.delay_ms, link.tie.dependency, State.STARVED, position, True))
        elif link.load is Load.STORMS and state is State.TROUBLED:
            steps.append((link.load_weight, link.delay_ms, link.tie.dependency, State.TROUBLED, position, True))
    return steps
