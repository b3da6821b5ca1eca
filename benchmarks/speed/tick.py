"""How long does a tick of the engine take in the middle of a storm?

python -m benchmarks.speed.tick [--services N ...] [--model DIR] [--seed N] [--record]

A hub goes down and a thousand services that depend on it alert, each three times, within a minute. A tick is all that
the engine does at one second of the stream; its alerts are applied before and not counted. Times are of the processor,
and of several runs, which are the same tick for tick, the least: what is above it is the machine's. As in a worker, the
shipped model ranks the candidates unless another is named (`none`: without), and what was there at the start is not
looked through for garbage.
"""

from __future__ import annotations

import gc
import json
import time
from statistics import quantiles

from benchmarks.speed import workloads
from benchmarks.speed.record import Figure, parser, show
from correlator import rankers
from correlator.config import load
from correlator.engine.engine import Engine
from correlator.engine.ranking import Ranker
from correlator.formats import canonical
from correlator.formats.naming import Namer
from correlator.shell.worker import GARBAGE_EVERY

_HIT = 1000
_SECONDS = 60
_REPEATS = 3


def main() -> None:
    made = parser("tick", __doc__)
    made.add_argument("--services", type=int, nargs="+", default=[1000, 10_000])
    made.add_argument("--runs", type=int, default=3)
    made.add_argument("--model", default=rankers.SHIPPED, metavar="DIR", help="default: the shipped one; none: without")
    options = made.parse_args()
    ranker = rankers.chosen(options.model)
    yardstick = min(_yardstick() for _ in range(options.runs))
    figures = []
    for services in options.services:
        runs = [_ticks(services, options.seed, ranker) for _ in range(options.runs)]
        times = [min(tick) for tick in zip(*runs, strict=True)]
        cut = quantiles(times, n=20)
        what = f"{services:,} services, {min(services, _HIT):,} in trouble: tick"
        figures += [
            Figure(f"{what}, median", f"{cut[9] * 1e3:.0f} ms", f"of {len(times)} ticks"),
            Figure(f"{what}, 95th percentile", f"{cut[18] * 1e3:.0f} ms"),
            Figure(f"{what}, worst", f"{max(times) * 1e3:.0f} ms", f"{max(times) / yardstick:,.0f} json.loads"),
        ]
    show("tick", figures, options)


def _ticks(services: int, seed: int, ranker: Ranker | None) -> list[float]:
    """Return the seconds of every tick in which something was solved, told or forgotten, while the storm lasts."""
    graph = workloads.graph(services, seed=seed)
    config = load()
    engine, namer = Engine(config, ranker=ranker), Namer(config.naming, graph)
    engine.use_topology(graph, workloads.START)
    times = []
    arrivals = workloads.storm(graph, services=_HIT, seconds=_SECONDS, repeats=_REPEATS, seed=seed)
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_EVERY, *gc.get_threshold()[1:])
    for at, line in arrivals:
        while (due := engine.next_due()) is not None and due <= at:
            started = time.process_time()
            engine.tick(due)
            times.append(time.process_time() - started)
        alert = canonical.parse(line)
        engine.on_event(namer.name(alert, event_id=alert.id or "", observed_at=at), at)
    gc.unfreeze()
    return times


def _yardstick() -> float:
    """Return the seconds that `json.loads` of one event takes here and now."""
    lines = list(workloads.repeats(20_000, among=5000, services=1000))
    started = time.process_time()
    for line in lines:
        json.loads(line)
    return (time.process_time() - started) / len(lines)


if __name__ == "__main__":
    main()
