"""Clocks of senders: a source whose clock is wrong starts its alerts at the wrong time, and so names the wrong root.

Delays are honest and differ: a rule waits, a group waits, a queue waits. But they only ever lengthen the way from what
an event says to its arrival, and some messages are quick. So the quickest tenth of a source's messages shows its clock,
and what it shows is believed where it is more than clocks differ and more than the source's own delays spread. Arrival
is the one clock that all sources share; a median over a handful of sources is wrong where half of them are.

What starts in the future was put at its arrival when it was read (`formats/naming.py`), so of what comes through the
formats only slow clocks show here; a fast one costs no more than the delays of its source.

A queue that holds every message for the same time, ends of alerts too, looks like a slow clock and is taken for one.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from correlator.domain import AlertEvent
from correlator.engine.clocks import TOLERANCE_MS
from correlator.engine.state import Node, Scope, SenderClock

_KEPT = 256  # lags of a source
_FEWEST = 32  # from which anything is concluded
_EVERY = 16  # as many new ones
_MAX_SOURCES = 1_000  # of a scope; the oldest go first
#: What is further off is no clock: a sender that repeats what is days old, or an instant of another epoch.
_MOST_MS = 86_400_000
#: From here on the incident says so.
_FAR_MS = 120_000


def note(scope: Scope, source: str, told_at: int, now: int) -> None:
    """Learn from a first firing or an end that `source` dates `told_at` and that arrived `now`."""
    if not source:
        return
    clock = scope.clocks.get(source)
    if clock is None:
        if len(scope.clocks) >= _MAX_SOURCES:
            del scope.clocks[next(iter(scope.clocks))]
        clock = scope.clocks[source] = SenderClock()
    clock.lags.append(now - told_at)
    clock.fresh += 1
    if len(clock.lags) > _KEPT:
        del clock.lags[0]
    if clock.fresh >= _EVERY and len(clock.lags) >= _FEWEST:
        clock.fresh = 0
        clock.ahead_ms = _ahead(sorted(clock.lags))


def _ahead(lags: list[int]) -> int:
    """Return how far a clock is ahead, in ms, negative where it is behind; 0 where delays explain it."""
    quick, typical = lags[len(lags) // 10], lags[len(lags) // 2]
    if abs(quick) <= TOLERANCE_MS or typical - quick >= abs(quick):
        return 0
    return max(-_MOST_MS, min(_MOST_MS, -quick))


def righted(scope: Scope, event: AlertEvent) -> AlertEvent:
    """Return the event as it would be by a right clock; nothing starts after it arrived."""
    clock = scope.clocks.get(event.source)
    if clock is None or not clock.ahead_ms:
        return event
    starts_at = min(event.starts_at - clock.ahead_ms, max(event.starts_at, event.observed_at))
    return msgspec.structs.replace(event, starts_at=starts_at)


def flag(scope: Scope, node: Node, source: str) -> None:
    """Note in a node that the clock of one of its sources is far off."""
    clock = scope.clocks.get(source)
    if clock is not None and abs(clock.ahead_ms) > _FAR_MS:
        node.skewed_source = source


def told(scope: Scope, members: Iterable[Node]) -> str:
    """Say whose clocks are far off among the sources of some nodes."""
    said = []
    for source in sorted({node.skewed_source for node in members} - {""}):
        clock = scope.clocks.get(source)
        if clock is not None and clock.ahead_ms:
            far = f"{abs(clock.ahead_ms) / 60_000:.0f} min {'ahead' if clock.ahead_ms > 0 else 'behind'}"
            said.append(f" The clock of {source} is {far}; its starts are corrected.")
    return "".join(said[:3])
