"""Spans of a Kafka topic, read beside the alerts: what is too much is skipped, for some of the calls show all edges.

No consumer group: one worker reads all partitions, from now on, so that both sides of a call meet though the collector
spreads them (`partition_traces_by_id` is off by default).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from correlator.config import KafkaConfig
from correlator.config_topology import OtlpSource
from correlator.errors import SourceError
from correlator.shell.kafka import partitions_of, reader
from correlator.shell.metrics import Metrics
from topology.findings import Findings
from topology.sources import otlp
from topology.spans import SpanPairs

_log = structlog.get_logger("correlator.worker")

#: Messages of a collector hold thousands of spans: this many take some tenths of a second.
_BATCH_MESSAGES = 20
_POLL_MS = 500
#: Beyond so many messages behind, in one partition, the newest are read next.
_MAX_BEHIND = 1000
_RETRY_SECONDS = 10.0
_LOOK_SECONDS = 1.0


class SpanReader:
    """Reads one topic of spans while it is this worker's turn."""

    def __init__(self, kafka: KafkaConfig, source: OtlpSource, metrics: Metrics) -> None:
        self._kafka = kafka
        self._topic = source.topic or ""
        self._max_share = source.max_share
        self._metrics = metrics
        self._pairs = SpanPairs()
        self._lock = asyncio.Lock()  # the pairs are filled in a thread
        self.label = source.label
        #: Why nothing can be read; empty while it can, None as long as nobody tried.
        self.problem: str | None = None

    async def run(self, leads: Callable[[], bool]) -> None:
        """Read for ever, whenever `leads` says that it is our turn."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if not leads():
                continue
            try:
                await self._read(leads)
            except (KafkaError, OSError, TimeoutError) as error:
                self.problem = str(error) or type(error).__name__
                _log.warning("spans cannot be read", topic=self._topic, problem=self.problem)
                await asyncio.sleep(_RETRY_SECONDS)

    async def harvest(self) -> Findings:
        """Return the dependencies seen since the last harvest."""
        async with self._lock:
            return self._pairs.harvest(_now_ms())

    async def _read(self, leads: Callable[[], bool]) -> None:
        async with reader(self._kafka) as consumer:
            places = await partitions_of(consumer, self._topic)
            if not places:
                raise TimeoutError(f"there is no topic {self._topic}")
            consumer.assign(places)
            await consumer.seek_to_end(*places)
            self.problem = ""
            while leads():
                fetched = await consumer.getmany(*places, timeout_ms=_POLL_MS, max_records=_BATCH_MESSAGES)
                began = time.perf_counter()
                async with self._lock:
                    await asyncio.to_thread(self._take, [record for batch in fetched.values() for record in batch])
                spent = time.perf_counter() - began
                await asyncio.sleep(spent * (1 / self._max_share - 1))
                await self._catch_up(consumer, places)

    def _take(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        for record in records:
            try:
                spans = otlp.spans(record.value or b"")
            except SourceError:
                self._metrics.span_messages.labels("invalid").inc()
                continue
            self._pairs.add(spans, _now_ms())
            self._metrics.span_messages.labels("read").inc()
        self._metrics.span_halves.set(len(self._pairs))

    async def _catch_up(self, consumer: AIOKafkaConsumer, places: Sequence[TopicPartition]) -> None:
        """Skip what cannot be read in the time that spans are given."""
        for place in places:
            end, position = consumer.highwater(place), await consumer.position(place)
            if end is not None and end - position > _MAX_BEHIND:
                self._metrics.span_messages.labels("skipped").inc(end - position)
                consumer.seek(place, end)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
