"""Snapshots in Kafka: written beside the log, found again by whoever gets the partition.

The snapshot of partition p lies in partition p of a compacted topic, under the key `p`. One too large for a record is
cut into parts under keys of their own; the manifest under `p` is written when all parts are acknowledged. Two sets of
part keys take turns, so that the snapshot before stays whole until the new one is.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import msgspec
import structlog
from aiokafka import TopicPartition

from correlator.config import KafkaConfig
from correlator.engine import snapshot as codec
from correlator.engine.snapshot import Snapshot
from correlator.errors import SnapshotError
from correlator.shell.kafka import reader, records

_log = structlog.get_logger("correlator.worker")

PART_BYTES = 900_000
#: How many of the newest records are read at first; a snapshot that is not whole in them is looked for in all.
_TAIL_RECORDS = 40

Record = tuple[bytes, bytes]  # key, value


class Send(Protocol):
    """Sends a record; the future is its acknowledgement."""

    async def __call__(self, topic: str, value: bytes, *, key: bytes, partition: int) -> asyncio.Future[object]: ...


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    slot: int
    parts: int
    digest: str


class SnapshotStore:
    """Writes and loads the snapshots of the log's partitions."""

    def __init__(self, kafka: KafkaConfig, send: Send) -> None:
        self._kafka = kafka
        self._topic = kafka.snapshots_topic
        self._send = send
        self._slots: dict[int, int] = {}

    async def write(self, partition: int, data: bytes) -> None:
        """Return when the snapshot is acknowledged; `data` is an encoded snapshot."""
        slot = self._slots[partition] = 1 - self._slots.get(partition, 1)
        *parts, head = to_records(partition, slot, data)
        sent = [await self._send(self._topic, value, key=key, partition=partition) for key, value in parts]
        await asyncio.gather(*sent)
        key, value = head
        await (await self._send(self._topic, value, key=key, partition=partition))

    async def load(self, partitions: Iterable[int]) -> dict[int, Snapshot]:
        """Return the newest whole snapshot of each partition that has one."""
        async with reader(self._kafka) as consumer:
            found = {}
            for partition in partitions:
                place = TopicPartition(self._topic, partition)
                begin = (await consumer.beginning_offsets([place]))[place]
                end = (await consumer.end_offsets([place]))[place]
                for start in dict.fromkeys((max(begin, end - _TAIL_RECORDS), begin)):
                    read = [
                        (record.key or b"", record.value or b"")
                        async for record in records(consumer, {place: start}, {place: end})
                    ]
                    newest_one = newest(partition, read)
                    if newest_one is not None:
                        found[partition] = newest_one.snapshot
                        if newest_one.slot is not None:
                            self._slots[partition] = newest_one.slot
                        break
                else:
                    if end > begin:
                        _log.error("no snapshot of the partition can be read, it is built anew", partition=partition)
        return found


def to_records(partition: int, slot: int, data: bytes, *, part_bytes: int = PART_BYTES) -> Iterator[Record]:
    """Yield the records of a snapshot, the one that makes it valid last."""
    if len(data) <= part_bytes:
        yield b"%d" % partition, data
        return
    pieces = [data[at : at + part_bytes] for at in range(0, len(data), part_bytes)]
    for number, piece in enumerate(pieces):
        yield _part_key(partition, slot, number), piece
    yield b"%d" % partition, msgspec.json.encode(Manifest(slot=slot, parts=len(pieces), digest=_digest(data)))


@dataclass(frozen=True, slots=True)
class Found:
    """A snapshot with the part keys it lies under; None where it is one record."""

    snapshot: Snapshot
    slot: int | None


def newest(partition: int, read: Iterable[Record]) -> Found | None:
    """Return, of the snapshots that are whole among the records, the one that covers most of the log.

    Not the last one: a worker whose session is over may wake up and write an old one after its successor.
    """
    for _, data, slot in sorted(_whole(partition, read), key=lambda candidate: candidate[0], reverse=True):
        try:
            return Found(codec.decode(data), slot)
        except SnapshotError as error:
            _log.warning("a snapshot is passed over", partition=partition, problem=str(error))
    return None


def _whole(partition: int, read: Iterable[Record]) -> Iterator[tuple[int, bytes, int | None]]:
    """Yield offset, data and slot of every snapshot of which nothing is missing."""
    head = b"%d" % partition
    parts: dict[bytes, bytes] = {}
    for key, value in read:
        if key != head:
            parts[key] = value
            continue
        slot, data = (None, value) if codec.is_snapshot(value) else _join(partition, value, parts)
        if data is None:
            continue
        try:
            yield codec.offset(data), data, slot
        except SnapshotError as error:
            _log.warning("a snapshot is passed over", partition=partition, problem=str(error))


def _join(partition: int, value: bytes, parts: dict[bytes, bytes]) -> tuple[int | None, bytes | None]:
    try:
        manifest = msgspec.json.decode(value, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, None
    if manifest.parts > len(parts):
        return manifest.slot, None
    keys = [_part_key(partition, manifest.slot, number) for number in range(manifest.parts)]
    data = b"".join(parts[key] for key in keys if key in parts)
    return manifest.slot, data if _digest(data) == manifest.digest else None


def _part_key(partition: int, slot: int, number: int) -> bytes:
    return b"%d/%d/%d" % (partition, slot, number)


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
