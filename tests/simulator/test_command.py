"""The command takes presets, settings and topologies, and refuses what it cannot use with a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from correlator.errors import ConfigError
from correlator.simulator import run
from correlator.simulator.command import written
from correlator.simulator.parameters import overridden
from correlator.simulator.presets import DAY, PRESETS
from correlator.simulator.simulation import simulate
from correlator.simulator.summary import summarise

CONTENTS = {
    "services": [
        {"name": "web", "owner": "front", "tier": 1},
        {"name": "api", "owner": "core"},
        {"name": "db", "kind": "datastore"},
        {"name": "node-1", "kind": "host"},
    ],
    "dependencies": [
        {"from": "web", "to": "api"},
        {"from": "api", "to": "db", "strength": 0.9},
        {"from": "db", "to": "node-1", "type": "runs_on"},
    ],
}


def _topology(folder: Path) -> Path:
    path = folder / "given.json"
    path.write_text(json.dumps(CONTENTS))
    return path


def test_a_given_topology_is_the_true_system(tmp_path: Path) -> None:
    run("day", 1, tmp_path / "out", _topology(tmp_path), ["warm_up_seconds=0"])
    truth = json.loads((tmp_path / "out" / "truth.json").read_text())
    true = {(edge["from"], edge["to"], edge["type"]) for edge in truth["true_dependencies"]}
    assert true == {("web", "api", "calls"), ("api", "db", "calls"), ("db", "node-1", "runs_on")}
    seen = json.loads((tmp_path / "out" / "topology.json").read_text())["services"]
    assert {"name": "web", "kind": "service", "owner": "front", "tier": 1} in seen


def test_the_summary_counts_what_was_written(tmp_path: Path) -> None:
    summary = run("demo", 2, tmp_path, None, [])
    assert summary.events == len((tmp_path / "alerts.jsonl").read_bytes().splitlines())
    assert summary.cases == len(json.loads((tmp_path / "truth.json").read_text())["cases"]) == 4
    assert f"events: {summary.events}" in written(summary)


def test_settings_reach_their_group_and_leave_the_preset_alone() -> None:
    changed = overridden(DAY, ["faults.per_day=5", "couplings.hard_range=0.6,0.7", "seconds=60", "faults.natures=cpu"])
    assert (changed.faults.per_day, changed.couplings.hard_range, changed.seconds) == (5.0, (0.6, 0.7), 60)
    assert changed.faults.natures == ("cpu",)
    assert DAY.faults.per_day != 5.0 and DAY.seconds != 60


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("faults.perday=5", "no such parameter"),
        ("nothing.at=5", "no such parameter"),
        ("faults=5", "no such parameter"),
        ("faults.per_day", "no such parameter"),
        ("faults.per_day=many", "faults.per_day"),
        ("faults.root_pick=worst", "faults.root_pick"),
        ("noise.long_share=1.5", "noise.long_share: must be at most 1"),
        ("noise.tail_sigma=-1", "noise.tail_sigma: must not be negative"),
        ("couplings.soft_range=0.9,0.1", "lies above"),
        ("couplings.soft_range=0.9", "couplings.soft_range"),
        ("shape.services=5", "shape.services"),
        ("delivery.repeat_seconds=0", "delivery.repeat_seconds"),
        ("monitoring.hold_seconds=", "monitoring.hold_seconds"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(setting: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        overridden(DAY, [setting])


def test_all_wrong_settings_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        overridden(DAY, ["a=1", "noise.long_share=2", "b.c=3"])
    assert len(caught.value.problems) == 3


def test_a_fault_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no fault is named 'flood'"):
        run("day", 1, tmp_path, None, ["faults.natures=flood"])
    with pytest.raises(ConfigError, match="no vertex is named 'payments'"):
        run("demo", 1, tmp_path, _topology(tmp_path), [])


def test_a_negative_seed_and_an_unusable_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must not be negative"):
        run("demo", -1, tmp_path, None, [])
    taken = tmp_path / "taken"
    taken.write_text("")
    with pytest.raises(ConfigError, match="taken"):
        run("demo", 1, taken, None, [])


@pytest.mark.parametrize("services", [10, 50, 1000])
def test_systems_of_any_size_can_be_grown(services: int) -> None:
    settings = [f"shape.services={services}", "seconds=3600", "warm_up_seconds=0"]
    summary = summarise(simulate(overridden(PRESETS["day"], settings), seed=1))
    assert summary.services == pytest.approx(services, rel=0.05, abs=4)
    assert summary.dependencies > 2 * services
