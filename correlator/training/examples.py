"""Examples for the ranker: the incidents that the engine makes of a labelled stream, with the true root among them.

What a ranker sees in production it must see in training: incidents as the engine groups them, not the true windows.
A case is judged by its main incident, as the scorer does, at the page and at its end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from correlator.config import Config
from correlator.engine.features import NAMES
from correlator.engine.ranking import PosteriorRanker, Ranker, Suspects
from correlator.replay import Replay
from correlator.scoring.cases import main_incident, page_of, units
from correlator.scoring.episodes import episodes
from correlator.scoring.histories import histories
from correlator.scoring.inputs import IncidentStep, read_alerts, read_assignments, read_incidents, read_truth
from correlator.shell.lines import lines, open_lines
from correlator.sinks import Sinks
from models.examples import Example
from topology.graph import ServiceGraph
from topology.sources import file as topology_file


class LabelledStream(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded stream and its truth; streams of one `system` are left out of training together."""

    system: str
    alerts: Path
    topology: Path
    truth: Path
    window_seconds: float | None = None


class Recorder:
    """A ranker that answers as another does and keeps what it was asked."""

    def __init__(self, ranker: Ranker) -> None:
        self._ranker = ranker
        self.version = ranker.version
        self.asked: dict[tuple[str, int], tuple[list[str], npt.NDArray[np.float64]]] = {}

    def probabilities(self, suspects: Suspects) -> list[float]:
        services = [root.service for root in suspects.roots]
        self.asked[suspects.incident, suspects.at] = (services, suspects.features())
        return self._ranker.probabilities(suspects)


def examples(stream: LabelledStream, config: Config) -> list[Example]:
    """Replay a stream and return what a ranker is asked about each of its scored cases.

    Raises:
        ConfigError: a file is missing or not as documented.
    """
    if stream.window_seconds is not None:
        config = config.model_copy(update={"correlation_window_seconds": stream.window_seconds})
    recorder = Recorder(PosteriorRanker())
    with tempfile.TemporaryDirectory(prefix="correlator-train-") as folder:
        incidents, assignments = Path(folder) / "incidents.jsonl", Path(folder) / "assignments.jsonl"
        _replay(stream, config, recorder, incidents, assignments)
        steps, assigned = read_incidents(incidents), read_assignments(assignments)
    truth = read_truth(stream.truth)
    since = truth.scored_from if truth.scored_from is not None else -(2**63)
    found = histories(steps)
    held: dict[str, dict[str | None, int]] = {}
    first: dict[str, int] = {}
    for unit in units(episodes(read_alerts(stream.alerts)), truth, assigned, found):
        counts = held.setdefault(unit.case, {})
        counts[unit.incident_id] = counts.get(unit.incident_id, 0) + 1
        first[unit.case] = min(first.get(unit.case, unit.arrived_at), unit.arrived_at)
    made: list[Example] = []
    for case in truth.cases:
        if case.start < since:
            continue
        counts = held.get(case.name, {})
        holders = [found.by_id[name] for name in counts if name in found.by_id]
        main = main_incident(holders, counts)
        moments: dict[str, IncidentStep | None] = {"end": None, "page": None}
        if main is not None:
            moments = {"end": main.end, "page": page_of(main, first[case.name], since)}
        for moment, step in moments.items():
            made.append(_example(stream.system, case.name, moment, case.roots, step, recorder.asked))
    return made


def _replay(stream: LabelledStream, config: Config, ranker: Ranker, incidents: Path, assignments: Path) -> None:
    graph: ServiceGraph = topology_file.load(stream.topology)
    with incidents.open("wb") as told, assignments.open("wb") as assigned:
        run = Replay(config, graph, Sinks(told, assigned), ranker=ranker)
        for number, (line, _) in enumerate(lines(open_lines(str(stream.alerts)), run.max_line_bytes), start=1):
            if line.strip():
                run.feed(number, line)
        run.finish()


def _example(
    system: str,
    case: str,
    moment: str,
    roots: frozenset[str],
    step: IncidentStep | None,
    asked: Mapping[tuple[str, int], tuple[list[str], npt.NDArray[np.float64]]],
) -> Example:
    """Return the question that was answered in `step`; one without candidates where nothing was published."""
    known = None if step is None else asked.get((step.incident_id, step.at))
    services, features = known if known is not None else ([], np.zeros((0, len(NAMES))))
    true = np.array([service in roots for service in services], dtype=bool)
    return Example(system=system, case=case, moment=moment, features=features, true=true)
