"""What a worker does with newly assigned partitions: find their snapshots, their graphs, and where to go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from correlator import rankers
from correlator.config import Config
from correlator.engine.ranking import Ranker
from correlator.engine.snapshot import Snapshot
from correlator.errors import ConfigError
from correlator.partition import Partition, mark
from correlator.shell.kafka import reader
from correlator.shell.snapshots import SnapshotStore
from correlator.shell.topologies import TopologyStore
from topology.graph import ServiceGraph

_log = structlog.get_logger("correlator.worker")

_LOOK_SECONDS = 20.0


class Loader:
    """Builds the partitions of an assignment."""

    def __init__(
        self,
        config: Config,
        snapshots: SnapshotStore,
        topologies: TopologyStore,
        *,
        ranker: Ranker | None = None,
    ) -> None:
        self._config = config
        self._snapshots = snapshots
        self._topologies = topologies
        self._ranker = ranker

    async def load(self, numbers: Iterable[int]) -> dict[int, Partition]:
        """Return the partitions, each as its newest snapshot left it."""
        numbers = sorted(numbers)
        found = await self._snapshots.load(numbers)
        await self._topologies.refresh(snapshot.state.topology for snapshot in found.values())
        loaded = {}
        async with reader(self._config.kafka) as consumer:
            for number in numbers:
                snapshot = found.get(number)
                if snapshot is not None:
                    await self._check_place(consumer, number, snapshot)
                    self._check_graph(number, snapshot)
                    self._check_model(number, snapshot)
                loaded[number] = Partition(
                    self._config, self._topologies.graphs, ranker=self._ranker, snapshot=snapshot
                )
        return loaded

    async def _check_place(self, consumer: AIOKafkaConsumer, number: int, snapshot: Snapshot) -> None:
        """Go back to the beginning of the log where it is not the one that the snapshot was made from.

        A log that was deleted and made anew has other records at the same offsets; to skip them would lose alerts.
        """
        place = TopicPartition(self._config.kafka.events_topic, number)
        begin = (await consumer.beginning_offsets([place]))[place]
        end = (await consumer.end_offsets([place]))[place]
        if begin <= snapshot.offset < end:
            consumer.assign([place])
            consumer.seek(place, snapshot.offset)
            record = await asyncio.wait_for(consumer.getone(place), _LOOK_SECONDS)
            is_same = record.offset != snapshot.offset or mark(record.value) == snapshot.mark
        else:
            # Older records are deleted with time; what the snapshot has seen must at least have existed.
            is_same = snapshot.offset < begin
        if not is_same:
            _log.error("the log was made anew, it is read from its beginning; what was open stays", partition=number)
            snapshot.offset = -1
        elif snapshot.offset + 1 < begin:
            lost = begin - snapshot.offset - 1
            _log.error("the log was deleted before it was read", partition=number, records_lost=lost)
            snapshot.offset = begin - 1

    def _check_graph(self, number: int, snapshot: Snapshot) -> None:
        if snapshot.state.topology not in self._topologies.graphs:
            _log.error("the topology of a snapshot is gone", partition=number, version=snapshot.state.topology)
            snapshot.state.topology = ServiceGraph.empty().version

    def _check_model(self, number: int, snapshot: Snapshot) -> None:
        try:
            if snapshot.model:
                rankers.from_document(snapshot.model, "the model of a snapshot")
        except ConfigError as error:
            # Of a later version, perhaps; the configured one is announced next.
            _log.error("a model cannot be used any more", partition=number, problem=str(error))
            snapshot.model = b""
