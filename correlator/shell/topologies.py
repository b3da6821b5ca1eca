"""Versions of the dependency graph in Kafka: published before the log names them, so that every worker can follow."""

from __future__ import annotations

import asyncio
from typing import Protocol

import msgspec
import structlog
import zstandard

from correlator.config import KafkaConfig
from correlator.shell.kafka import all_records
from topology.graph import ServiceGraph, TopologyDocument

_log = structlog.get_logger("correlator.worker")

#: 10,000 services and 60,000 edges are some 8 MB; a damaged length must not exhaust the memory.
_MAX_BYTES = 256 << 20


class Send(Protocol):
    """Sends a record; the future is its acknowledgement."""

    async def __call__(self, topic: str, value: bytes, *, key: bytes) -> asyncio.Future[object]: ...


class TopologyStore:
    """All versions of the graph that the log may name, in memory; `graphs` is kept up to date in place."""

    def __init__(self, kafka: KafkaConfig, send: Send) -> None:
        self._kafka = kafka
        self._send = send
        empty = ServiceGraph.empty()
        self.graphs: dict[str, ServiceGraph] = {empty.version: empty}

    async def publish(self, graph: ServiceGraph) -> None:
        """Return when the version is acknowledged; a version that is known is not written again."""
        if graph.version not in self.graphs:
            value = encode(graph)
            await (await self._send(self._kafka.topologies_topic, value, key=graph.version.encode()))
            self.graphs[graph.version] = graph

    async def refresh(self) -> None:
        """Read the versions that were published meanwhile."""
        async for record in all_records(self._kafka, self._kafka.topologies_topic):
            version = (record.key or b"").decode(errors="replace")
            if version in self.graphs or record.value is None:
                continue
            try:
                graph = decode(record.value)
            except (zstandard.ZstdError, msgspec.DecodeError, UnicodeDecodeError) as error:
                _log.error("a topology cannot be read", version=version, problem=str(error))
                continue
            self.graphs[graph.version] = graph


def encode(graph: ServiceGraph) -> bytes:
    return zstandard.ZstdCompressor().compress(msgspec.json.encode(graph.document))


def decode(data: bytes) -> ServiceGraph:
    """Read a version of the graph.

    Raises:
        zstandard.ZstdError, msgspec.DecodeError: it is damaged.
    """
    packed = zstandard.ZstdDecompressor().decompress(data, max_output_size=_MAX_BYTES)
    return ServiceGraph(msgspec.json.decode(packed, type=TopologyDocument))
