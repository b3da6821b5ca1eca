"""The same parameters and seed give the same bytes; features draw independently of each other."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from correlator.simulator.draws import Streams
from correlator.simulator.parameters import overridden
from correlator.simulator.presets import DEMO, PRESETS
from correlator.simulator.simulation import Simulation, simulate
from correlator.simulator.writing import write

FILES = ("alerts.jsonl", "topology.json", "truth.json")

#: Of alerts, topology and truth of the demo with seed 1; they change only with a release note.
DEMO_DIGESTS = ["98cab3c43e91e7a5", "df2fa5e3b63e1ab0", "b0a6934ba77507c7"]

_PROGRAM = """
import sys
from pathlib import Path
from correlator.simulator import run
run(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), None, sys.argv[4:])
"""


def _digests(folder: Path) -> list[str]:
    return [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES]


def _in_own_process(folder: Path, hash_seed: str, *arguments: str) -> list[str]:
    subprocess.run(
        [sys.executable, "-c", _PROGRAM, arguments[0], arguments[1], str(folder), *arguments[2:]],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        cwd=Path(__file__).parents[2],
    )
    return _digests(folder)


@pytest.mark.parametrize("settings", [("demo", "3"), ("day", "3", "shape.services=60", "warm_up_seconds=0")])
def test_files_are_the_same_bytes_whatever_the_hash_seed(tmp_path: Path, settings: tuple[str, ...]) -> None:
    assert _in_own_process(tmp_path / "one", "1", *settings) == _in_own_process(tmp_path / "two", "4711", *settings)


def test_the_demo_is_the_one_that_was_fixed(tmp_path: Path) -> None:
    """Notice a machine, a numpy or a change of presets that draws otherwise: results would no longer compare."""
    write(simulate(DEMO, seed=1), tmp_path)
    assert [digest[:16] for digest in _digests(tmp_path)] == DEMO_DIGESTS


def test_two_runs_in_one_process_are_equal(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(simulate(DEMO, seed=5), tmp_path / name)
    assert _digests(tmp_path / "one") == _digests(tmp_path / "two")


def test_seeds_differ_in_all_that_is_drawn() -> None:
    first, second = simulate(DEMO, seed=1), simulate(DEMO, seed=2)
    assert [rule.threshold for rule in first.rules] != [rule.threshold for rule in second.rules]
    assert [link.weight for link in first.system.links] != [link.weight for link in second.system.links]
    assert first.topology != second.topology
    assert [one.observed_at for one in first.dispatches] != [one.observed_at for one in second.dispatches]


def test_generated_systems_differ_by_seed() -> None:
    systems = [simulate(PRESETS["cascade"], seed=seed).system for seed in (1, 2)]
    assert systems[0].by_name.keys() != systems[1].by_name.keys()


def test_a_stream_depends_on_its_name_alone() -> None:
    streams = Streams(9)
    before = streams.of("a", "b").random(5).tolist()
    streams.of("something", "else").random(100)
    assert streams.of("a", "b").random(5).tolist() == before
    assert streams.of("ab").random(5).tolist() != before
    assert Streams(10).of("a", "b").random(5).tolist() != before


def _happened(simulation: Simulation) -> object:
    return simulation.faults, simulation.rules, simulation.system.links, simulation.topology


@pytest.mark.parametrize(
    "setting",
    ["noise.episodes_per_service_day=0", "noise.deploys_per_service_day=0", "delivery.late_share=0.5"],
)
def test_switching_noise_or_delivery_changes_neither_faults_nor_rules_nor_graph(setting: str) -> None:
    assert _happened(simulate(DEMO, seed=4)) == _happened(simulate(overridden(DEMO, [setting]), seed=4))


def test_load_links_leave_the_strengths_of_all_links_alone() -> None:
    one = simulate(overridden(DEMO, ["couplings.load_share=0"]), seed=4).system.links
    other = simulate(overridden(DEMO, ["couplings.load_share=1"]), seed=4).system.links
    assert [(link.weight, link.delay_ms) for link in one] == [(link.weight, link.delay_ms) for link in other]
    assert any(link.load for link in other)
