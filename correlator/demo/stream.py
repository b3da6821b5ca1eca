"""What is played: a storm simulated on the fly, or a recorded stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from correlator.config import Config
from correlator.errors import ConfigError
from correlator.formats.reading import Formats, arrival
from correlator.scoring.inputs import read_truth
from correlator.shell.lines import lines, open_lines
from correlator.simulator import command as simulator
from topology.graph import ServiceGraph
from topology.sources import file as topology_file

_PRESET = "demo"
#: A show takes this long, however long its stream: with start and end about a minute.
_SHOW_SECONDS = 40.0


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A file of alerts: `warm_up` lines of an ordinary time, then the storm, from `begins_at` to `ends_at`."""

    title: str
    alerts: Path
    topology: Path | None
    truth: Path | None
    warm_up: int
    begins_at: int
    ends_at: int

    def graph(self) -> ServiceGraph:
        return topology_file.load(self.topology) if self.topology else ServiceGraph.empty()

    def lines(self, longest: int) -> Iterator[bytes]:
        """Yield the lines that are not blank, none longer than `longest` by more than a byte."""
        with open_lines(str(self.alerts)) as file:
            yield from (line for line, _ in lines(file, longest) if line.strip())

    def speed(self) -> float:
        """Return how many seconds of the storm go into one of ours, never fewer than one."""
        return max(1.0, (self.ends_at - self.begins_at) / 1000 / _SHOW_SECONDS)


def simulated(seed: int, folder: Path) -> Stream:
    """Simulate a storm into a folder."""
    made = simulator.run(_PRESET, seed, folder, None, ())
    title = f"A simulated storm: {made.cases} faults among {made.services} services on {made.hosts} hosts, and noise."
    return _stream(title, folder / "alerts.jsonl", folder / "topology.json", folder / "truth.json")


def recorded(alerts: Path, topology: Path | None, truth: Path | None) -> Stream:
    """Take a recorded stream.

    Raises:
        ConfigError: one of the files cannot be used.
    """
    graph = f"a graph of {len(topology_file.load(topology))} services" if topology else "no graph"
    return _stream(f"{alerts}, with {graph}.", alerts, topology, truth)


def _stream(title: str, alerts: Path, topology: Path | None, truth: Path | None) -> Stream:
    times = list(_arrivals(alerts))
    if not times or not times[-1]:
        raise ConfigError(str(alerts), ["holds no alert event"])
    scored_from = read_truth(truth).scored_from if truth else None
    warm_up = sum(at < scored_from for at in times) % len(times) if scored_from else 0
    return Stream(
        title=title,
        alerts=alerts,
        topology=topology,
        truth=truth,
        warm_up=warm_up,
        begins_at=next(filter(None, times[warm_up:])),
        ends_at=times[-1],
    )


def _arrivals(alerts: Path) -> Iterator[int]:
    """Yield when each line arrived, never going back; one that does not tell arrives with the one before."""
    now = 0
    formats = Formats()
    with open_lines(str(alerts)) as file:
        for line, _ in lines(file, Config().worker.max_event_bytes):
            if line.strip():
                read = formats.read(line, arrived_at=now or None)
                now = max(now, arrival(read.alerts) or now)
                yield now
