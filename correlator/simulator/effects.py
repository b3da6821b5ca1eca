"""What a rule sees of a fault: the level of one aspect at one vertex, over time."""

from __future__ import annotations

import msgspec

from correlator.simulator.aspects import Aspect as A
from correlator.simulator.draws import Streams, uniform
from correlator.simulator.faults import Fault
from correlator.simulator.monitoring import Rule
from correlator.simulator.natures import Nature
from correlator.simulator.spread import Reach, Spread
from correlator.simulator.system import Bond, System

#: Some services answer slowness with errors or swallow them: each has its own share of what arrives.
_FRAILTY = (0.7, 1.0)


class Wave(msgspec.Struct, frozen=True, kw_only=True):
    """A fault's level at one rule: nothing, a linear rise to `peak`, a plateau until `end_at`, a linear fall."""

    fault: int
    peak: float
    start_at: int
    rise_ms: int
    end_at: int
    fall_ms: int

    def level(self, instant: int) -> float:
        if instant <= self.start_at or instant >= self.end_at + self.fall_ms:
            return 0.0
        if instant < self.start_at + self.rise_ms:
            return self.peak * (instant - self.start_at) / self.rise_ms
        if instant > self.end_at:
            return self.peak * (1 - (instant - self.end_at) / self.fall_ms)
        return self.peak

    def above(self, threshold: float, release: float) -> tuple[int, int] | None:
        """Return from when the level is at `threshold` until when it is below `release`; None if it stays below."""
        if self.peak < threshold or self.peak <= 0:
            return None
        up = self.start_at + round(self.rise_ms * threshold / self.peak)
        return up, self.end_at + round(self.fall_ms * (1 - release / self.peak))


class Effects:
    """The waves that faults raise at rules."""

    def __init__(self, system: System, streams: Streams) -> None:
        self._system = system
        self._frailty = {
            vertex.name: (uniform(stream, _FRAILTY), uniform(stream, _FRAILTY))
            for vertex in system.vertices
            for stream in [streams.of("frailty", vertex.name)]
        }

    def wave(self, rule: Rule, number: int, fault: Fault, spread: Spread) -> Wave | None:
        """Return what fault `number` raises at the rule, the stronger of its ways; None if nothing."""
        ways = [self._by_call(rule, fault, spread)] if rule.callee else self._by_state(rule, fault, spread)
        peak, delay_ms = max(ways, key=lambda way: (way[0], -way[1]), default=(0.0, 0))
        if peak <= 0:
            return None
        return Wave(
            fault=number,
            peak=min(1.0, peak),
            start_at=fault.start_at + delay_ms,
            rise_ms=fault.rise_ms,
            end_at=fault.end_at + delay_ms,
            fall_ms=fault.fall_ms,
        )

    def _by_state(self, rule: Rule, fault: Fault, spread: Spread) -> list[tuple[float, int]]:
        ways = []
        if troubled := spread.troubled.get(rule.vertex):
            share = self._shares(rule.vertex, fault.nature, troubled).get(rule.aspect, 0.0)
            ways.append((troubled.level * share, troubled.delay_ms))
        if rule.aspect is A.TRAFFIC and (starved := spread.starved.get(rule.vertex)):
            ways.append((starved.level, starved.delay_ms))
        return ways

    def _by_call(self, rule: Rule, fault: Fault, spread: Spread) -> tuple[float, int]:
        """Return what the caller measures on its calls: what the callee's trouble becomes on this link."""
        callee = spread.troubled.get(rule.callee or "")
        for position in self._system.dependencies(rule.vertex) if callee else ():
            link = self._system.links[position]
            if callee and link.tie.dependency == rule.callee and spread.hit[position]:
                share = fault.nature.latency if rule.aspect is A.CALL_LATENCY else fault.nature.errors
                return callee.level * link.weight * share, callee.delay_ms + link.delay_ms
        return 0.0, 0

    def _shares(self, vertex: str, nature: Nature, reach: Reach) -> dict[A, float]:
        """Return how much of the level at a vertex shows in each aspect, by the way it came."""
        if reach.via is None:
            return nature.own
        if reach.downwards:
            return {A.CPU: 1.0, A.POOL: 0.8, A.LATENCY: 0.8, A.TAIL: 0.9, A.ERRORS: 0.4}
        bond = self._system.links[reach.via].tie.bond
        if bond is Bond.RUNS_ON:
            return nature.hosted or nature.own
        slow, failing = self._frailty[vertex]
        latency, errors = nature.latency * slow, nature.errors * failing
        if bond is Bond.CONSUMES:
            return {A.LAG: 1.0, A.TRAFFIC: 0.6 * errors, A.LATENCY: 0.3 * latency}
        return {
            A.LATENCY: latency,
            A.TAIL: min(1.0, 1.15 * latency),
            A.ERRORS: errors,
            A.BUDGET: 0.9 * max(latency, errors),
            A.POOL: 0.6 * latency,
            A.PROBE: 0.4 * errors,
            A.LAG: 0.5 * latency,
        }
