"""Which offsets of a partition may be committed when deliveries finish in any order."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple


class Position(NamedTuple):
    """Where an incident event stood in the topic."""

    partition: int
    offset: int


class Offsets:
    """Tracks the lowest unfinished offset of each partition; nothing beyond it is ever committed."""

    def __init__(self) -> None:
        self._unfinished: dict[int, deque[int]] = {}
        self._finished: dict[int, set[int]] = {}
        self._next: dict[int, int] = {}
        self._committed: dict[int, int] = {}

    def read(self, position: Position) -> None:
        """Note a record as read and unfinished. Offsets of a partition come in ascending order."""
        self._unfinished.setdefault(position.partition, deque()).append(position.offset)
        self._next[position.partition] = position.offset + 1

    def finish(self, position: Position) -> None:
        """Note that nothing more is to be done for a record."""
        unfinished = self._unfinished[position.partition]
        finished = self._finished.setdefault(position.partition, set())
        finished.add(position.offset)
        while unfinished and unfinished[0] in finished:
            finished.remove(unfinished.popleft())

    def lowest_unfinished(self, partition: int) -> int | None:
        """Return the offset at which a restart has to begin; None where all that was read is finished."""
        unfinished = self._unfinished.get(partition)
        return unfinished[0] if unfinished else None

    @property
    def outstanding(self) -> int:
        """How many records were read and not finished, or wait behind one that is not."""
        return sum(map(len, self._unfinished.values()))

    def to_commit(self) -> dict[int, int]:
        """Return, by partition, the next offset to read after a restart, where it moved since `committed`."""
        due = {}
        for partition, following in self._next.items():
            unfinished = self._unfinished[partition]
            offset = unfinished[0] if unfinished else following
            if self._committed.get(partition) != offset:
                due[partition] = offset
        return due

    def committed(self, offsets: dict[int, int]) -> None:
        """Note what was committed."""
        self._committed.update(offsets)
