"""The files are what the contracts say, and what the project's own readers accept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from correlator.formats.canonical import parse
from correlator.scoring.inputs import read_alerts, read_truth
from correlator.simulator.presets import PRESETS
from correlator.simulator.simulation import Simulation, simulate
from correlator.simulator.writing import write
from topology.sources import file as topology_file

CONTRACTS = Path(__file__).parents[3] / "shared" / "contracts"


@pytest.fixture(scope="module")
def folder(small_day: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small-day")
    write(small_day, path)
    return path


def _validator(name: str) -> jsonschema.Draft202012Validator:
    path = CONTRACTS / name
    if not path.exists():
        pytest.skip(f"the contract {name} is not beside the repository, in {CONTRACTS}")
    schema = json.loads(path.read_text())
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_event_is_valid_against_the_alert_schema(folder: Path) -> None:
    validator = _validator("alert-event.schema.json")
    events = _lines(folder / "alerts.jsonl")
    assert len(events) > 1000
    assert [error.message for event in events for error in validator.iter_errors(event)] == []


def test_the_topology_is_valid_against_its_schema(folder: Path) -> None:
    document = json.loads((folder / "topology.json").read_text())
    assert [error.message for error in _validator("topology.schema.json").iter_errors(document)] == []


@pytest.mark.parametrize("name", sorted(PRESETS.keys() - {"storm-100k", "day"}))
def test_every_preset_writes_files_that_our_own_readers_accept(name: str, tmp_path: Path) -> None:
    write(simulate(PRESETS[name], seed=11), tmp_path)
    alerts = read_alerts(tmp_path / "alerts.jsonl")
    truth = read_truth(tmp_path / "truth.json")
    graph = topology_file.load(tmp_path / "topology.json")
    assert alerts and truth.cases and len(graph)
    assert truth.labels.keys() <= {alert.event_id for alert in alerts}
    assert truth.scored_from == PRESETS[name].scored_from
    for line in (tmp_path / "alerts.jsonl").read_bytes().splitlines():
        parse(line)


def test_events_stand_in_order_of_arrival_under_distinct_ids(folder: Path) -> None:
    events = _lines(folder / "alerts.jsonl")
    arrivals = [event["observed_at"] for event in events]
    assert arrivals == sorted(arrivals)
    assert len({event["id"] for event in events}) == len(events)


def test_no_event_tells_what_only_the_truth_may_know(folder: Path) -> None:
    truth = json.loads((folder / "truth.json").read_text())
    text = (folder / "alerts.jsonl").read_text() + (folder / "topology.json").read_text()
    ids = {event["id"] for event in _lines(folder / "alerts.jsonl")}
    for case in truth["cases"]:
        assert f'"{case["case"]}"' not in text
        assert case["case"] not in ids
    assert '"strength"' not in text and '"coupling"' not in text
