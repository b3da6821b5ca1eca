"""Golden timelines: each file of `scenarios/` is a story, and the incidents it must come to, replayed as a user would.

An expected incident names what must hold at its end. Incidents are expected in order of opening:

    root       the service named as the root cause when it ends; `first_root` when it opens
    services   exactly the services with an alert in it, in any order
    pages      how often it interrupts a human
    ends       `resolved` or `merged`
    actions    optionally, every action of its life
    paged_by   optionally, the latest time of its first page
    resolved_by, resolved_after   optionally, when it is told to be over
    also       optionally, other fields of its last event: a subset that must be equal
    candidates optionally, services that are among the candidates
    changes    optionally, names of the changes it lists
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
import pytest

from correlator import rankers
from correlator.config import load
from correlator.domain import Disposition, IncidentEvent, rfc3339
from correlator.replay import Replay
from correlator.sinks import Sinks, Summary
from tests.engine.drive import Run, broken_laws
from tests.scenarios import story as stories
from topology.sources import file as topology_file

FOLDER = Path(__file__).parent / "scenarios"
FILES = sorted(FOLDER.glob("*.yaml"))
MODIFIERS = {"first_root", "actions", "paged_by", "resolved_by", "resolved_after", "also", "candidates", "changes"}


def play(story: stories.Story, model: str) -> tuple[list[IncidentEvent], list[dict[str, Any]], Summary]:
    """Replay a story and return what a user gets."""
    incidents, assignments = io.BytesIO(), io.BytesIO()
    graph = topology_file.parse(story.topology, source=story.title)
    replay = Replay(load(overrides=story.settings), graph, Sinks(incidents, assignments), ranker=rankers.chosen(model))
    for number, line in enumerate(story.lines, start=1):
        replay.feed(number, line)
    summary = replay.finish()
    events = [msgspec.json.decode(line, type=IncidentEvent) for line in incidents.getvalue().splitlines()]
    return events, [msgspec.json.decode(line) for line in assignments.getvalue().splitlines()], summary


def _param(path: Path) -> Any:
    reason = stories.read(path).not_yet
    return pytest.param(path, id=path.stem, marks=[pytest.mark.xfail(strict=True, reason=reason)] if reason else [])


@pytest.mark.parametrize("model", ["default", "none"])
@pytest.mark.parametrize("path", [_param(path) for path in FILES])
def test_the_story_comes_to_its_incidents(path: Path, model: str) -> None:
    story = stories.read(path)
    events, assignments, summary = play(story, model)
    assert broken_laws(Run(events)) == []
    assert [line["event_id"] for line in assignments] == [f"e{number + 1}" for number in range(len(story.lines))]
    assert sum(summary.dispositions.values()) == summary.events == len(story.lines)
    histories = list(Run(events).histories.values())
    expected = story.expect["incidents"]
    assert [_essence(history) for history in histories] == [
        {
            "root": incident["root"],
            "services": sorted(incident["services"]),
            "pages": incident["pages"],
            "ends": incident["ends"],
        }
        for incident in expected
    ]
    for history, incident in zip(histories, expected, strict=True):
        _check(history, incident)
    assert summary.pages == sum(incident["pages"] for incident in expected)
    for disposition, count in story.expect.get("dispositions", {}).items():
        assert summary.dispositions[Disposition(disposition)] == count


def _essence(history: list[IncidentEvent]) -> dict[str, Any]:
    last = history[-1]
    return {
        "root": last.root_cause.service,
        "services": sorted(last.services),
        "pages": sum(event.page for event in history),
        "ends": str(last.action),
    }


def _check(history: list[IncidentEvent], incident: dict[str, Any]) -> None:
    assert incident.keys() - MODIFIERS == {"root", "services", "pages", "ends"}
    first, last = history[0], history[-1]
    if "first_root" in incident:
        assert first.root_cause.service == incident["first_root"]
    if "actions" in incident:
        assert [str(event.action) for event in history] == incident["actions"]
    if "paged_by" in incident:
        assert first.page and first.published_at <= _time(incident["paged_by"])
    if "resolved_by" in incident:
        assert last.published_at <= _time(incident["resolved_by"])
    if "resolved_after" in incident:
        assert last.published_at >= _time(incident["resolved_after"])
    found = msgspec.to_builtins(last)
    for key, value in incident.get("also", {}).items():
        assert found[key] == value, key
    assert set(incident.get("candidates", [])) <= {candidate.service for candidate in last.root_cause.candidates}
    if "changes" in incident:
        assert [change["name"] for change in last.changes] == incident["changes"]


def _time(clock: str) -> str:
    return rfc3339(stories.START + 1000 * stories.seconds(clock))


def test_every_story_can_fail() -> None:
    """A story without its timeline comes to nothing, so none is true by itself but those that expect nothing."""
    for path in FILES:
        story = stories.read(path)
        if story.expect["incidents"]:
            assert play(story._replace(lines=[]), "none")[0] == []
    assert len(FILES) >= 15
