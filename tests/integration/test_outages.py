"""Kafka away at the start, killed in between, its disk full: the worker waits, says so, and nothing is lost."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from correlator.devkafka import Broker, free_ports
from tests.brokers import started
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


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own for a broker, small enough to be filled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no disk of its own can be mounted: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte free; return what took them."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file, contextlib.suppress(OSError):
        while True:
            os.write(file.fileno(), bytes(4096))
    return ballast


@pytest.mark.long
def test_a_disk_that_is_full_where_state_and_log_lie_loses_nothing(disk: Path, tmp_path: Path) -> None:
    with started(Broker(properties={"log.dirs": str(disk / "kafka")})) as broker:
        world = World(
            broker.bootstrap_servers,
            tmp_path / "w",
            topology=chain_topology(tmp_path),
            clock="wall",
            tick_interval_seconds=0.2,
        )
        alert = {"status": "firing", "name": "ServiceDown", "severity": "critical", "starts_at": "2024-01-01T00:00:00Z"}

        def page_for(service: str) -> None:
            value = json.dumps({**alert, "id": service, "service": service}).encode()
            world.produce(world.config.kafka.alerts_topic, [value])
            wait_for(lambda: service.encode() in b"".join(world.incidents()), f"{service} is paged for", seconds=120)

        try:
            worker = world.start().wait_ready()
            page_for("s1")
            ballast = fill(disk)
            wait_for(lambda: not broker.pids, "the broker gives up")
            ballast.unlink()
            broker.restart()
            if worker.process.poll() is not None:  # it may fail fast, and is started again then
                worker = world.start()
            worker.wait_ready()
            page_for("elsewhere")
            assert worker.terminate() == 0
            log = [json.loads(line)["value"] for line in world.dump(world.config.kafka.events_topic)]
            parts = [part for record in log for part in record.get("records", [record])]
            assert [event["id"] for part in parts for event in part.get("events", ())] == ["s1", "elsewhere"]
            assert without_repeats(world.incidents()) == world.expected_of_log()
        finally:
            world.close()
