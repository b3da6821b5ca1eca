"""Workers against a real Kafka: what they publish is what an uninterrupted run would have published."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from correlator.devkafka import Broker
from correlator.formats import log
from correlator.shell.kafka import admin, partition_counts
from tests.integration.workers import SHARED, World, chain_topology, storm, wait_for, without_repeats

Make = Callable[..., World]


@pytest.fixture
def make(kafka: Broker, tmp_path: Path) -> Iterator[Make]:
    worlds: list[World] = []

    def new(**options: Any) -> World:
        world = World(kafka.bootstrap_servers, tmp_path / str(len(worlds)), **options)
        worlds.append(world)
        return world

    yield new
    for world in worlds:
        world.close()


@pytest.fixture
def world(make: Make, tmp_path: Path) -> World:
    return make(topology=chain_topology(tmp_path))


def test_what_is_published_is_what_replays_give_byte_for_byte(world: World) -> None:
    lines = list(storm())
    world.start().wait_ready()
    world.play(lines)
    world.wait_done()
    published = world.incidents()
    assert len(published) >= 12
    assert published == world.expected_of_log()
    assert published == world.expected(lines)
    assert world.rejected() == []


def test_a_recorded_day_of_a_real_system_gives_the_incidents_of_its_replay(make: Make) -> None:
    data = SHARED / "online-boutique"
    if not data.is_dir():
        pytest.skip(f"{data} is not there")
    world = make(topology=data / "topology.json")
    lines = (data / "alerts.jsonl").read_bytes().splitlines()
    world.start().wait_ready()
    world.play(lines)
    world.wait_done()
    assert world.incidents() == world.expected_of_log() == world.expected(lines)


@pytest.mark.parametrize("signum", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_an_interrupted_run_tells_the_same_as_an_uninterrupted_one(world: World, signum: int) -> None:
    lines = list(storm(faults=120))
    world.play(lines)
    for _ in range(3):
        told = len(world.incidents())
        worker = world.start()
        wait_for_more(world, told)
        if signum == signal.SIGTERM:
            worker.wait_ready()  # one that is still starting ends as any process does
        worker.process.send_signal(signum)
        assert worker.process.wait(timeout=30) == (0 if signum == signal.SIGTERM else -signal.SIGKILL)
    world.start().wait_ready()
    world.wait_done()
    published = world.incidents()
    assert without_repeats(published) == world.expected(lines)


def test_incidents_survive_a_restart_although_nothing_comes_meanwhile(world: World) -> None:
    lines = list(storm(faults=1))
    firing, resolved = lines[: len(lines) // 2], lines[len(lines) // 2 :]
    first = world.start().wait_ready()
    world.play(firing, finish=False)
    # The first resolve brings the time at which the hold is over.
    world.play(resolved[:1], finish=False)
    wait_for(lambda: world.incidents(), "the incident is opened")
    world.wait_done()
    assert first.terminate() == 0
    second = world.start().wait_ready()
    assert second.metric('correlator_incidents_open{severity="critical"}') == 1
    assert second.metric("correlator_events_applied_total") == 0
    world.play(resolved[1:])
    world.wait_done()
    assert world.incidents() == world.expected(lines)


def test_a_worker_that_joins_and_one_that_dies_lose_nothing(make: Make, tmp_path: Path) -> None:
    scopes = [f"scope-{number}" for number in range(8)]
    world = make(topology=chain_topology(tmp_path), partitions=4)
    lines = list(storm(faults=60, scopes=scopes))
    half = len(lines) // 2
    first = world.start().wait_ready()
    world.play(lines[:half], finish=False)
    wait_for(world.incidents, "the first incident")
    second = world.start()
    wait_for(lambda: second.get("/ready")[0] == 200 and first.get("/ready")[0] == 200, "both have partitions")
    world.play(lines[half:])
    wait_for(lambda: second.metric("correlator_events_applied_total") > 0, "the second takes part")
    first.kill()
    world.wait_done()
    told = without_repeats(world.incidents())
    expected = without_repeats(world.expected_of_log())
    assert sorted(told) == sorted(expected)
    opened = {json.loads(value)["incident_id"] for value in told}
    resolved = {json.loads(value)["incident_id"] for value in told if json.loads(value)["status"] == "resolved"}
    assert opened == resolved
    assert len(opened) >= len(scopes) * 60


def test_a_worker_beyond_the_partitions_stands_by_and_takes_over(world: World) -> None:
    workers = [world.start().wait_ready() for _ in range(2)]
    lines = list(storm())
    half = len(lines) // 2
    world.play(lines[:half], finish=False)
    wait_for(world.incidents, "the first incident")
    applied = [worker.metric("correlator_events_applied_total") for worker in workers]
    assert sorted(applied)[0] == 0 < sorted(applied)[1]
    standby = workers[applied.index(0)]
    workers[1 - applied.index(0)].kill()
    world.play(lines[half:])
    wait_for(lambda: standby.metric("correlator_events_applied_total") > 0, "the standby takes over")
    world.wait_done()
    assert without_repeats(world.incidents()) == world.expected_of_log()


# -- each of these closes a trap of the libraries ---------------------------------------------------------------


def test_a_committed_offset_beyond_the_snapshot_skips_nothing(world: World) -> None:
    lines = list(storm())
    third = len(lines) // 3
    first = world.start().wait_ready()
    world.play(lines[:third], finish=False)
    world.wait_done()
    assert first.terminate() == 0
    # What this one applies is in no snapshot, and yet committed by hand: as by a successor whose snapshot got lost.
    second = world.start("worker.snapshot_interval_seconds=1000").wait_ready()
    world.play(lines[third : 2 * third], finish=False)
    wait_for(lambda: second.metric("correlator_events_applied_total") == third, "all is applied")
    second.kill()
    events = world.config.kafka.events_topic
    world.commit(events, {0: len(world.dump(events))})
    told = len(world.incidents())
    world.start().wait_ready()
    wait_for(lambda: len(world.incidents()) > told, "what was in no snapshot is told again")
    world.play(lines[2 * third :])
    world.wait_done()
    assert without_repeats(world.incidents()) == world.expected(lines)


def test_a_snapshot_beyond_the_committed_offset_does_not_stop_commits(world: World) -> None:
    lines = list(storm())
    half = len(lines) // 2
    first = world.start().wait_ready()
    world.play(lines[:half], finish=False)
    world.wait_done()
    assert first.terminate() == 0
    world.commit(world.config.kafka.events_topic, {0: 1})
    world.start().wait_ready()
    world.play(lines[half:])
    world.wait_done()
    assert world.incidents() == world.expected(lines)


def test_what_is_forwarded_twice_is_applied_once(world: World) -> None:
    lines = list(storm())
    first = world.start().wait_ready()
    world.play(lines[:10], finish=False)
    world.wait_done()
    first.kill()
    # As if the worker had died before it committed what it forwarded; the log then holds it twice.
    before = forwarded(world)
    world.commit(world.config.kafka.alerts_topic, {0: 0})
    second = world.start().wait_ready()
    wait_for(lambda: forwarded(world) >= before + 10, "it is forwarded again")
    world.wait_done()
    world.play(lines[10:])
    world.wait_done()
    assert world.incidents() == world.expected(lines)
    assert second.metric("correlator_log_repeats_total") == 10


def test_a_foreign_record_in_the_log_is_set_aside_and_the_rest_goes_on(world: World) -> None:
    lines = list(storm())
    worker = world.start().wait_ready()
    world.produce(world.config.kafka.events_topic, [b'{"type": "unheard of"}', b"\x00\xff", b""])
    world.play(lines)
    world.wait_done()
    assert world.incidents() == world.expected(lines) == world.expected_of_log()
    letters = world.rejected()
    assert [value for _, value in letters] == [b'{"type": "unheard of"}', b"\x00\xff", b""]
    assert {headers["reason"] for headers, _ in letters} == {"not_a_log_record"}
    assert worker.metric('correlator_dead_letters_total{reason="not_a_log_record"}') == 3


def test_a_send_that_fails_ends_the_worker_and_its_successor_tells_all(world: World) -> None:
    lines = list(storm())
    incidents = world.config.kafka.incidents_topic
    alter(world, incidents, {"max.message.bytes": "200"})
    worker = world.start().wait_ready()
    world.play(lines)
    assert worker.process.wait(timeout=60) == 1
    assert '"worker fails"' in world.log.read_text()
    assert world.incidents() == []
    alter(world, incidents, {"max.message.bytes": "1000000"})
    world.start().wait_ready()
    world.wait_done()
    assert world.incidents() == world.expected(lines)


def test_a_log_made_anew_is_read_from_its_beginning(world: World) -> None:
    lines = list(storm())
    half = len(lines) // 2
    first = world.start().wait_ready()
    world.play(lines[:half], finish=False)
    world.wait_done()
    assert first.terminate() == 0
    recreate(world, world.config.kafka.events_topic)
    world.start().wait_ready()
    world.play(lines[half:])
    world.wait_done()
    assert without_repeats(world.incidents()) == world.expected(lines)


def test_by_the_wall_clock_time_goes_on_by_itself(make: Make, tmp_path: Path) -> None:
    world = make(topology=chain_topology(tmp_path), clock="wall", tick_interval_seconds=0.2)
    worker = world.start().wait_ready()
    alert = {"id": "a", "status": "firing", "name": "ServiceDown", "service": "s1", "severity": "critical"}
    alert["starts_at"] = "2024-01-01T00:00:00Z"
    years_ahead = 4_000_000_000_000
    values = [json.dumps(alert).encode(), json.dumps({**alert, "id": "b"}).encode()]
    world.produce(world.config.kafka.alerts_topic, values[:1], timestamp_ms=years_ahead)
    world.produce(world.config.kafka.alerts_topic, values[1:], timestamp_ms=1)
    opened = json.loads(wait_for(world.incidents, "the incident is opened")[0])
    assert opened["action"] == "opened"
    records = [json.loads(line)["value"] for line in world.dump(world.config.kafka.events_topic)]
    assert {record["type"] for record in records} <= {"topology", "model", "tick", "alerts", "batch"}
    assert "tick" in {record["type"] for record in records}
    parts = [part for record in records for part in record.get("records", [record])]
    assert all(part["at"] < years_ahead for part in parts)
    assert abs(worker.metric('correlator_watermark_delay_seconds{partition="0"}')) < 60
    assert worker.terminate() == 0
    assert world.incidents() == world.expected_of_log()


@pytest.mark.long
@pytest.mark.parametrize("off", [86_400, -86_400])
def test_a_worker_whose_clock_is_a_day_off_pages_and_leaves_time_where_it_belongs(
    make: Make, tmp_path: Path, off: int
) -> None:
    world = make(topology=chain_topology(tmp_path), clock="wall", tick_interval_seconds=0.2)
    alert = {"status": "firing", "name": "ServiceDown", "severity": "critical", "starts_at": "2024-01-01T00:00:00Z"}

    def opened(service: str) -> dict[str, Any]:
        values = [json.dumps({**alert, "id": service, "service": service}).encode()]
        world.produce(world.config.kafka.alerts_topic, values)
        events = wait_for(
            lambda: [event for event in map(json.loads, world.incidents()) if service in str(event["root_cause"])],
            f"the incident of {service} is opened",
            # Where a clock was ahead, time stands still until the others have made up for its minute.
            seconds=150,
        )
        return dict(events[0])

    first = world.start().wait_ready()
    wait_for(lambda: b'"tick"' in b"".join(world.dump(world.config.kafka.events_topic)), "the first tick")
    assert first.terminate() == 0
    before = time.time()
    wrong = world.start(clock_off=off).wait_ready()
    told = opened("s1")
    direction = "ahead" if off > 0 else "behind"
    assert wrong.metric(f'correlator_clock_disagreements_total{{direction="{direction}"}}') > 0
    published = datetime.fromisoformat(told["published_at"]).timestamp()
    assert before - 60 <= published <= time.time() + 61
    assert wrong.terminate() == 0
    right = world.start().wait_ready()
    opened("elsewhere")
    delay = 'correlator_watermark_delay_seconds{partition="0"}'
    wait_for(lambda: abs(right.metric(delay)) < 5, "time is where it belongs")
    assert right.terminate() == 0
    assert without_repeats(world.incidents()) == world.expected_of_log()


def test_the_log_is_what_the_contract_says(world: World) -> None:
    world.start().wait_ready()
    world.play(storm(faults=1))
    world.wait_done()
    records = [json.loads(line) for line in world.dump(world.config.kafka.events_topic)]
    assert [record["offset"] for record in records] == list(range(len(records)))
    first = log.decode(json.dumps(records[0]["value"]).encode())
    assert first == log.TopologyVersion(at=0, version=world.graph.version)


def forwarded(world: World) -> int:
    """Return how many messages stand in the log; one record may hold several."""
    records = [json.loads(line)["value"] for line in world.dump(world.config.kafka.events_topic)]
    return sum(len(record["records"]) if record["type"] == "batch" else 1 for record in records)


def wait_for_more(world: World, told: int) -> None:
    wait_for(lambda: len(world.incidents()) > told or world.lag() == 0, "something more is told")


def alter(world: World, topic: str, settings: dict[str, str]) -> None:
    async def change() -> None:
        async with admin(world.config.kafka) as client:
            await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, settings)])

    asyncio.run(change())


def recreate(world: World, topic: str) -> None:
    async def delete() -> None:
        async with admin(world.config.kafka) as client:
            await client.delete_topics([topic])
            while topic in await partition_counts(client):
                pass

    asyncio.run(delete())
    world.create_topics()
