"""The parts of the demo that need no Kafka: the stream, the screen, the report."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from correlator import rankers
from correlator.config import Config
from correlator.demo import report, stream
from correlator.demo.screen import Screen
from correlator.errors import ConfigError, CorrelatorError
from correlator.replay import Replay
from correlator.sinks import Sinks
from topology.graph import ServiceGraph


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def event(number: int, minute: int, *, firing: bool = True) -> dict[str, Any]:
    return {
        "id": f"e{number}",
        "status": "firing" if firing else "resolved",
        "name": "ServiceDown",
        "service": "payments",
        "severity": "critical",
        "starts_at": "2026-03-02T10:00:00Z",
        "observed_at": f"2026-03-02T10:{minute:02}:00Z",
    }


def recorded(folder: Path, *, scored_from: str | None = None) -> stream.Stream:
    """Return a stream of one alert, with its case in the truth if `scored_from` is given."""
    events = [event(0, 0), event(1, 10), event(2, 20, firing=False)]
    alerts, truth = folder / "alerts.jsonl", folder / "truth.json"
    alerts.write_text("no alert\n" + "\n\n".join(map(json.dumps, events)) + "\n")
    case = {"case": "c", "start": "2026-03-02T10:00:00Z", "roots": ["payments"]}
    truth.write_text(json.dumps({"cases": [case], "labels": {"e0": "c", "e1": "c"}, "scored_from": scored_from}))
    return stream.recorded(alerts, None, truth if scored_from else None)


def published(played: stream.Stream) -> dict[str, bytes]:
    """Return the last event of each incident that a replay gives."""
    out = io.BytesIO()
    replay = Replay(Config(), ServiceGraph.empty(), Sinks(out), ranker=rankers.chosen(Config().worker.model))
    for number, line in enumerate(played.lines(1000), start=1):
        replay.feed(number, line)
    replay.finish()
    return {json.loads(line)["incident_id"]: line for line in out.getvalue().splitlines()}


def test_a_stream_knows_its_warm_up_and_is_played_in_forty_seconds(tmp_path: Path) -> None:
    assert recorded(tmp_path).warm_up == 0
    played = recorded(tmp_path, scored_from="2026-03-02T10:05:00Z")
    assert played.warm_up == 2  # the line without a time arrives before all others
    assert played.ends_at - played.begins_at == 10 * 60_000
    assert played.speed() == 10 * 60 / 40
    assert len(list(played.lines(1000))) == 4


def test_a_stream_without_an_alert_is_refused(tmp_path: Path) -> None:
    alerts = tmp_path / "alerts.jsonl"
    alerts.write_text("\nno alert\n")
    with pytest.raises(ConfigError, match="holds no alert event"):
        stream.recorded(alerts, None, None)
    with pytest.raises(ConfigError, match="absent"):
        stream.recorded(tmp_path / "absent", None, None)


def test_progress_stays_below_what_is_written_on_a_terminal_and_is_nowhere_else() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for out in (terminal, pipe):
        screen = Screen(out)
        screen.progress("12 events")
        screen.write("an incident\n")
        screen.progress("")
        screen.write("the end\n")
    assert pipe.getvalue() == "an incident\nthe end\n"
    cleared = "\r\033[K"
    assert terminal.getvalue() == f"{cleared}12 events{cleared}an incident\n12 events{cleared}the end\n"


def test_the_report_sets_the_truth_beside_what_was_named(tmp_path: Path) -> None:
    played = recorded(tmp_path, scored_from="2026-03-02T09:59:00Z")
    text = report.of(Config(), played, published(played), tmp_path)
    assert "events           4  (2 firing, 1 rejected)" in text
    (row,) = [line for line in text.splitlines() if "10:00:00" in line]
    assert row.split()[1] == row.split()[3] == "payments"
    assert "right" in row
    assert "1 of 1 roots named, 0 pages without a fault" in text


@pytest.mark.parametrize("wrong", ["missing", "other"])
def test_the_report_fails_where_something_else_was_published_than_a_replay_gives(tmp_path: Path, wrong: str) -> None:
    played = recorded(tmp_path)
    told = published(played)
    assert told
    told = {} if wrong == "missing" else {name: value + b" " for name, value in told.items()}
    with pytest.raises(CorrelatorError, match="not what a replay"):
        report.of(Config(), played, told, tmp_path)
