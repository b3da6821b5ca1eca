"""Versions of the dependency graph in Kafka: published before the log names them, so that every worker can follow.

Beside them lies what topology sources were seen to say, so that whoever refreshes the graph next goes on from there.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import msgspec
import structlog
import zstandard
from aiokafka import ConsumerRecord

from correlator.config import KafkaConfig
from correlator.packing import packed, unpacked
from correlator.shell.kafka import all_records
from topology.graph import ServiceGraph, TopologyDocument

_log = structlog.get_logger("correlator.worker")

#: 10,000 services and 60,000 edges are some 8 MB.
_MAX_BYTES = 256 << 20
#: Graphs that nothing asked for lately; a large one takes some 100 MB, and all can be read again.
_KEPT_GRAPHS = 4
#: Key of what sources were seen to say; no version is called so.
_MEMORY_KEY = b"observations"


class Send(Protocol):
    """Sends a record; the future is its acknowledgement."""

    async def __call__(self, topic: str, value: bytes | None, *, key: bytes) -> asyncio.Future[object]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was left in Kafka: what sources were seen to say, and whether any version of the graph was published."""

    observations: bytes | None
    has_versions: bool


class TopologyStore:
    """The versions that were published, in `graphs` those that are needed now."""

    def __init__(self, kafka: KafkaConfig, send: Send) -> None:
        self._kafka = kafka
        self._send = send
        self._empty = ServiceGraph.empty()
        self.graphs: dict[str, ServiceGraph] = {self._empty.version: self._empty}

    async def publish(self, graph: ServiceGraph) -> None:
        """Return when the version is acknowledged; a version that is known is not written again.

        Raises:
            KafkaError: it cannot be written.
        """
        if graph.version not in self.graphs:
            value = await asyncio.to_thread(encode, graph)
            await self._write(graph.version.encode(), value)
        self._hold({graph.version: graph})

    async def refresh(self, wanted: Iterable[str]) -> None:
        """Read those of the wanted versions that are not in `graphs`; what does not exist stays away."""
        wanted = set(wanted)
        missing = {version.encode() for version in wanted - self.graphs.keys()}
        if missing:
            found: dict[str, bytes] = {}
            async for record in all_records(self._kafka, self._kafka.topologies_topic):
                if record.key in missing and record.value is not None:
                    found[record.key.decode()] = record.value
            read = {version: await self._decoded(version, value) for version, value in found.items()}
            self._hold({version: graph for version, graph in read.items() if graph is not None}, also=wanted)

    async def kept(self) -> Kept:
        """Return what those before left here."""
        said, has_versions = None, False
        async for record in all_records(self._kafka, self._kafka.topologies_topic):
            if record.key == _MEMORY_KEY:
                said = record.value
            elif record.value is not None:
                has_versions = True
        observations = None
        try:
            if said is not None:
                observations = unpacked(said, most=_MAX_BYTES)
        except zstandard.ZstdError as error:
            _log.error("what topology sources said before cannot be read", problem=str(error))
        return Kept(observations=observations, has_versions=has_versions)

    async def keep_observations(self, data: bytes) -> None:
        """Return when what sources were seen to say is acknowledged.

        Raises:
            KafkaError: it cannot be written.
        """
        await self._write(_MEMORY_KEY, await asyncio.to_thread(packed, data))

    async def retire(self, before: int) -> int:
        """Delete versions that others took the place of before that instant (milliseconds); return how many."""
        records = [record async for record in all_records(self._kafka, self._kafka.topologies_topic)]
        old = superseded(records, before)
        for version in old:
            await self._write(version, None)
        return len(old)

    async def _write(self, key: bytes, value: bytes | None) -> None:
        await (await self._send(self._kafka.topologies_topic, value, key=key))

    async def _decoded(self, version: str, value: bytes) -> ServiceGraph | None:
        try:
            return await asyncio.to_thread(decode, value)
        except (zstandard.ZstdError, msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.error("a topology cannot be read", version=version, problem=str(error))
            return None

    def _hold(self, graphs: dict[str, ServiceGraph], *, also: Iterable[str] = ()) -> None:
        """Hold these graphs, those of `also`, and the latest others."""
        for version in (*also, *graphs):
            if (graph := graphs.get(version) or self.graphs.get(version)) is not None:
                self.graphs.pop(version, None)
                self.graphs[version] = graph
        needed = {*graphs, *also, self._empty.version}
        spare = [version for version in self.graphs if version not in needed]
        for version in spare[: max(0, len(spare) - _KEPT_GRAPHS)]:
            del self.graphs[version]


async def published(kafka: KafkaConfig) -> dict[str, tuple[int, bytes]]:
    """Return every version that the log may name: when it was published (milliseconds), and its document as JSON.

    Raises:
        zstandard.ZstdError: one is damaged.
    """
    found: dict[str, tuple[int, bytes]] = {}
    async for record in all_records(kafka, kafka.topologies_topic):
        if record.key is None or record.key == _MEMORY_KEY:
            continue
        version = record.key.decode(errors="replace")
        found.pop(version, None)
        if record.value is not None:
            found[version] = record.timestamp, unpacked(record.value, most=_MAX_BYTES)
    return found


def superseded(records: Iterable[ConsumerRecord[bytes, bytes]], before: int) -> list[bytes]:
    """Return the versions whose successor was published before that instant: no log that is kept names them."""
    latest: dict[bytes, int] = {}
    for record in records:
        if record.key is None or record.key == _MEMORY_KEY:
            continue
        latest.pop(record.key, None)
        if record.value is not None:
            latest[record.key] = record.timestamp
    by_age = sorted(latest.items(), key=_second)
    return [key for (key, _), (_, since) in itertools.pairwise(by_age) if since < before]


def _second(item: tuple[bytes, int]) -> tuple[int, bytes]:
    return item[1], item[0]


def encode(graph: ServiceGraph) -> bytes:
    return packed(msgspec.json.encode(graph.document))


def decode(data: bytes) -> ServiceGraph:
    """Read a version of the graph.

    Raises:
        zstandard.ZstdError, msgspec.DecodeError: it is damaged.
    """
    return ServiceGraph(msgspec.json.decode(unpacked(data, most=_MAX_BYTES), type=TopologyDocument))
