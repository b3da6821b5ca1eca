"""`correlator train`, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from correlator import rankers, warm
from correlator.errors import ConfigError
from models import artifact
from tests.test_cli import TOPOLOGY, correlator
from tests.test_replay import clock, line


def recorded(folder: Path, roots: list[str]) -> Path:
    """Write a labelled stream: one failure an hour, its root first and its dependents after it."""
    callers = {"db": ["api", "web"], "api": ["web"], "web": []}
    lines, labels, cases = [], {}, []
    for number, root in enumerate(roots):
        begin, case = number * 60.0, f"case-{number}"
        cases.append({"case": case, "start": clock(begin), "roots": [root]})
        for place, service in enumerate([root, *callers[root]]):
            name, minute = f"{case}-{service}", begin + place / 10
            labels[name] = case
            lines.append((minute, line(service, minute, id=name)))
            lines.append((minute + 10, line(service, minute + 10, "resolved", started=minute, id=f"{name}-end")))
    folder.mkdir()
    (folder / "alerts.jsonl").write_bytes(b"\n".join(text for _, text in sorted(lines)) + b"\n")
    (folder / "topology.json").write_text(json.dumps(TOPOLOGY))
    (folder / "truth.json").write_text(json.dumps({"cases": cases, "labels": labels}))
    return folder


@pytest.fixture
def streams(tmp_path: Path) -> list[str]:
    first = recorded(tmp_path / "first", ["db", "api", "db", "web", "api"])
    second = recorded(tmp_path / "second", ["api", "db", "web", "db"])
    return ["--labelled", str(first), "--labelled", f"shop={second}"]


def test_a_model_is_made_with_its_scores_twice_the_same_and_replay_takes_it(tmp_path: Path, streams: list[str]) -> None:
    for name in ("one", "two"):
        done = correlator("train", "--out", tmp_path / name, *streams)
        assert done.returncode == 0, done.stderr
    one, two = ((tmp_path / name / artifact.RANKER_FILE).read_bytes() for name in ("one", "two"))
    assert one == two
    model = artifact.load(tmp_path / "one")
    assert {"first", "shop"} <= model.provenance.scores.keys()
    assert "--labelled shop=" in model.provenance.command
    alerts, incidents = tmp_path / "first" / "alerts.jsonl", tmp_path / "incidents.jsonl"
    replay = ("replay", "--alerts", alerts, "--topology", tmp_path / "first" / "topology.json")
    assert correlator(*replay, "--model", tmp_path / "one", "--incidents", incidents).returncode == 0
    versions = {json.loads(text)["versions"]["model"] for text in incidents.read_text().splitlines()}
    assert versions == {artifact.version(model)}


def test_a_history_gives_a_warm_start_that_replay_takes(tmp_path: Path, streams: list[str]) -> None:
    alerts, topology = tmp_path / "first" / "alerts.jsonl", tmp_path / "first" / "topology.json"
    done = correlator("train", "--out", tmp_path / "w", "--history", alerts, "--topology", topology)
    assert done.returncode == 0, done.stderr
    learned = warm.load(tmp_path / "w")
    assert learned is not None and learned.scopes["default"].background.seen == 3
    incidents = tmp_path / "incidents.jsonl"
    replay = ("replay", "--alerts", alerts, "--topology", topology, "--model", "none", "--incidents", incidents)
    assert correlator(*replay, "--warm", tmp_path / "w").returncode == 0
    assert f"posterior-2+{learned.version}" in incidents.read_text()


@pytest.mark.parametrize("text", ["{", "{}", '{"schema": "warm/9", "scopes": {}, "provenance": {}}'])
def test_what_is_no_warm_start_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / warm.WARM_FILE).write_text(text)
    with pytest.raises(ConfigError, match=warm.WARM_FILE):
        warm.load(tmp_path)


def test_mistakes_are_told_in_one_sentence_each(tmp_path: Path, streams: list[str]) -> None:
    for arguments, says in {
        (): b"--labelled",
        ("--labelled", str(tmp_path / "nowhere")): b"no alerts.jsonl",
        ("--simulate", "day"): b"PRESET:SEED",
        ("--simulate", "nothing:1"): b"nothing",
        tuple(streams[:2]): b"two systems",
    }.items():
        done = correlator("train", "--out", tmp_path / "m", *arguments)
        assert done.returncode == 2 and says in done.stderr, done.stderr
    assert not (tmp_path / "m" / artifact.RANKER_FILE).exists()


def test_none_is_no_ranker() -> None:
    assert rankers.chosen("none") is None
