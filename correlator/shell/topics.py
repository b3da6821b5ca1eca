"""Our topics: what they must be, made where they are missing, compared where they exist."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from correlator.config import Config
from correlator.errors import CorrelatorError
from correlator.shell.kafka import admin, partition_counts

#: Room for what a record carries beside the bytes of an event: headers, the batch around it, what naming adds.
ENVELOPE_BYTES = 64 * 1024
_SEGMENT_BYTES = 16 * 1024 * 1024
_APPEARS_WITHIN_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic as it must be."""

    name: str
    partitions: int
    replication_factor: int
    settings: Mapping[str, str]


def record_bytes(config: Config) -> int:
    """Return the size of the largest record we write, without its envelope."""
    return config.worker.max_event_bytes + ENVELOPE_BYTES


def layout(config: Config) -> list[Topic]:
    """Return every topic of the correlator."""
    kafka = config.kafka
    largest = str(record_bytes(config) + ENVELOPE_BYTES)
    # Recorded streams bear the timestamps of their own time: by those they would be deleted at once.
    aging = config.worker.clock == "wall"

    def log(name: str, seconds: float) -> Topic:
        retention = str(round(seconds * 1000)) if aging else "-1"
        return topic(name, {"cleanup.policy": "delete", "retention.ms": retention})

    def compacted(name: str, **settings: str) -> Topic:
        return topic(name, {"cleanup.policy": "compact", **{key.replace("_", "."): settings[key] for key in settings}})

    def topic(name: str, settings: Mapping[str, str]) -> Topic:
        return Topic(
            name=name,
            partitions=kafka.partitions,
            replication_factor=kafka.replication_factor,
            settings={
                **settings,
                "message.timestamp.type": "CreateTime",
                # An alert from a clock that runs ahead is still an alert; what its time is worth, ingest decides.
                "message.timestamp.after.max.ms": str(2**63 - 1),
                "max.message.bytes": largest,
            },
        )

    return [
        log(kafka.alerts_topic, kafka.alerts_retention_seconds),
        log(kafka.feedback_topic, kafka.alerts_retention_seconds),
        log(kafka.events_topic, kafka.events_retention_seconds),
        compacted(kafka.incidents_topic),
        log(kafka.rejected_topic, kafka.alerts_retention_seconds),
        # Small segments and eager cleaning: a restart reads what was not cleaned yet.
        compacted(kafka.snapshots_topic, segment_bytes=str(_SEGMENT_BYTES), min_cleanable_dirty_ratio="0.1"),
        compacted(kafka.topologies_topic),
        compacted("correlator-pager-state"),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found about one topic; `problems` are differences that somebody must settle."""

    topic: str
    created: bool
    problems: tuple[str, ...]

    def __str__(self) -> str:
        if self.problems:
            return f"{self.topic}: {'; '.join(self.problems)}"
        return f"{self.topic}: {'created' if self.created else 'as it should be'}"


async def verify(config: Config, *, create: bool) -> list[Finding]:
    """Compare every topic with what it must be; `create` those that are missing.

    Raises:
        CorrelatorError: Kafka does not answer, or refuses to create a topic.
    """
    wanted = layout(config)
    try:
        async with admin(config.kafka) as client:
            existing = await partition_counts(client)
            missing = [topic for topic in wanted if topic.name not in existing]
            if create and missing:
                await _create(client, missing)
            found = {topic.name: topic for topic in wanted if topic.name in existing}
            settings = await _settings(client, list(found))
    except (KafkaError, OSError, TimeoutError) as error:
        raise CorrelatorError(f"Kafka at {config.kafka.bootstrap_servers}: {error or type(error).__name__}") from error
    return [
        Finding(topic=topic.name, created=True, problems=())
        if create and topic in missing
        else Finding(
            topic=topic.name,
            created=False,
            problems=tuple(differences(topic, existing.get(topic.name), settings.get(topic.name, {}))),
        )
        for topic in wanted
    ]


def differences(wanted: Topic, partitions: int | None, settings: Mapping[str, str]) -> list[str]:
    """Return how an existing topic differs from what it must be."""
    if partitions is None:
        return ["missing"]
    found = [] if partitions == wanted.partitions else [f"has {partitions} partitions, not {wanted.partitions}"]
    for key, value in wanted.settings.items():
        actual = settings.get(key)
        if key == "max.message.bytes" and actual is not None and int(actual) >= int(value):
            continue
        if actual != value:
            found.append(f"{key} is {actual}, not {value}")
    return found


async def _settings(client: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    answers = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }


async def _create(client: AIOKafkaAdminClient, topics: list[Topic]) -> None:
    answer = await client.create_topics(
        [
            NewTopic(topic.name, topic.partitions, topic.replication_factor, topic_configs=dict(topic.settings))
            for topic in topics
        ]
    )
    for name, code, *message in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise CorrelatorError(f"cannot create topic {name}: {message[0] if message else error.__name__}")
    async with asyncio.timeout(_APPEARS_WITHIN_SECONDS):
        # The brokers learn of a new topic a moment after its creation was acknowledged.
        while not {topic.name for topic in topics} <= (await partition_counts(client)).keys():
            await asyncio.sleep(0.05)
