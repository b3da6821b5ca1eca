"""Examples for the ranker: the incidents that the engine makes of a labelled stream, with the true root among them.

What a ranker sees in production it must see in training: incidents as the engine groups them, not the true windows.
A case is judged by its main incident, as the scorer does, at the page and at its end.
"""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from correlator.config import Config
from correlator.engine.features import NAMES
from correlator.engine.ranking import Ranker, Suspects
from correlator.replay import Replay
from correlator.scoring.cases import main_incident, page_of, units
from correlator.scoring.episodes import episodes
from correlator.scoring.histories import histories
from correlator.scoring.inputs import (
    Assignment,
    Case,
    IncidentStep,
    read_alerts,
    read_assignments,
    read_incidents,
    read_truth,
)
from correlator.shell.lines import lines, open_lines
from correlator.sinks import Sinks
from correlator.training.streams import LabelledStream, window_seconds
from models.examples import Example
from topology.sources import file as topology_file


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


def examples(stream: LabelledStream, config: Config, ranker: Ranker) -> list[Example]:
    """Replay a stream with `ranker` and return what it is asked about each of the scored cases.

    Raises:
        ConfigError: a file is missing or not as documented.
    """
    window = window_seconds(read_alerts(stream.alerts), config.correlation_window_seconds)
    config = config.model_copy(update={"correlation_window_seconds": window})
    recorder = Recorder(ranker)
    with tempfile.TemporaryDirectory(prefix="correlator-train-") as folder:
        incidents, assignments = Path(folder) / "incidents.jsonl", Path(folder) / "assignments.jsonl"
        _replay(stream, config, recorder, incidents, assignments)
        steps, assigned = read_incidents(incidents), read_assignments(assignments)
    return _of_cases(stream, steps, assigned, recorder)


def _of_cases(
    stream: LabelledStream, steps: Sequence[IncidentStep], assigned: Sequence[Assignment], recorder: Recorder
) -> list[Example]:
    """Return, for each scored case, what was asked at the page and at the end of its main incident."""
    truth = read_truth(stream.truth)
    since = truth.scored_from if truth.scored_from is not None else -(2**63)
    found = histories(steps)
    held: defaultdict[str, Counter[str]] = defaultdict(Counter)
    first: dict[str, int] = {}
    for unit in units(episodes(read_alerts(stream.alerts)), truth, assigned, found):
        first[unit.case] = min(first.get(unit.case, unit.arrived_at), unit.arrived_at)
        if unit.incident_id is not None:
            held[unit.case][unit.incident_id] += 1
    made = []
    for case in truth.cases:
        if case.start < since:
            continue
        holders = [found.by_id[name] for name in held[case.name] if name in found.by_id]
        main = main_incident(holders, held[case.name])
        page = None if main is None else page_of(main, first[case.name], since)
        for moment, step in (("end", None if main is None else main.end), ("page", page)):
            made.append(_example(stream, case, moment, step, recorder))
    return made


def _replay(stream: LabelledStream, config: Config, ranker: Ranker, incidents: Path, assignments: Path) -> None:
    with incidents.open("wb") as told, assignments.open("wb") as assigned:
        run = Replay(config, topology_file.load(stream.topology), Sinks(told, assigned), ranker=ranker)
        feed(run, stream.alerts)
        run.finish()


def feed(run: Replay, alerts: Path) -> None:
    """Give a replay all lines of a file."""
    for number, (line, _) in enumerate(lines(open_lines(str(alerts)), run.max_line_bytes), start=1):
        if line.strip():
            run.feed(number, line)


def _example(stream: LabelledStream, case: Case, moment: str, step: IncidentStep | None, recorder: Recorder) -> Example:
    """Return the question that was answered in `step`; one without candidates where nothing was published."""
    asked = None if step is None else recorder.asked.get((step.incident_id, step.at))
    services, features = asked if asked is not None else ([], np.zeros((0, len(NAMES))))
    true = np.array([service in case.roots for service in services], dtype=bool)
    name = f"{stream.alerts.parent.name}/{case.name}"  # a system may have several streams with cases of the same name
    return Example(family=stream.family, system=stream.system, case=name, moment=moment, features=features, true=true)
