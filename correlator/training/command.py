"""The body of `correlator train`."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from correlator import __version__, rankers, warm
from correlator.config import Config
from correlator.engine.features import NAMES
from correlator.engine.ranking import PosteriorRanker, Ranker
from correlator.errors import ConfigError
from correlator.replay import Replay
from correlator.sinks import Sinks
from correlator.training import ranker, streams
from correlator.training.examples import examples, feed
from models import artifact
from models.artifact import Provenance, RankerModel
from models.examples import Example
from models.ranker import LearnedRanker
from topology.graph import ServiceGraph
from topology.sources import file as topology_file


def run(
    config: Config,
    out: Path,
    labelled: Sequence[str],
    simulated: Sequence[str],
    arguments: Sequence[str],
    tell: Callable[[str], None],
) -> RankerModel:
    """Fit the ranker on labelled streams, save it with its provenance and return it.

    Raises:
        ConfigError: a stream cannot be read, or there is too little to learn from.
    """
    command = shlex.join(["correlator", "train", *arguments])
    with tempfile.TemporaryDirectory(prefix="correlator-train-") as folder:
        known = list(_streams(labelled, simulated, Path(folder)))
        # The second fit learns from the incidents that the first one makes, as they are in production.
        first = _fitted(known, config, PosteriorRanker(), command, lambda line: None)
        model = _fitted(known, config, LearnedRanker(first, NAMES), command, tell)
    artifact.save(model, out)
    return model


def _fitted(
    known: Sequence[streams.LabelledStream], config: Config, by: Ranker, command: str, tell: Callable[[str], None]
) -> RankerModel:
    """Fit a ranker on the incidents that the engine makes with another one."""
    found: list[Example] = []
    data = []
    for stream in known:
        made = examples(stream, config, by)
        told = sum(bool(example.true.any()) for example in made)
        data.append(f"{stream.family}: {stream.alerts.parent.name}, {len(made)} examples, {told} with the root")
        tell(data[-1])
        found += made
    try:
        return ranker.train(found, NAMES, Provenance(data=data, command=command, code_version=_code_version()))
    except ValueError as error:
        raise ConfigError("train", [str(error)]) from None


def warm_up(config: Config, out: Path, history: Path, topology: Path | None, tell: Callable[[str], None]) -> None:
    """Replay a history and save what the engine learned of everyday noise.

    Raises:
        ConfigError: a file cannot be read or written.
    """
    graph = ServiceGraph.empty() if topology is None else topology_file.load(topology)
    run = Replay(config, graph, Sinks(), ranker=rankers.chosen(rankers.NONE))
    feed(run, history)
    summary = run.finish()
    warmth = run.learned()
    rules = sum(known.background.seen for known in warmth.scopes.values())
    data = [f"{history.name}: {summary.events} events, {rules} rules on services in {len(warmth.scopes)} scopes"]
    parts = ["--history", str(history), *(["--topology", str(topology)] if topology else [])]
    command = shlex.join(["correlator", "train", *parts])
    warm.save(warmth, Provenance(data=data, command=command, code_version=_code_version()), out)
    tell(data[0])


def _streams(labelled: Sequence[str], simulated: Sequence[str], folder: Path) -> Iterator[streams.LabelledStream]:
    for text in labelled:
        yield streams.labelled(text)
    for text in simulated:
        yield from streams.simulated(text, folder)


def _code_version() -> str:
    """Return the version, with the commit where this is a checkout."""
    described = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        commit = subprocess.run(described, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return __version__
    return f"{__version__} ({commit})"


def written(model: RankerModel) -> str:
    """Return the scores of a model on systems left out, one system a line."""
    return "\n".join(
        f"{system:>28}  " + "  ".join(f"{name} {value:g}" for name, value in figures.items())
        for system, figures in model.provenance.scores.items()
    )
