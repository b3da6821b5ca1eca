"""A report of a real topic is that of its events in a file."""

from __future__ import annotations

from pathlib import Path

import msgspec
from click.testing import CliRunner

from correlator.cli import cli
from correlator.devkafka import Broker
from correlator.domain import Action
from tests.integration.workers import World
from tests.report.making import HOUR, MONDAY, event


def test_a_report_from_kafka_is_that_from_a_file(kafka: Broker, tmp_path: Path) -> None:
    world = World(kafka.bootstrap_servers, tmp_path)
    events = [event(), event(revision=2, action=Action.RESOLVED, at=MONDAY + HOUR, opened_at=MONDAY)]
    values = [msgspec.json.encode(one) for one in events]
    world.produce(world.config.kafka.incidents_topic, values, key=b"incident-1")
    (tmp_path / "incidents.jsonl").write_bytes(b"\n".join(values))

    def told(*arguments: str | Path) -> bytes:
        done = CliRunner().invoke(cli, ["report", "--format", "json", *map(str, arguments)])
        assert done.exit_code == 0, done.output
        return done.stdout_bytes

    from_kafka = told("--kafka", "--config", world.file)
    assert from_kafka == told("--incidents", tmp_path / "incidents.jsonl")
    assert msgspec.json.decode(from_kafka)["pages"] == 1
