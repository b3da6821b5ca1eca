"""What decides beside alerts, operators and time, written into the log: the graph, the model, what scopes begin with.

An engine takes each from its place in the log, never from a configuration, so that a successor and a replay do alike.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable

import msgspec

from correlator import rankers, warm
from correlator.config import Config
from correlator.engine.ranking import Ranker
from correlator.engine.warmth import Warmth
from correlator.errors import ConfigError
from correlator.formats import log
from correlator.shell.correlate import Correlate
from correlator.shell.parcels import place_of
from correlator.shell.topics import record_bytes
from correlator.shell.topologies import TopologyStore
from correlator.shell.transport import Publisher
from topology.graph import ServiceGraph


class Announcer:
    """Announces what a worker is configured with to the engines that go by something else.

    Args:
        graph: the configured dependency graph, None where none is configured: the engines then keep theirs.
        ranker: the configured one, None for the engine's own.
        now: the wall clock in milliseconds.
    """

    def __init__(
        self,
        config: Config,
        *,
        graph: ServiceGraph | None,
        ranker: Ranker | None,
        warmth: Warmth | None,
        correlate: Correlate,
        topologies: TopologyStore,
        publisher: Publisher,
        now: Callable[[], int],
    ) -> None:
        self._topic = config.kafka.events_topic
        self._is_live = config.worker.clock == "wall"
        self._is_refreshed = config.topology.refresh_interval_seconds is not None
        self._graph = graph
        self._ranker = ranker
        self._warmth = warmth
        self._correlate = correlate
        self._topologies = topologies
        self._publisher = publisher
        self._now = now

    async def announce(self) -> None:
        """Tell the engines of this worker; return when all of it is acknowledged."""
        await self._announce_graph()
        await self._announce_model()
        await self._announce_warm_starts()

    async def announce_everywhere(self, graph: ServiceGraph) -> None:
        """Tell the engines of all workers of a version of the graph."""
        await self._write_graph(graph, await self._publisher.partitions(self._topic))

    async def _announce_graph(self) -> None:
        """Where the graph is refreshed, the configured one is only there to begin with."""
        if self._graph is not None:
            versions = self._correlate.topology_versions()
            begins = [number for number, version in versions.items() if version == ServiceGraph.empty().version]
            others = [number for number, version in versions.items() if version != self._graph.version]
            await self._write_graph(self._graph, begins if self._is_refreshed else others)

    async def _write_graph(self, graph: ServiceGraph, partitions: Iterable[int]) -> None:
        await self._topologies.publish(graph)
        record = functools.partial(log.TopologyVersion, version=graph.version)
        await self._write((number, record) for number in partitions)

    async def _announce_model(self) -> None:
        version, document = rankers.version(self._ranker), msgspec.Raw(rankers.document(self._ranker))
        record = functools.partial(log.ModelVersion, version=version, document=document)
        named = self._correlate.model_versions()
        await self._write((number, record) for number, known in named.items() if known != version)

    async def _announce_warm_starts(self) -> None:
        """A scope that has begun is left as it is."""
        if self._warmth is not None:
            partitions = await self._publisher.partitions(self._topic)
            places = [(start, place_of(start.scope, partitions)[1]) for start in self._warmth.starts()]
            awaited = [(start, place) for start, place in places if self._correlate.awaits(start, place)]
            await self._write((place, functools.partial(warm.record, start)) for start, place in awaited)

    async def _write(self, records: Iterable[tuple[int, Callable[..., log.Part]]]) -> None:
        """Write records into partitions of the log, each `at` the time there; return when all are acknowledged."""
        times = self._correlate.times()
        sent = []
        for partition, record in records:
            at = max(self._now() if self._is_live else 0, times.get(partition, 0))
            value = log.encode(record(at=at))
            sent.append(await self._publisher.send(self._topic, value, partition=partition, at=at))
        await asyncio.gather(*sent)


def check_size(warmth: Warmth | None, config: Config) -> None:
    """See that a warm start can be announced.

    Raises:
        ConfigError: what was learned of a scope is more than a record of the log may hold.
    """
    limit = record_bytes(config)
    sizes = {start.scope: len(log.encode(warm.record(start, 0))) for start in (warmth.starts() if warmth else ())}
    problems = [f"scopes.{name}: {size} bytes of the log" for name, size in sizes.items() if size > limit]
    if problems:
        hint = f"a record holds {limit}: raise worker.max_event_bytes"
        raise ConfigError(str(config.worker.warm), [f"{problem}, {hint}" for problem in problems])
