"""What becomes of a firing on its way: senders, twins, clocks, repeats, leases, losses and delays."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from numpy.random import Generator

from correlator.simulator.aspects import Aspect
from correlator.simulator.draws import Streams, chance, exponential, pick, uniform
from correlator.simulator.firing import Firing
from correlator.simulator.parameters import Delivery
from correlator.simulator.system import System

_LEASING = ("prometheus",)
_REPORTING = ("grafana", "zabbix", "cloudwatch")

#: A twin evaluates on its own, so it is some seconds behind.
_TWIN_LAG_SECONDS = (0.0, 10.0)


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """One process that sends alerts: `skew_ms` ahead by its clock, `lag_ms` behind its twin."""

    source: str
    replica: str | None
    leased: bool
    skew_ms: int
    lag_ms: int


class Dispatch(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One event, on arrival: which firing, from which sender, firing or resolved; `sent_at` in true time."""

    observed_at: int
    firing: int
    sender: int
    sent_at: int
    resolved: bool


class Office:
    """All senders of a system; each owner's monitoring is one source with one or two of them."""

    def __init__(self, system: System, delivery: Delivery, streams: Streams) -> None:
        self._delivery = delivery
        self._streams = streams
        self.senders: list[Sender] = []
        self._by_owner: dict[str, list[int]] = {}
        owner_of = {vertex.name: vertex.owner or "external" for vertex in system.vertices}
        self._owner_of = owner_of
        for owner in sorted(set(owner_of.values())):
            self._by_owner[owner] = self._hire(list(_senders(owner, delivery, streams.of("sender", owner))))
        self._announcer = self._hire([Sender(source="ci", replica=None, leased=False, skew_ms=0, lag_ms=0)])

    def dispatches(self, number: int, firing: Firing) -> Iterator[Dispatch]:
        """Yield the events that tell of a firing, as they arrive, in no order."""
        places = self._by_owner[self._owner_of[firing.rule.vertex]]
        if firing.rule.aspect is Aspect.CHANGE:
            places = self._announcer
        stream = self._streams.of("dispatch", firing.rule.key, firing.pod or "", str(firing.start_at))
        lost = chance(stream, self._delivery.lost_resolve_share)
        for place in places:
            sender = self.senders[place]
            for sent_at, resolved in self._sendings(firing, sender, lost):
                yield Dispatch(
                    observed_at=sent_at + self._transit_ms(stream),
                    firing=number,
                    sender=place,
                    sent_at=sent_at,
                    resolved=resolved,
                )

    def _hire(self, senders: list[Sender]) -> list[int]:
        self.senders += senders
        return list(range(len(self.senders) - len(senders), len(self.senders)))

    def _sendings(self, firing: Firing, sender: Sender, lost: bool) -> Iterator[tuple[int, bool]]:
        """Yield when something is sent: leases are renewed and resolves repeated once; other senders speak once."""
        start_at, end_at = firing.start_at + sender.lag_ms, firing.end_at + sender.lag_ms
        period = 1000 * self._delivery.repeat_seconds if sender.leased else end_at - start_at
        for sent_at in range(start_at, end_at, period):
            yield sent_at, False
        if not lost:
            yield end_at, True
            if sender.leased:
                yield end_at + period, True

    def _transit_ms(self, stream: Generator) -> int:
        seconds = exponential(stream, self._delivery.transit_mean_seconds)
        if chance(stream, self._delivery.late_share):
            seconds += uniform(stream, self._delivery.late_seconds_range)
        return round(1000 * seconds)


def _senders(owner: str, delivery: Delivery, stream: Generator) -> Iterator[Sender]:
    leased = chance(stream, delivery.leased_share)
    source = pick(stream, _LEASING if leased else _REPORTING)
    twins = chance(stream, delivery.twin_share)
    for replica in ("a", "b") if twins else (None,):
        skew = delivery.skew_seconds * stream.standard_normal()
        if chance(stream, delivery.skewed_source_share):
            skew = pick(stream, (-1, 1)) * delivery.skewed_source_seconds
        lag = uniform(stream, _TWIN_LAG_SECONDS) if replica == "b" else 0.0
        yield Sender(
            source=source, replica=replica, leased=leased, skew_ms=round(1000 * skew), lag_ms=round(1000 * lag)
        )
