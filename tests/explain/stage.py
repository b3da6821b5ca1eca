"""Explain stories: the same steps as the command line, without files."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from correlator import rankers
from correlator.config import Config, load
from correlator.domain import AlertEvent, IncidentEvent
from correlator.explain.course import Course, Said, Step
from correlator.explain.fate import AlertListener
from correlator.explain.incident import IncidentListener
from correlator.explain.sources import from_alerts
from correlator.explain.values import Explanation, Fate
from correlator.formats import log
from correlator.replay import Replay
from correlator.sinks import Sinks
from tests.scenarios import story as stories
from topology.graph import ServiceGraph
from topology.sources import file as topology_file

SCENARIOS = Path(__file__).parents[1] / "scenarios"


class Stage:
    """One input: its lines, its graph, its settings, and the model that names the roots."""

    def __init__(self, lines: list[bytes], topology: dict[str, Any], settings: Iterable[str] = (), model: str = "none"):
        self.lines = lines
        self.topology = topology
        self.model = model
        self.config: Config = load(overrides=list(settings))
        self.graph: ServiceGraph = topology_file.parse(topology, source="the story")

    @classmethod
    def of_story(cls, name: str, model: str = "none") -> Stage:
        story = stories.read(SCENARIOS / f"{name}.yaml")
        return cls(story.lines, story.topology, story.settings, model)

    def changed(
        self, *, drop: str = "", cut: tuple[str, str] | None = None, more: Iterable[dict[str, Any]] = ()
    ) -> Stage:
        """Return the input without the alerts of a service, without a dependency, with further lines before all."""
        lines = [line for line in self.lines if not drop or msgspec.json.decode(line)["service"] != drop]
        edges = [edge for edge in self.topology["dependencies"] if (edge["from"], edge["to"]) != cut]
        extra = [msgspec.json.encode(line) for line in more]
        stage = Stage([*extra, *lines], {**self.topology, "dependencies": edges}, model=self.model)
        stage.config = self.config
        return stage

    def published(self) -> list[IncidentEvent]:
        """Return what a replay publishes."""
        incidents = io.BytesIO()
        replay = Replay(self.config, self.graph, Sinks(incidents), ranker=rankers.chosen(self.model))
        for number, line in enumerate(self.lines, start=1):
            replay.feed(number, line)
        replay.finish()
        return [msgspec.json.decode(line, type=IncidentEvent) for line in incidents.getvalue().splitlines()]

    def explain(self, incident_id: str, revision: int | None = None, *, try_changes: bool = True) -> Explanation:
        listener = IncidentListener(incident_id, revision)
        course = self._course(listener)
        course.run(from_alerts(self.config, self.graph, io.BytesIO(b"\n".join(self.lines))), sealed=True)
        found = listener.finish(course, try_changes=try_changes)
        assert found is not None
        return listener.compared(found, {f"{one.incident_id}/{one.revision}": one for one in self.published()})

    def fate(self, alert: str) -> Fate:
        listener = AlertListener(alert)
        course = self._course(listener)
        course.run(from_alerts(self.config, self.graph, io.BytesIO(b"\n".join(self.lines))), sealed=True)
        found = listener.finish(course, try_changes=True)
        assert found is not None
        return found

    def _course(self, listen: Any) -> Course:
        graphs = {graph.version: graph for graph in (self.graph, ServiceGraph.empty())}
        return Course(self.config, graphs, ranker=rankers.chosen(self.model), listen=listen)


def run_events(events: Iterable[AlertEvent], graph: ServiceGraph, config: Config, listen: Any) -> Course:
    """Run parsed events through a course until nothing is pending."""
    course = Course(config, {graph.version: graph}, ranker=None, listen=listen)
    steps = [Step(0, log.TopologyVersion(at=0, version=graph.version))]
    steps += [Step(0, log.Alerts(at=event.observed_at, events=[event])) for event in events]
    course.run(steps, sealed=True)
    return course


__all__ = ["Said", "Stage", "run_events"]
