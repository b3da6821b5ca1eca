"""The benchmark command on a tiny stream, with a stand-in for the engine that writes fixed outputs."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.quality import sweep
from benchmarks.quality.__main__ import main
from benchmarks.quality.drawn import drawn_settings, mean_over_systems
from benchmarks.quality.replay import replay_command
from benchmarks.quality.stream import read_stream
from benchmarks.quality.tolerances import Bound, read_tolerances, regressions
from correlator.config import load
from correlator.errors import ConfigError
from correlator.simulator.parameters import overridden
from correlator.simulator.presets import preset
from tests.scoring.test_files import EVENTS, INCIDENT, TRUTH, lines

TOPOLOGY = {
    "services": [{"name": "db"}, {"name": "web"}, {"name": "idle"}, {"name": "other"}],
    "dependencies": [{"from": "web", "to": "db"}],
}

#: Puts every event into one incident, as the command line contract says a replay reports it.
STAND_IN = """#!{python}
import json, shutil, sys
arguments = dict(zip(sys.argv[2::2], sys.argv[3::2]))
if sys.argv[1] == "simulate":
    shutil.copytree({tiny!r}, arguments["--out"], dirs_exist_ok=True)
    sys.exit(arguments["--preset"] != "day")
with open(arguments["--assignments"], "w") as out:
    for line in open(arguments["--alerts"]):
        print(json.dumps({{"event_id": json.loads(line)["id"], "incident_id": "incident-1"}}), file=out)
with open(arguments["--incidents"], "w") as out:
    print({incident!r}, file=out)
"""


@pytest.fixture
def streams(tmp_path: Path) -> Path:
    folder = tmp_path / "streams" / "tiny"
    folder.mkdir(parents=True)
    (folder / "alerts.jsonl").write_bytes(lines(*EVENTS))
    (folder / "truth.json").write_text(json.dumps(TRUTH))
    (folder / "topology.json").write_text(json.dumps(TOPOLOGY))
    return folder.parent


@pytest.fixture
def stand_in(tmp_path: Path, streams: Path) -> str:
    path = tmp_path / "stand-in"
    text = STAND_IN.format(python=sys.executable, incident=json.dumps(INCIDENT), tiny=str(streams / "tiny"))
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def bounds(tmp_path: Path, text: str) -> str:
    path = tmp_path / "tolerances.toml"
    path.write_text(text)
    return str(path)


def test_engine_and_baselines_are_scored_side_by_side(
    streams: Path, stand_in: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    arguments = ["--streams", str(streams), "--baselines", "--correlator", stand_in, "--json", str(out)]
    assert main(arguments) == 0
    document = json.loads(out.read_bytes())
    assert document["provenance"]["command"].startswith("python -m benchmarks.quality --streams")
    (stream,) = document["streams"]
    assert stream["methods"]["correlator"]["figures"]["time_to_page_p50"] == 40
    assert stream["methods"]["correlator"]["figures"]["chance"] == 1 / 4
    assert stream["methods"]["component 1 hop 120 s"]["figures"]["pages"] == 1
    assert stream["methods"]["no grouping"]["figures"]["pages"] == 2
    assert stream["naive"]["topological"] == {"top1": 1.0, "top3": 1.0}
    assert "| correlator " in capsys.readouterr().out


def test_a_regression_names_figure_bound_and_value_and_fails(
    streams: Path, stand_in: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--streams", str(streams), "--correlator", stand_in, "--check", "--tolerances"]
    assert main([*arguments, bounds(tmp_path, "[tiny]\ntop1 = { min = 1.0 }\npages = { max = 1 }\n")]) == 0
    assert main([*arguments, bounds(tmp_path, "[tiny]\ntime_to_page_p50 = { max = 30 }\n")]) == 1
    assert capsys.readouterr().err == "tiny: time_to_page_p50 is 40, above its maximum 30\n"


def test_a_failing_command_speaks_for_itself(streams: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken"
    broken.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('no such thing')\n")
    broken.chmod(0o755)
    assert main(["--streams", str(streams), "--correlator", str(broken)]) == 1
    assert "exit 1\nno such thing" in capsys.readouterr().err


def test_an_unknown_stream_is_refused(streams: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--streams", str(streams), "--stream", "missing", "--no-engine"]) == 2
    assert "no labelled stream missing here" in capsys.readouterr().err
    assert main(["--streams", str(streams / "tiny"), "--no-engine"]) == 2


def test_a_sweep_has_a_row_for_what_is_varied_and_for_whom(stand_in: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--seeds", "1", "2", "--beside", "component 1 hop 120 s", "--correlator", stand_in]
    assert sweep.main([*arguments, "--only", "placement", "--only", "one hop"]) == 0
    rows = [line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    unplaced = "world: no placement known"
    assert rows[2:] == [unplaced, f"{unplaced}; component 1 hop 120 s", "engine: one hop"]
    assert sweep.main([*arguments, "--only", "placement", "--beside", "reading tea leaves"]) == 2
    assert sweep.main([*arguments, "--only", "the weather"]) == 2
    assert sweep.main([*arguments, "--only", "placement", "--simulate", "night"]) == 1


@pytest.mark.parametrize("variation", sweep.VARIATIONS, ids=lambda variation: variation.what)
def test_what_a_sweep_varies_is_a_setting_and_not_the_default(variation: sweep.Variation) -> None:
    world = overridden(preset("day"), variation.world)
    engine = load(None, variation.engine, {})
    assert (world != preset("day")) == bool(variation.world)
    assert (engine != load(None, (), {})) == bool(variation.engine)


def test_bounds_fall_back_to_the_preset_of_a_simulated_stream() -> None:
    tolerances = {"day": {"top1": Bound(min=0.5)}, "day-7": {"top1": Bound(min=0.1)}}
    assert list(regressions("day-6", {"top1": 0.4}, tolerances)) == ["day-6: top1 is 0.4, below its minimum 0.5"]
    assert list(regressions("day-7", {"top1": 0.4}, tolerances)) == []
    assert list(regressions("other", {"top1": 0.0}, tolerances)) == []


def test_a_bound_on_what_has_no_value_or_does_not_exist_cannot_pass_unseen() -> None:
    tolerances = {"tiny": {"ece_end": Bound(max=0.1), "tpo1": Bound(min=0.5)}}
    assert list(regressions("tiny", {"ece_end": None}, tolerances)) == [
        "tiny: ece_end has no value, and a bound",
        "tiny: tpo1 is no figure of the score",
    ]


def test_a_tolerance_that_is_no_bound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="minimum"):
        read_tolerances(Path(bounds(tmp_path, "[tiny]\ntop1 = { minimum = 0.5 }\n")))


def test_a_coarse_stream_is_replayed_with_the_wider_window(streams: Path, tmp_path: Path) -> None:
    fine = replay_command("correlator", read_stream(streams / "tiny"), tmp_path, [])
    assert "--set" not in fine
    times = [f"2026-01-01T00:{minute:02}:00Z" for minute in (0, 5, 10)]
    events = [EVENTS[0] | {"id": f"e{number}", "starts_at": time} for number, time in enumerate(times)]
    (streams / "tiny" / "alerts.jsonl").write_bytes(lines(*events))
    coarse = replay_command("correlator", read_stream(streams / "tiny"), tmp_path, ["hold_max_seconds=5"])
    assert coarse[-4:] == ["--set", "correlation_window_seconds=900", "--set", "hold_max_seconds=5"]


@pytest.mark.parametrize("seed", range(40))
def test_every_drawn_system_is_one_that_the_simulator_takes(seed: int) -> None:
    settings = drawn_settings(seed)
    assert settings == drawn_settings(seed)
    assert settings != drawn_settings(seed + 1)
    assert 12 <= overridden(preset("day"), settings).shape.services <= 300


def test_a_mean_over_systems_lies_between_its_bounds_and_systems_without_a_value_do_not_count() -> None:
    assert mean_over_systems([None, None]) is None
    assert mean_over_systems([0.5, None, 0.5]) == (0.5, 0.5, 0.5)
    found = mean_over_systems([number / 20 for number in range(21)])
    assert found is not None
    mean, low, high = found
    assert mean == pytest.approx(0.5)
    # Of 21 values of this spread the mean has a standard error of .066; nine tenths are within 1.64 of them.
    assert low == pytest.approx(0.5 - 1.64 * 0.066, abs=0.02)
    assert high == pytest.approx(0.5 + 1.64 * 0.066, abs=0.02)


def test_simulated_systems_come_with_their_mean(
    streams: Path, stand_in: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = streams / "tiny"
    simulating = f"""#!{sys.executable}
import os, shutil, sys
if sys.argv[1] == "simulate":
    assert any(word.startswith("shape.services=") for word in sys.argv)
    shutil.copytree({str(tiny)!r}, sys.argv[sys.argv.index("--out") + 1])
else:
    os.execv({stand_in!r}, [{stand_in!r}, *sys.argv[1:]])
"""
    command = tmp_path / "simulating"
    command.write_text(simulating)
    command.chmod(0o755)
    assert main(["--simulate", "day", "--drawn", "--seeds", "3", "4", "--correlator", str(command)]) == 0
    said = capsys.readouterr().out
    assert "## day-drawn-3" in said
    assert "## day-drawn-4" in said
    assert "## Mean of 2 systems" in said
    of_one, of_other, mean = (line.split("|")[2:] for line in said.splitlines() if line.startswith("| correlator"))
    assert [cell.strip() for cell in of_one] == [cell.strip() for cell in of_other]
    assert float(mean[0]) == float(of_one[0])
