"""Our topics: what they must be, made where they are missing, compared where they exist."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from correlator.access import explained
from correlator.config import Config
from correlator.errors import CorrelatorError
from correlator.shell.kafka import admin, partition_counts

_log = structlog.get_logger("correlator.worker")

#: Room for what a record carries beside the bytes of an event: headers, the batch around it, what naming adds.
ENVELOPE_BYTES = 64 * 1024
_SEGMENT_BYTES = 16 * 1024 * 1024
_APPEARS_WITHIN_SECONDS = 30
#: Settings of which more is as good.
_AT_LEAST = frozenset(("max.message.bytes", "min.insync.replicas"))
#: What comes of settings that differ.
_CONSEQUENCES = {
    "max.message.bytes": ": large alerts or snapshots cannot be written",
    "min.insync.replicas": ": what is acknowledged may be lost with one broker",
    "message.timestamp.type": ": a worker whose clock is wrong is not noticed",
}


_OF_POLICIES = {
    "compact": ": what it must keep is deleted by age",
    "delete": ": compaction leaves gaps in it",
    "compact,delete": ": it keeps too much or too little",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic as it must be."""

    name: str
    partitions: int
    replication_factor: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A topic as it is: its partitions, and the copies of the partition that has fewest."""

    partitions: int
    copies: int


def record_bytes(config: Config) -> int:
    """Return the size of the largest record we write, without its envelope."""
    return config.worker.max_event_bytes + ENVELOPE_BYTES


def layout(config: Config) -> list[Topic]:
    """Return every topic of the correlator."""
    kafka = config.kafka
    largest = str(record_bytes(config) + ENVELOPE_BYTES)
    # Recorded streams bear the timestamps of their own time: by those they would be deleted at once.
    aging = config.worker.clock == "wall"

    def log(name: str, seconds: float, policy: str = "delete", **settings: str) -> Topic:
        retention = str(round(seconds * 1000)) if aging else "-1"
        return topic(name, {"cleanup.policy": policy, "retention.ms": retention, **settings})

    def compacted(name: str, **settings: str) -> Topic:
        return topic(name, {"cleanup.policy": "compact", **{key.replace("_", "."): settings[key] for key in settings}})

    def topic(name: str, settings: Mapping[str, str]) -> Topic:
        return Topic(
            name=name,
            partitions=kafka.partitions,
            replication_factor=kafka.replication_factor,
            settings={
                "message.timestamp.type": "CreateTime",
                # An alert from a clock that runs ahead is still an alert; what its time is worth, ingest decides.
                "message.timestamp.after.max.ms": str(2**63 - 1),
                "max.message.bytes": largest,
                # Of three copies one may be away; of fewer none could be, if two had to acknowledge.
                "min.insync.replicas": "2" if kafka.replication_factor >= 3 else "1",
                **settings,
            },
        )

    return [
        log(kafka.alerts_topic, kafka.alerts_retention_seconds),
        log(kafka.feedback_topic, kafka.alerts_retention_seconds),
        # By the brokers' clock: what a worker's says is held against it (`partition.py`).
        log(
            kafka.events_topic,
            kafka.events_retention_seconds,
            **({"message.timestamp.type": "LogAppendTime"} if aging else {}),
        ),
        # The last word of each incident, but not for ever.
        log(kafka.incidents_topic, kafka.incidents_retention_seconds, "compact,delete"),
        log(kafka.rejected_topic, kafka.alerts_retention_seconds),
        # Small segments and eager cleaning: a restart reads what was not cleaned yet.
        compacted(kafka.snapshots_topic, segment_bytes=str(_SEGMENT_BYTES), min_cleanable_dirty_ratio="0.1"),
        compacted(kafka.topologies_topic),
        # The pager makes it itself where it is the first.
        Topic(
            name=kafka.pager_state_topic,
            partitions=1,
            replication_factor=kafka.replication_factor,
            settings={"cleanup.policy": "compact"},
        ),
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
            existing = await _shapes(client)
            missing = [topic for topic in wanted if topic.name not in existing]
            if create and missing:
                await _create(client, missing)
            found = {topic.name: topic for topic in wanted if topic.name in existing}
            settings = await _settings(client, list(found))
    except (KafkaError, OSError, TimeoutError) as error:
        raise CorrelatorError(
            f"Kafka at {config.kafka.bootstrap_servers}: {await explained(config.kafka, error)}"
        ) from error
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


def differences(wanted: Topic, shape: Shape | None, settings: Mapping[str, str]) -> list[str]:
    """Return how an existing topic differs from what it must be, and what comes of that."""
    if shape is None:
        return ["missing"]
    found = []
    if shape.partitions != wanted.partitions:
        found.append(f"has {shape.partitions} partitions, not {wanted.partitions}")
    if shape.copies < wanted.replication_factor:
        found.append(f"has {shape.copies} copies, not {wanted.replication_factor}")
    for key, value in wanted.settings.items():
        actual = settings.get(key)
        if key in _AT_LEAST and actual is not None and int(actual) >= int(value):
            continue
        if actual is None or sorted(actual.split(",")) != sorted(value.split(",")):
            found.append(f"{key} is {actual}, not {value}{_consequence(key, value)}")
    # More than it has copies can never acknowledge, as many as it has only while none is away.
    acknowledging = int(settings.get("min.insync.replicas") or 1)
    if 1 < shape.copies <= acknowledging:
        found.append(
            f"min.insync.replicas is {acknowledging} of {shape.copies} copies: with one away nothing is written"
        )
    return found


def _consequence(key: str, value: str) -> str:
    if key == "cleanup.policy":
        return _OF_POLICIES[value]
    return _CONSEQUENCES.get(key, "")


async def warn(config: Config) -> None:
    """Log how topics differ from what they must be; whether work can go on shows by itself."""
    for finding in await verify(config, create=False):
        for problem in finding.problems:
            _log.warning("a topic differs from what it should be", topic=finding.topic, problem=problem)


async def _shapes(client: AIOKafkaAdminClient) -> dict[str, Shape]:
    # Asked for all: to ask for one by name would create it where the brokers create topics by themselves.
    return {
        topic["topic"]: Shape(
            partitions=len(topic["partitions"]), copies=min(len(one["replicas"]) for one in topic["partitions"])
        )
        for topic in await client.describe_topics()
        if topic["error_code"] == 0 and topic["partitions"]
    }


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
