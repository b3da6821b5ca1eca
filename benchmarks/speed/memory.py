"""Does memory stay flat over a day, and what do a hundred thousand open alerts cost?

python -m benchmarks.speed.memory [--events N] [--open N] [--seed N] [--record]

The day is a stream of repeats among which alerts end and others begin: services come and go, pods change their names.
The slope is the least-squares line through the resident memory over the second half, in which a leak would show.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.speed import workloads
from benchmarks.speed.record import Figure, parser, show
from correlator.config import load
from correlator.engine import snapshot as codec
from correlator.formats import canonical
from correlator.formats.naming import Namer
from correlator.partition import Partition
from correlator.replay import Replay
from correlator.sinks import Sinks

_SERVICES = 1000
_SAMPLES = 100


def main() -> None:
    made = parser("memory", __doc__)
    made.add_argument("--events", type=int, default=1_000_000)
    made.add_argument("--open", type=int, default=100_000)
    made.add_argument("--part", choices=("day", "open"), help="only this part, in this process")
    options = made.parse_args()
    if options.part == "day":
        _day(options.events, options.seed)
    elif options.part == "open":
        _open(options.open, options.seed)
    else:
        figures = [figure for part in ("day", "open") for figure in _in_own_process(part, options.events, options.open)]
        show("memory", figures, options)


def _in_own_process(part: str, events: int, open_: int) -> Iterator[Figure]:
    """Yield the figures of one part; each begins with the memory of a new process."""
    command = [sys.executable, "-m", "benchmarks.speed.memory", "--part", part]
    command += ["--events", str(events), "--open", str(open_)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for line in said.splitlines():
        what, value, beside = line.split("\t")
        yield Figure(what, value, beside)


def _say(what: str, value: str, beside: str = "") -> None:
    print(what, value, beside, sep="\t")


def _day(events: int, seed: int) -> None:
    run = Replay(load(), workloads.graph(_SERVICES, seed=seed), Sinks(_Nowhere(), _Nowhere()))
    step = events // _SAMPLES
    sampled = []
    for number, line in enumerate(workloads.day(events, services=_SERVICES, seed=seed), start=1):
        run.feed(number, line)
        if number % step == 0:
            sampled.append((number, _resident_mb()))
    half = sampled[len(sampled) // 2 :]
    slope = float(np.polyfit([at for at, _ in half], [mb for _, mb in half], 1)[0]) * 1e6
    _say(f"a day of {events:,} events: resident at its middle", f"{half[0][1]:.0f} MB")
    _say(f"a day of {events:,} events: resident at its end", f"{half[-1][1]:.0f} MB")
    _say("slope over the second half", f"{slope:+.1f} MB", "a million events")


def _open(count: int, seed: int) -> None:
    graph = workloads.graph(_SERVICES, seed=seed)
    config = load()
    before = _resident_mb()
    partition = Partition(config, {graph.version: graph})
    namer = Namer(config.naming, graph)
    partition.engine.use_topology(graph, workloads.START)
    for number, alert in enumerate(workloads.alerts(count, _SERVICES)):
        at = workloads.START + number * 60_000 // count
        parsed = canonical.parse(alert.line(f"o-{number}", at, began_at=at))
        # Alerts of their own, not pods of a few.
        parsed = msgspec.structs.replace(parsed, fingerprint=f"{number:016x}")
        partition.engine.on_event(namer.name(parsed, event_id=parsed.id or "", observed_at=at), at)
    gc.collect()
    firing = sum(alert.firing for scope in partition.engine.state.scopes.values() for alert in scope.alerts.values())
    after = _resident_mb()
    _say(
        f"{firing:,} open alerts: resident", f"{after:.0f} MB", f"{(after - before) * 1e6 / firing:,.0f} bytes an alert"
    )
    data = codec.encode(partition.snapshot())
    _say("their snapshot", f"{len(data) / 1e6:.1f} MB", f"{len(data) / firing:.0f} bytes an alert")
    _say("resident with it", f"{_resident_mb():.0f} MB")


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class _Nowhere(BytesIO):
    """Takes everything and keeps nothing."""

    def write(self, data: object) -> int:
        return 0


if __name__ == "__main__":
    main()
