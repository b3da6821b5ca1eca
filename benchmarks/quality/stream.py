"""Labelled streams: a folder with `alerts.jsonl`, `topology.json` and `truth.json`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

import msgspec

from correlator.config import EngineConfig, NamingConfig
from correlator.scoring.episodes import Episode, episodes
from correlator.scoring.inputs import AlertLine, Truth, read_alerts, read_truth
from topology.graph import ServiceGraph
from topology.sources.file import load

#: The correlation window must hold a few samples of a stream: sampled every 5 minutes, that is three of them.
COARSE_WINDOW_SECONDS = 900.0
COARSE_SPACING_SECONDS = 300.0


class Spell(msgspec.Struct, frozen=True, kw_only=True):
    """One episode as a grouping method sees it: no label, no truth."""

    number: int
    episode: Episode
    service: str

    @property
    def alert(self) -> AlertLine:
        return self.episode.firings[0]

    @property
    def at(self) -> int:
        return self.episode.began_at

    @property
    def ended_at(self) -> int:
        return self.episode.ended_at


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream, read once for all methods."""

    name: str
    folder: Path
    lines: int
    alerts: list[AlertLine]
    spells: list[Spell]
    truth: Truth
    graph: ServiceGraph
    window_seconds: float

    @property
    def alerts_path(self) -> Path:
        return self.folder / "alerts.jsonl"

    @property
    def topology_path(self) -> Path:
        return self.folder / "topology.json"

    @property
    def coarse(self) -> bool:
        return self.window_seconds == COARSE_WINDOW_SECONDS


def read_stream(folder: Path, *, name: str | None = None) -> Stream:
    """Read a stream from its folder.

    Raises:
        ConfigError: a file is missing or not as documented.
    """
    alerts = read_alerts(folder / "alerts.jsonl")
    graph = load(folder / "topology.json")
    return Stream(
        name=name or folder.name,
        folder=folder,
        lines=alerts[-1].position + 1 if alerts else 0,
        alerts=alerts,
        spells=spells(alerts, graph),
        truth=read_truth(folder / "truth.json"),
        graph=graph,
        window_seconds=window_seconds(alerts),
    )


def stream_folders(root: Path) -> list[Path]:
    """Return the folders below `root` that hold a labelled stream, by name."""
    return sorted(path.parent for path in root.glob("*/truth.json"))


def window_seconds(alerts: Sequence[AlertLine]) -> float:
    """Return the correlation window for a stream, from its own sampling interval.

    The interval is the median spacing of distinct arrival times. Where it is 5 minutes or more the default window would
    hold but one sample, so cause and victim could never meet in it.
    """
    times = sorted({alert.arrived_at for alert in alerts})
    spacings = [later - earlier for earlier, later in pairwise(times)]
    coarse = bool(spacings) and median(spacings) / 1000 >= COARSE_SPACING_SECONDS
    return COARSE_WINDOW_SECONDS if coarse else EngineConfig().correlation_window_seconds


def spells(alerts: Sequence[AlertLine], graph: ServiceGraph) -> list[Spell]:
    """Return the episodes with the service each belongs to, by first arrival."""
    labels = NamingConfig().service_labels
    return [
        Spell(number=number, episode=episode, service=service_of(episode.firings[0], graph, labels))
        for number, episode in enumerate(episodes(alerts))
    ]


def service_of(alert: AlertLine, graph: ServiceGraph, service_labels: Iterable[str]) -> str:
    """Return the service an alert names in its field or a label, by the graph's name for it; else the alert's own."""
    named = [alert.service, *(alert.labels.get(label) for label in service_labels)]
    name = next((name for name in named if name), None)
    return alert.name if name is None else graph.resolve(name) or name
