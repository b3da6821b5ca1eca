"""How Kafka is reached without a consumer group: asking, waiting, reading a topic to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from correlator.access import client_settings, explained
from correlator.config import KafkaConfig

_log = structlog.get_logger("correlator.worker")

#: Kafka is back within seconds of a restart; half a minute is the most it should wait for us.
_BACKOFF_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_PROBE_TIMEOUT_SECONDS = 10.0
_READ_TIMEOUT_MS = 1000
_KNOWN_WITHIN_SECONDS = 30.0


@asynccontextmanager
async def admin(kafka: KafkaConfig) -> AsyncIterator[AIOKafkaAdminClient]:
    """Lend a client for questions about the cluster."""
    client = AIOKafkaAdminClient(**client_settings(kafka))
    try:
        await client.start()
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def reader(kafka: KafkaConfig, *, group_id: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    """Lend a consumer that joins no group; `group_id` only lets it ask for the group's offsets."""
    consumer = AIOKafkaConsumer(
        group_id=group_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
        **client_settings(kafka),
    )
    try:
        await consumer.start()
        # Stopped before its tasks had a turn, aiokafka cancels whoever stops it.
        await asyncio.sleep(0)
        yield consumer
    finally:
        await consumer.stop()


async def partitions_of(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """Return the partitions of a topic in order; none if it does not exist.

    Raises:
        TimeoutError: no broker of the cluster is known to it for half a minute.
    """
    if topic not in await _topics(consumer):
        return []
    # The client knows of a topic only what it once asked for.
    await consumer._client.add_topic(topic)
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]


async def _topics(consumer: AIOKafkaConsumer) -> set[str]:
    """Return the names of all topics.

    A cluster whose only broker has just come back answers for a moment that it has no brokers, and so no topics: who
    takes that for the truth takes a topic that is full for empty.
    """
    async with asyncio.timeout(_KNOWN_WITHIN_SECONDS):
        while True:
            cluster = await consumer._client.fetch_all_metadata()
            if cluster.brokers():
                names: set[str] = cluster.topics()
                return names
            await asyncio.sleep(0.2)


async def records(
    consumer: AIOKafkaConsumer, start: Mapping[TopicPartition, int], end: Mapping[TopicPartition, int]
) -> AsyncIterator[ConsumerRecord]:
    """Yield the records of some partitions from `start` until before `end`."""
    open_ = {partition for partition, offset in end.items() if start[partition] < offset}
    if not open_:
        return
    consumer.assign(open_)
    for partition in open_:
        consumer.seek(partition, start[partition])
    while open_:
        fetched = await consumer.getmany(*open_, timeout_ms=_READ_TIMEOUT_MS)
        for partition, batch in fetched.items():
            for record in batch:
                if record.offset < end[partition]:
                    yield record
        # Compaction and markers of transactions leave gaps: the position tells, not the last record.
        open_ = {partition for partition in open_ if await consumer.position(partition) < end[partition]}


async def all_records(kafka: KafkaConfig, topic: str) -> AsyncIterator[ConsumerRecord]:
    """Yield all that a topic holds now, partition by partition interleaved."""
    async with reader(kafka) as consumer:
        partitions = await partitions_of(consumer, topic)
        start = await consumer.beginning_offsets(partitions)
        end = await consumer.end_offsets(partitions)
        async for record in records(consumer, start, end):
            yield record


async def missing_topics(kafka: KafkaConfig, wanted: Iterable[str]) -> list[str]:
    """Return which of the wanted topics do not exist.

    Raises:
        KafkaError: Kafka does not answer.
    """
    async with asyncio.timeout(_PROBE_TIMEOUT_SECONDS), admin(kafka) as client:
        known = await partition_counts(client)
    return [topic for topic in wanted if topic not in known]


async def partition_counts(client: AIOKafkaAdminClient) -> dict[str, int]:
    """Return how many partitions each topic of the cluster has."""
    # Asked for all: to ask for one by name would create it where the brokers create topics by themselves.
    described = await client.describe_topics()
    return {topic["topic"]: len(topic["partitions"]) for topic in described if topic["error_code"] == 0}


async def wait_until_ready(kafka: KafkaConfig, wanted: Iterable[str]) -> None:
    """Return when Kafka answers and has the topics; until then say so, once a step of the back-off."""
    wanted = list(wanted)
    attempt = 0
    while True:
        try:
            missing = await missing_topics(kafka, wanted)
            if not missing:
                return
            problem = f"no topic {', '.join(missing)}: create them with `correlator topics`"
        except (KafkaError, OSError, TimeoutError) as error:
            problem = await explained(kafka, error)
        pause = _BACKOFF_SECONDS[min(attempt, len(_BACKOFF_SECONDS) - 1)]
        _log.warning("Kafka is not ready, waiting", problem=problem, retry_in_seconds=pause)
        await asyncio.sleep(pause)
        attempt += 1
