"""Explanations out of the topics in Kafka, as an operator asks for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from correlator.devkafka import Broker
from tests.integration.workers import World, chain_topology, storm
from tests.test_cli import correlator


@pytest.fixture
def world(kafka: Broker, tmp_path: Path) -> Iterator[World]:
    world = World(kafka.bootstrap_servers, tmp_path / "world", topology=chain_topology(tmp_path))
    yield world
    world.close()


def test_what_workers_published_is_explained_from_the_topics_as_it_was_published(world: World) -> None:
    world.start().wait_ready()
    world.play(list(storm(faults=2)))
    world.wait_done()
    last = json.loads(world.incidents()[-1])
    done = correlator("explain", last["incident_id"], "--config", world.file, "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["revision"], found["root"]) == (last["revision"], last["root_cause"]["service"])
    assert found["as_published"] is True
    assert found["versions"] == last["versions"]
    assert {member["service"] for member in found["members"]} == set(last["services"])
    fingerprint = last["alerts"]["sample"][0]["fingerprint"]
    fate = json.loads(correlator("explain", "--alert", fingerprint, "--config", world.file, "--format", "json").stdout)
    assert (fate["fingerprint"], fate["incident_id"]) == (fingerprint, last["incident_id"])


def test_an_incident_that_kafka_does_not_know_is_one_clear_sentence(world: World) -> None:
    world.start().wait_ready()
    world.play(list(storm(faults=1)))
    world.wait_done()
    done = correlator("explain", "nothing", "--config", world.file)
    assert done.returncode == 1 and done.stderr == b"error: no incident nothing comes of this input\n"
