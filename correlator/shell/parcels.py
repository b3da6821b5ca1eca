"""Records of the log that go to one partition one after the other, packed into fewer and larger ones.

A message with one alert makes a record of half a kilobyte, and to send, store and fetch a record costs the same for
half a kilobyte and for a hundred. What comes of the messages of one fetch is packed, in its order, for each partition.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from aiokafka.partitioner import DefaultPartitioner

from correlator.formats import log

#: Large enough that the record itself costs little, small enough for the broker's and the producer's batches.
PARCEL_BYTES = 128 * 1024

_partitioner = DefaultPartitioner()


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """One record of the log; the key is its scope, where it is of one scope."""

    partition: int
    key: bytes | None
    value: bytes
    at: int


def place_of(scope: str, partitions: Sequence[int]) -> tuple[bytes, int]:
    """Return the key of a scope's records and the partition they go to: as Kafka's clients have it, the key decides.

    Args:
        partitions: the numbers of the log's partitions in order.
    """
    key = scope.encode("utf-8", "replace")
    return key, _partitioner(key, list(partitions), list(partitions))


class Parcels:
    """Packs encoded `Alerts`.

    Args:
        partitions: the numbers of the log's partitions in order.
    """

    def __init__(self, partitions: Sequence[int]) -> None:
        self._partitions = list(partitions)
        self._places: dict[str, tuple[bytes, int]] = {}  # scope -> its key and partition
        self._open: dict[int, _Open] = {}
        self._made: list[Parcel] = []

    def add(self, scope: str, data: bytes, at: int) -> None:
        """Put one encoded `Alerts`, which arrived `at`, behind all before it."""
        place = self._places.get(scope)
        if place is None:
            place = self._places[scope] = place_of(scope, self._partitions)
        key, partition = place
        open_ = self._open.get(partition)
        if open_ is not None and open_.size + len(data) > PARCEL_BYTES:
            self._close(partition)
            open_ = None
        if open_ is None:
            open_ = self._open[partition] = _Open(key)
        elif open_.key != key:
            open_.key = None
        open_.records.append(data)
        open_.size += len(data)
        open_.at = max(open_.at, at)

    def take(self) -> list[Parcel]:
        """Return what was packed and begin anew; the order within a partition is that of `add`."""
        for partition in list(self._open):
            self._close(partition)
        made, self._made = self._made, []
        return made

    def _close(self, partition: int) -> None:
        open_ = self._open.pop(partition)
        self._made.append(Parcel(partition=partition, key=open_.key, value=log.join(open_.records), at=open_.at))


class _Open:
    """A parcel that is being packed."""

    __slots__ = ("at", "key", "records", "size")

    def __init__(self, key: bytes) -> None:
        self.key: bytes | None = key
        self.records: list[bytes] = []
        self.size = 0
        self.at = 0
