"""Everything the engine has to come back to, in order of time.

An entry is a note that something may be due; the thing itself knows when it is (`due_at`), so a changed mind costs a
stale entry and no search. Times are whole seconds, aligned to the epoch: a tick more or less changes nothing.
"""

from __future__ import annotations

import heapq
from enum import IntEnum


class Due(IntEnum):
    """What is due; in this order within one second."""

    LEASE = 0
    NODE = 1
    SOLVE = 2
    INCIDENT = 3


Entry = tuple[int, Due, str, str]  # at, what, scope, key


def aligned(at: int) -> int:
    """Return the first whole second not before `at`."""
    return -(-at // 1000) * 1000


class Timers:
    """A heap of entries."""

    def __init__(self) -> None:
        self._heap: list[Entry] = []

    def add(self, at: int, what: Due, scope: str, key: str) -> int:
        """Note that `key` is due at `at`; return the aligned time, for the thing to remember."""
        at = aligned(at)
        heapq.heappush(self._heap, (at, what, scope, key))
        return at

    def next_at(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def pop(self, until: int) -> Entry | None:
        """Return the first entry due until `until`, None when there is none."""
        if self._heap and self._heap[0][0] <= until:
            return heapq.heappop(self._heap)
        return None
