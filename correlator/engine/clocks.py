"""Two clocks: what a worker says the time is, and when the brokers say they wrote that down.

One wrong clock must neither hurry time ahead, where every lease runs out at once and the log never comes back from, nor
hold it still, where nothing is published. Both times stand in the log, so a replay decides the same.
"""

from __future__ import annotations

import msgspec

#: Clocks that are kept at all differ by less, and so do a tick and its writing. What one that is wrong can do is
#: bounded by it.
TOLERANCE_MS = 60_000


def is_ahead(at: int, written_at: int) -> bool:
    """Tell whether a worker's clock is further ahead of the brokers' than clocks are."""
    return at > written_at + TOLERANCE_MS


def is_behind(at: int, written_at: int) -> bool:
    """Tell whether a tick is older than clocks and sending explain."""
    return at < written_at - TOLERANCE_MS


def arrival(at: int, written_at: int) -> int:
    """Return when something arrived that a worker dates `at`: it was written down after that."""
    return min(at, written_at + TOLERANCE_MS)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The time that the last tick told, and when it was written."""

    at: int = 0
    written_at: int = 0


def ticked(at: int, written_at: int, last: Told, now: int) -> Told:
    """Return the time that a tick tells where it is `now`: alerts bring time along, too, and may be further than ticks.

    Where the clocks agree, it is the worker's. Where they do not, nobody knows which is wrong. Then time goes on from
    what the last tick told by what passed on the brokers' clock since that was written, or to the earlier of the two
    clocks, whichever is later: no jump that only one of them tells of, and no standstill either. It never goes back.
    """
    if is_ahead(at, written_at) or is_behind(at, written_at):
        passed = min(max(written_at - last.written_at, 0), TOLERANCE_MS) if last.written_at else 0
        at = max(arrival(at, written_at), last.at + passed, now)
    return Told(at=at, written_at=written_at)
