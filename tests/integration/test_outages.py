"""Kafka away at the start, and killed in between: the worker waits, says so, and nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from correlator.devkafka import Broker, free_ports
from tests.integration.workers import World, chain_topology, storm, wait_for, without_repeats


@pytest.mark.long
def test_kafka_away_at_the_start_and_killed_in_between(kafka: Broker, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    lines = list(storm(faults=30))
    third = len(lines) // 3
    world = World(f"127.0.0.1:{port}", tmp_path / "w", topology=chain_topology(tmp_path), create=False)
    try:
        worker = world.start()
        wait_for(lambda: world.log.read_text().count("Kafka is not ready") >= 3, "it says that it waits")
        assert worker.get("/health")[0] == 200
        status, body = worker.get("/ready")
        assert (status, json.loads(body)["reason"]) == (503, "waiting for Kafka")
        with Broker(port=port) as broker:
            wait_for(lambda: "correlator topics" in world.log.read_text(), "it names the missing topics")
            world.create_topics()
            worker.wait_ready()
            world.play(lines[:third], finish=False)
            wait_for(lambda: worker.metric("correlator_events_applied_total") > 0, "it works")
            broker.kill()
            broker.restart()
            world.play(lines[third : 2 * third], finish=False)
            world.wait_done(seconds=180)
            broker.kill()
            broker.restart()
            world.play(lines[2 * third :])
            world.wait_done(seconds=180)
            assert worker.process.poll() is None, "the worker outlives the outages"
            assert without_repeats(world.incidents()) == world.expected(lines)
            assert worker.terminate() == 0
        said = [line for line in world.log.read_text().splitlines() if '"level": "error"' in line]
        assert len(said) < 40, "an outage is no flood of lines"
    finally:
        world.close()
