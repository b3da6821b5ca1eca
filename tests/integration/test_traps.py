"""Traps of Faust and its Kafka client, each closed in `correlator.shell`: what fails here loses alerts."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from correlator.devkafka import Broker
from correlator.shell.app import CorrelatorApp, create_app
from correlator.shell.kafka import admin, all_records, partition_counts
from correlator.shell.metrics import Metrics
from correlator.shell.transport import Publisher
from tests.brokers import started
from tests.integration.workers import World, chain_topology, storm, wait_for, without_repeats


@pytest.fixture(scope="module")
def mortal_kafka() -> Iterator[Broker]:
    """A broker that tests may suspend."""
    with started(Broker()) as broker:
        yield broker


@pytest.fixture
def world(mortal_kafka: Broker, tmp_path: Path) -> Iterator[World]:
    world = World(mortal_kafka.bootstrap_servers, tmp_path / "w", topology=chain_topology(tmp_path))
    yield world
    world.close()


@asynccontextmanager
async def running(app: CorrelatorApp) -> AsyncIterator[CorrelatorApp]:
    app.finalize()
    starting = asyncio.create_task(app.start())
    try:
        yield app
    finally:
        await app.stop()
        starting.cancel()
        await asyncio.wait([starting])


async def test_a_record_outlives_an_outage_that_is_longer_than_a_request_may_last(
    mortal_kafka: Broker, world: World
) -> None:
    app = create_app(world.config, graph=None, metrics=Metrics(CollectorRegistry()))
    app.conf.producer_request_timeout = 1.0
    topic = world.config.kafka.rejected_topic
    await app.maybe_start_producer()
    publisher = Publisher(app)
    try:
        await (await publisher.send(topic, b"before", partition=0))
        mortal_kafka.pause()
        pending = await publisher.send(topic, b"meanwhile", partition=0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(pending), 5)
        mortal_kafka.resume()
        await asyncio.wait_for(pending, 60)
    finally:
        await app.producer.stop()
    assert await values_of(world, topic) == [b"before", b"meanwhile"]


async def values_of(world: World, topic: str) -> list[bytes]:
    """Read a topic; a broker that was suspended takes a moment to let somebody new in."""
    async with asyncio.timeout(60):
        while True:
            with suppress(KafkaError):
                return [record.value async for record in all_records(world.config.kafka, topic)]
            await asyncio.sleep(0.5)


class Broken(Exception):
    """An error that no program expects."""


async def test_an_error_of_the_program_ends_the_worker_and_acknowledges_nothing(world: World) -> None:
    def now() -> int:
        raise Broken

    wall = world.config.model_copy(update={"worker": world.config.worker.model_copy(update={"clock": "wall"})})
    lines = list(storm(faults=1))
    await asyncio.to_thread(world.produce, world.config.kafka.alerts_topic, lines)
    # Without a graph nothing asks for the time before the first alert is read.
    async with running(create_app(wall, graph=None, metrics=Metrics(CollectorRegistry()), now=now)) as app:
        await asyncio.wait_for(app._crashed.wait(), 60)
    assert isinstance(app.crash_reason, Broken)
    assert await asyncio.to_thread(world.lag) == len(lines)


async def test_a_fetch_that_finds_nothing_holds_up_no_other_for_long(world: World) -> None:
    """Faust's 1.5 s, for which the client asks that broker for nothing else, made two workers as slow as one."""
    app = create_app(world.config, graph=None, metrics=Metrics(CollectorRegistry()))
    async with running(app), asyncio.timeout(60):
        while (
            client := getattr(getattr(app.consumer, "_thread", None), "_consumer", None)
        ) is None or client._fetcher is None:
            await asyncio.sleep(0.05)
        assert client._fetcher._fetch_max_wait_ms <= 100


def test_a_worker_ends_in_seconds_although_kafka_hangs(mortal_kafka: Broker, world: World) -> None:
    worker = world.start().wait_ready()
    world.play(storm(faults=1), finish=False)
    mortal_kafka.pause()
    try:
        worker.process.send_signal(signal.SIGTERM)
        # Kubernetes kills after thirty.
        assert worker.process.wait(timeout=28) == 0
    finally:
        mortal_kafka.restart()


def delete(world: World, topic: str) -> None:
    async def ask() -> None:
        async with admin(world.config.kafka) as client:
            await client.delete_topics([topic])
            while topic in await partition_counts(client):
                pass

    asyncio.run(ask())


def test_a_worker_that_was_suspended_past_its_session_does_no_harm_when_it_wakes(world: World) -> None:
    lines = list(storm(faults=60))
    half = len(lines) // 2
    zombie = world.start().wait_ready()
    world.play(lines[:half], finish=False)
    wait_for(world.incidents, "the first incident")
    zombie.process.send_signal(signal.SIGSTOP)
    heir = world.start().wait_ready()
    world.play(lines[half:])
    wait_for(lambda: heir.metric("correlator_events_applied_total") > 0, "the heir does its work")
    zombie.process.send_signal(signal.SIGCONT)
    wait_for(lambda: zombie.get("/ready")[0] == 200 and heir.get("/ready")[0] == 200, "both are in the group")
    world.wait_done()
    assert without_repeats(world.incidents()) == world.expected(lines)


def test_a_topic_that_the_group_did_not_see_is_shared_out_within_seconds(world: World) -> None:
    world.start().wait_ready()
    delete(world, world.config.kafka.events_topic)
    # Who leads the group notices at the next metadata, and shares out what there is.
    wait_for(lambda: '"partitions": [],' in world.log.read_text(), "nothing of the log is assigned")
    world.create_topics()
    lines = list(storm())
    world.play(lines)
    world.wait_done()
    assert without_repeats(world.incidents()) == world.expected(lines)


def test_the_worker_keeps_no_table_and_declares_no_topic(world: World) -> None:
    app = create_app(world.config, graph=None, metrics=Metrics(CollectorRegistry()))
    assert not app.tables.data
    assert app.conf.topic_allow_declare is False
    assert app.conf.stream_wait_empty is False
    assert str(app.conf.processing_guarantee.value) == "at_least_once"
    assert {agent.concurrency for agent in app.agents.values()} == {1}
