"""Topics that exist are compared with what they must be, on a real broker, by the command and by a worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import NewTopic

from correlator.devkafka import Broker
from correlator.shell.kafka import admin
from correlator.shell.topics import verify
from tests.integration.workers import World


@pytest.fixture
def world(kafka: Broker, tmp_path: Path) -> Iterator[World]:
    world = World(kafka.bootstrap_servers, tmp_path, create=False, clock="wall")
    yield world
    world.close()


def test_what_differs_is_told_by_the_command_and_by_a_worker_that_starts(world: World) -> None:
    kafka = world.config.kafka

    async def create_some() -> None:
        async with admin(kafka) as client:
            await client.create_topics(
                [
                    NewTopic(kafka.incidents_topic, 3, 1, topic_configs={"cleanup.policy": "delete"}),
                    NewTopic(kafka.events_topic, 1, 1, topic_configs={"retention.ms": "1000"}),
                    NewTopic(kafka.snapshots_topic, 1, 1, topic_configs={"max.message.bytes": "1000"}),
                ]
            )

    asyncio.run(create_some())
    found = {finding.topic: finding.problems for finding in asyncio.run(verify(world.config, create=True))}
    told = {
        (kafka.incidents_topic, "has 3 partitions, not 1"),
        (kafka.incidents_topic, "cleanup.policy is delete, not compact,delete: it keeps too much or too little"),
        (kafka.events_topic, "retention.ms is 1000, not 604800000"),
        (
            kafka.events_topic,
            "message.timestamp.type is CreateTime, not LogAppendTime: a worker whose clock is wrong is not noticed",
        ),
        (kafka.snapshots_topic, "cleanup.policy is delete, not compact: what it must keep is deleted by age"),
    }
    all_told = {(topic, problem) for topic, problems in found.items() for problem in problems}
    assert told <= all_told
    assert any("max.message.bytes is 1000" in problem for problem in found[kafka.snapshots_topic])
    assert not any(found[topic] for topic in (kafka.alerts_topic, kafka.rejected_topic, kafka.topologies_topic))
    world.start().wait_ready()
    lines = [json.loads(line) for line in world.log.read_text().splitlines() if line.startswith("{")]
    warned = {(line["topic"], line["problem"]) for line in lines if "a topic differs" in str(line.get("event"))}
    assert warned == all_told
    assert [finding.problems for finding in asyncio.run(verify(world.config, create=False))] == [*found.values()]
