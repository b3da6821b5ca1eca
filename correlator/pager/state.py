"""The pager's memory: a compacted topic with one record for each incident and target.

Key `<target>/<incident_id>`, value a mark as JSON. It is read as a whole before a partition of incidents is consumed.
One topic for all targets and partitions keeps it independent of the partitioning of the incidents topic; a record
for every event of an incident is little beside the delivery itself.

A kill between a target's reply and the record of it is the one window in which something may be sent twice. At
PagerDuty the repeat is harmless: a trigger again while its incident is open, or a resolve of what is resolved. The
reverse, a trigger after a recorded resolve, cannot happen. A webhook sees the repeat's Idempotency-Key; in Slack a
second message may stand beside the first. A held page is in its mark with the newest event, so its offset is committed.

Of the records of a key the one with the highest revision counts, the last of equals: a member that was suspended,
lost its partitions and wakes may still write an older one (`mark.supersedes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from correlator.pager.mark import NOTHING, Mark, supersedes

STATE_TOPIC = "correlator-pager-state"

log = structlog.get_logger("correlator.pager")


class Memory(Protocol):
    """Where marks survive the process."""

    async def load(self, target: str) -> dict[str, Mark]:
        """Return every mark of a target, by incident."""

    async def write(self, target: str, incident_id: str, mark: Mark | None) -> None:
        """Make a mark durable, None to forget it; return when it is."""


class KafkaMemory:
    """Marks in a compacted topic.

    Args:
        settings: how to reach Kafka, as aiokafka's clients take it.
        replication_factor: of the topic, where it has to be created.
    """

    def __init__(self, settings: Mapping[str, Any], *, replication_factor: int, topic: str = STATE_TOPIC) -> None:
        self._settings = settings
        self._replication_factor = replication_factor
        self._topic = topic
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Create the topic where it is missing and connect.

        Raises:
            KafkaError: Kafka cannot be reached or refuses.
        """
        await self._create_topic()
        producer = AIOKafkaProducer(acks="all", request_timeout_ms=10_000, **self._settings)
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Disconnect."""
        if self._producer is not None:
            await self._producer.stop()

    async def load(self, target: str) -> dict[str, Mark]:
        """Read the topic from its beginning to its present end."""
        marks: dict[str, Mark] = {}
        prefix = f"{target}/"
        # Without a group a consumer of a topic reads all its partitions; an unknown topic is an error, for nothing
        # remembered would mean pages repeated.
        consumer = AIOKafkaConsumer(
            self._topic, enable_auto_commit=False, auto_offset_reset="earliest", **self._settings
        )
        try:
            await consumer.start()
            partitions = consumer.assignment()
            ends = await consumer.end_offsets(partitions)
            await consumer.seek_to_beginning(*partitions)
            remaining = {partition for partition in partitions if await consumer.position(partition) < ends[partition]}
            while remaining:
                for records in (await consumer.getmany(*remaining, timeout_ms=1000)).values():
                    for record in records:
                        _apply(marks, prefix, record.key, record.value)
                remaining = {part for part in remaining if await consumer.position(part) < ends[part]}
        finally:
            await consumer.stop()
        return marks

    async def write(self, target: str, incident_id: str, mark: Mark | None) -> None:
        """Write one record and wait until all replicas in sync have it.

        Raises:
            KafkaError: it may or may not have been written.
        """
        if self._producer is None:
            raise RuntimeError("write before start")
        value = None if mark is None else msgspec.json.encode(mark)
        await self._producer.send_and_wait(self._topic, key=f"{target}/{incident_id}".encode(), value=value)

    async def _create_topic(self) -> None:
        admin = AIOKafkaAdminClient(**self._settings)
        try:
            await admin.start()
            if self._topic in await admin.list_topics():
                return
            reply = await admin.create_topics(
                [
                    NewTopic(
                        name=self._topic,
                        num_partitions=1,
                        replication_factor=self._replication_factor,
                        topic_configs={"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1"},
                    )
                ]
            )
            for _, code, *message in reply.topic_errors:
                if code and code != TopicAlreadyExistsError.errno:
                    raise for_code(code)(*message)
        except TopicAlreadyExistsError:
            return
        finally:
            await admin.close()


def _apply(marks: dict[str, Mark], prefix: str, key: bytes | None, value: bytes | None) -> None:
    name = (key or b"").decode("utf-8", "replace")
    if not name.startswith(prefix):
        return
    incident_id = name.removeprefix(prefix)
    if value is None:
        marks.pop(incident_id, None)
        return
    try:
        mark = msgspec.json.decode(value, type=Mark)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        log.error("unreadable record in the pager's memory, ignored", key=name, error=str(error))
        return
    if supersedes(mark, marks.get(incident_id, NOTHING)):
        marks[incident_id] = mark
