"""The model of running workers: what the log says decides, for every partition, every successor and every replay."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

import pytest

from correlator import rankers, warm
from correlator.devkafka import Broker
from correlator.replay import LogReplay, Replay
from correlator.sinks import Sinks
from models.artifact import Provenance
from tests.integration.workers import World, chain_topology, storm, wait_for, without_repeats

SHIPPED = rankers.version(rankers.chosen(rankers.SHIPPED))
PLAIN = rankers.version(None)
SCOPES = ("a", "b", "c", "d")


@pytest.fixture
def world(kafka: Broker, tmp_path: Path) -> Iterator[World]:
    world = World(kafka.bootstrap_servers, tmp_path / "world", topology=chain_topology(tmp_path), partitions=2)
    yield world
    world.close()


def named(world: World, kind: str) -> dict[int, list[str]]:
    """Return the versions of a kind that each partition of the log names, one after the other."""
    found: dict[int, list[str]] = defaultdict(list)
    for line in world.dump(world.config.kafka.events_topic):
        record = json.loads(line)
        if record["value"]["type"] == kind:
            found[record["partition"]].append(record["value"]["version"])
    return found


def announced(world: World) -> dict[int, list[str]]:
    return named(world, "model")


def replayed(world: World) -> list[bytes]:
    """Return the incident events of the log as someone reads it who has no model at all."""
    out = BytesIO()
    run = LogReplay(world.config, [world.graph], Sinks(out))
    for number, line in enumerate(world.dump(world.config.kafka.events_topic), start=1):
        run.feed(number, line)
    run.finish()
    return out.getvalue().splitlines()


def models(told: Iterable[bytes]) -> set[str]:
    return {json.loads(value)["versions"]["model"] for value in told}


def test_a_model_reaches_every_partition_in_order_and_every_replay(world: World) -> None:
    first = world.start().wait_ready()
    world.play(list(storm(faults=2, scopes=SCOPES)))
    world.wait_done()
    assert announced(world) == {0: [SHIPPED], 1: [SHIPPED]}
    told = world.incidents()  # again and again, since the topic is compacted
    assert models(told) == {SHIPPED}

    # One worker after the other changes its model: half of the partitions go by each for a while.
    second = world.start("worker.model=none").wait_ready()
    wait_for(lambda: sorted(map(len, announced(world).values())) == [1, 2], "one partition has the other model")
    world.play(list(storm(faults=2, scopes=SCOPES, start=1_700_002_000)))
    world.wait_done()
    told += world.incidents()
    assert models(told) == {SHIPPED, PLAIN}
    assert first.terminate() == 0
    wait_for(lambda: announced(world) == {0: [SHIPPED, PLAIN], 1: [SHIPPED, PLAIN]}, "both have")

    # Who takes over knows the model from the snapshot, and names none again.
    world.wait_done()
    second.kill()
    world.start("worker.model=none").wait_ready()
    world.play(list(storm(faults=2, scopes=SCOPES, start=1_700_004_000)))
    world.wait_done()
    assert announced(world) == {0: [SHIPPED, PLAIN], 1: [SHIPPED, PLAIN]}
    assert sorted(replayed(world)) == sorted(without_repeats(told + world.incidents()))


def test_scopes_begin_warm_and_so_they_do_in_every_replay(world: World, tmp_path: Path) -> None:
    history = Replay(world.config, world.graph, Sinks())
    for number, line in enumerate(storm(faults=6, scopes=SCOPES), start=1):
        history.feed(number, line)
    history.finish()
    learned = history.learned()
    warm.save(learned, Provenance(data=[], command="", code_version=""), tmp_path / "warm")

    world.start(f"worker.warm={tmp_path / 'warm'}").wait_ready()
    assert sum(map(len, named(world, "warm").values())) == len(SCOPES)
    world.play(list(storm(faults=2, scopes=(*SCOPES, "new"), start=1_700_004_000)))
    world.wait_done()
    told = world.incidents()
    warmed = dict.fromkeys(SCOPES, f"{SHIPPED}+{learned.version}")
    assert {(event["scope"], event["versions"]["model"]) for event in map(json.loads, told)} == {
        *warmed.items(), ("new", SHIPPED)
    }  # fmt: skip
    assert sorted(replayed(world)) == sorted(without_repeats(told))
