"""Correlate: one engine for each assigned partition of the log, and the order of things that loses nothing.

Apply, publish and wait for every acknowledgement; every few seconds write a snapshot and wait for it; only then
acknowledge the input it covers. Whatever dies in between is done again from the last snapshot, with the same result.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
import structlog
from aiokafka import ConsumerRecord
from faust.streams import Stream
from faust.types import EventT, StreamT

from correlator.config import Config
from correlator.domain import Feedback, IncidentEvent, Severity, instant_of
from correlator.engine import snapshot as codec
from correlator.engine.decisions import REFUSALS, Heard
from correlator.engine.state import WarmStart
from correlator.errors import LogError
from correlator.formats import log
from correlator.partition import Partition
from correlator.shell.assignment import Loader
from correlator.shell.bulk import WAIT_SECONDS, Bulk, slices
from correlator.shell.deadletters import DeadLetter, DeadLetters
from correlator.shell.metrics import Metrics
from correlator.shell.pace import Pace
from correlator.shell.snapshots import SnapshotStore
from correlator.shell.tally import Tally, open_incidents
from correlator.shell.topologies import TopologyStore
from correlator.shell.transport import Publisher, WorkerApp
from topology.graph import ServiceGraph

_log = structlog.get_logger("correlator.worker")

#: The event loop gets a turn at least this often while a batch is applied.
_YIELD_SECONDS = 0.05
#: A wrong clock is wrong with every record.
_CLOCK_WARNING_SECONDS = 60.0


class Correlate:
    """The engines of this worker and the agent that feeds them.

    Args:
        on_topology: hears of the graph that the log names from here on, and since when (milliseconds).
    """

    def __init__(
        self,
        app: WorkerApp,
        config: Config,
        *,
        publisher: Publisher,
        letters: DeadLetters,
        snapshots: SnapshotStore,
        topologies: TopologyStore,
        loader: Loader,
        metrics: Metrics,
        on_topology: Callable[[ServiceGraph, int], None],
    ) -> None:
        self._app = app
        self._topic = config.kafka.events_topic
        self._incidents_topic = config.kafka.incidents_topic
        self._pace = Pace(config.worker.snapshot_interval_seconds)
        self._is_live = config.worker.clock == "wall"
        self._next_clock_warning = 0.0
        self._publisher = publisher
        self._letters = letters
        self._snapshots = snapshots
        self._topologies = topologies
        self._loader = loader
        self._metrics = metrics
        self._on_topology = on_topology
        self._lock = asyncio.Lock()
        self._generation = -1
        self._partitions: dict[int, Partition] = {}
        self._tallies: dict[int, Tally] = {}
        self._touched: set[int] = set()
        self._pending: list[EventT[Any]] = []
        self._stream: StreamT[Any] | None = None
        self.handled = 0
        self.closing = False

    # -- assignments ---------------------------------------------------------------------------------------------

    @property
    def owned(self) -> list[int]:
        """The partitions whose engines are loaded, in order."""
        return sorted(self._partitions)

    def position(self, partition: int) -> int | None:
        """Return the next offset to apply; None while the engine is not loaded."""
        known = self._partitions.get(partition)
        return None if known is None else known.offset + 1

    async def load(self, numbers: Iterable[int]) -> None:
        """Forget every engine and load those of the new assignment, each from its newest snapshot."""
        async with self._lock:
            self._forget()
            generation = self._app.generation()
            started = time.perf_counter()
            loaded = await self._loader.load(numbers)
            self._partitions = loaded
            self._tallies = {
                number: Tally(self._metrics, partition.engine.state) for number, partition in loaded.items()
            }
            self._generation = generation
            seconds = time.perf_counter() - started
            self._metrics.restore_seconds.set(seconds)
            self._pace.start(time.monotonic())
            _log.info("partitions loaded", partitions=self.owned, seconds=round(seconds, 3))

    async def release(self) -> None:
        """Write what the next owner would else have to do again, and forget every engine."""
        async with self._lock:
            try:
                await self._snapshot()
            finally:
                self._forget()

    async def finish(self) -> None:
        """Write the last snapshots, acknowledge, and take nothing more."""
        self.closing = True
        async with self._lock:
            await self._snapshot()

    def _forget(self) -> None:
        self._generation = -1
        self._partitions = {}
        self._tallies = {}
        self._touched.clear()
        self._pending.clear()

    # -- the stream ----------------------------------------------------------------------------------------------

    async def run(self, stream: StreamT[Any]) -> None:
        """Apply until the stream ends; any failure to do so ends the worker."""
        self._stream = stream
        assert isinstance(stream, Stream)
        async for (event,) in stream.noack_take(1, within=WAIT_SECONDS):
            for some in slices(event.value):
                async with self._lock:
                    if self.closing or not self._is_current(event.message.generation_id):
                        break
                    try:
                        await self._take(event.message.partition, some)
                    except BaseException:
                        # What was applied is not all published: no snapshot may cover it, whoever asks for one now.
                        self._forget()
                        raise
                    if some[-1].offset == event.message.offset:
                        self._pending.append(event)
                    if self._pace.is_due(time.monotonic()):
                        await self._snapshot()

    async def keep_snapshots(self) -> None:
        """Write snapshots when they are due, whether or not there is input."""
        while True:
            await asyncio.sleep(self._pace.pause(time.monotonic()))
            async with self._lock:
                if self._pace.is_due(time.monotonic()) and not self.closing:
                    await self._snapshot()

    def _is_current(self, generation: int | None) -> bool:
        return generation == self._generation == self._app.generation()

    async def _take(self, number: int, records: Bulk) -> None:
        partition = self._partitions.get(number)
        if partition is None:
            return
        started = turn = time.perf_counter()
        sent: list[asyncio.Future[Any]] = []
        for record in records:
            if record.offset > partition.offset:
                sent += await self._apply(number, partition, record)
                self._touched.add(number)
                self.handled += 1
            if time.perf_counter() - turn > _YIELD_SECONDS:
                await asyncio.sleep(0)
                turn = time.perf_counter()
        self._tallies[number].show()
        applied = time.perf_counter()
        self._metrics.processing.labels("correlate").observe(applied - started)
        await asyncio.gather(*sent)
        self._metrics.processing.labels("publish").observe(time.perf_counter() - applied)

    async def _apply(self, number: int, partition: Partition, message: ConsumerRecord) -> list[asyncio.Future[Any]]:
        """Apply one record; return the acknowledgements of what it made us publish."""
        sent: list[asyncio.Future[Any]] = []
        count = self._tallies[number].count
        try:
            record = log.decode(message.value or b"")
            await self._know_topology(record)
            written_at = message.timestamp if self._is_live else None
            disbelieved = partition.disbelieved.copy()
            for part in log.parts(record):
                said = False
                for output in partition.apply(part, self._topologies.graphs, written_at=written_at):
                    said = True
                    count(output)
                    if isinstance(output, IncidentEvent):
                        sent.append(await self._publish(output))
                    elif isinstance(output, Heard) and output.outcome in REFUSALS and isinstance(part, log.Said):
                        sent.append(await self._letters.send(_unheeded(part.feedback, output, message)))
                if not said and isinstance(part, log.Alerts) and part.events:
                    self._metrics.repeats.inc()
            self._tell_of_clocks(partition.disbelieved - disbelieved, record, message)
        except LogError as error:
            place = {"partition": number, "offset": message.offset}
            _log.error("a record of the log is passed over", problem=str(error), **place)
            letter = DeadLetter(
                value=message.value or b"",
                reason="not_a_log_record",
                detail=str(error),
                topic=message.topic,
                partition=number,
                offset=message.offset,
                at=message.timestamp or 0,
            )
            sent.append(await self._letters.send(letter))
        partition.advance(message.offset, message.value)
        return sent

    async def _know_topology(self, record: log.Record) -> None:
        """See that the graph is there that the record names; another worker may have published it just now."""
        if isinstance(record, log.TopologyVersion):
            await self._topologies.refresh([record.version])
            if (graph := self._topologies.graphs.get(record.version)) is not None:
                self._on_topology(graph, record.at)

    def _tell_of_clocks(self, disbelieved: Counter[str], record: log.Record, message: ConsumerRecord) -> None:
        for reason, count in disbelieved.items():
            self._metrics.clocks.labels(reason).inc(count)
            if time.monotonic() >= self._next_clock_warning:
                self._next_clock_warning = time.monotonic() + _CLOCK_WARNING_SECONDS
                _log.error(
                    "the clock of a worker and that of the brokers disagree: time goes on without the one that is off",
                    worker_is=reason,
                    seconds=round(abs(log.parts(record)[0].at - message.timestamp) / 1000),
                    partition=message.partition,
                )

    async def _publish(self, output: IncidentEvent) -> asyncio.Future[Any]:
        if output.action != "updated":
            _log.info(
                "incident " + output.action,
                incident=output.incident_id,
                revision=output.revision,
                page=output.page,
                title=output.title,
            )
        return await self._publisher.send(
            self._incidents_topic,
            msgspec.json.encode(output),
            key=output.incident_id.encode(),
            at=instant_of(datetime.fromisoformat(output.published_at)),
        )

    async def _snapshot(self) -> None:
        """Write the snapshot of every partition that went on, then acknowledge what they cover. Needs the lock."""
        started = time.monotonic()
        if self._is_current(self._generation):
            touched = sorted(self._touched & self._partitions.keys())
            for number in touched:
                # Nothing touches the state meanwhile: the lock is ours.
                data = await asyncio.to_thread(codec.encode, self._partitions[number].snapshot())
                if not self._is_current(self._generation):
                    return  # the session is over: a successor may be ahead of us
                await self._snapshots.write(number, data)
                self._metrics.snapshot_bytes.labels(number).set(len(data))
            if self._is_current(self._generation) and self._stream is not None:
                for event in self._pending:
                    await self._stream.ack(event)
            self._touched.clear()
            self._pending.clear()
            if touched:
                self._metrics.snapshot_seconds.observe(time.monotonic() - started)
        self._pace.done(time.monotonic(), since=started)

    # -- what others ask -----------------------------------------------------------------------------------------

    def topology_versions(self) -> Mapping[int, str]:
        """Return which version of the graph each engine goes by."""
        return {number: partition.engine.state.topology for number, partition in self._partitions.items()}

    def model_versions(self) -> Mapping[int, str]:
        """Return which model the log named last for each engine; empty where it named none."""
        return {number: partition.model_version() for number, partition in self._partitions.items()}

    def awaits(self, start: WarmStart, partition: int) -> bool:
        """Tell whether a scope of a partition of ours is still to hear what it will begin with."""
        known = self._partitions.get(partition)
        return known is not None and known.awaits(start)

    def times(self) -> Mapping[int, int]:
        """Return the time of each engine."""
        return {number: partition.engine.now for number, partition in self._partitions.items()}

    def observe(self) -> None:
        """Bring the gauges about the engines up to date."""
        counts = open_incidents(partition.engine.state for partition in self._partitions.values())
        for severity in Severity:
            self._metrics.open.labels(severity).set(counts[severity])
        self._metrics.events_pending.set(sum(tally.pending for tally in self._tallies.values()))


def _unheeded(word: Feedback, heard: Heard, message: ConsumerRecord) -> DeadLetter:
    """Return an operator's word that could not be done, as it was said."""
    return DeadLetter(
        value=msgspec.json.encode(word),
        reason=str(heard.outcome),
        detail=f"{heard.action} of {heard.incident_id}: {heard.outcome}",
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        at=message.timestamp or 0,
    )
