"""How many events a second does a replay carry on one core, parsing included?

python -m benchmarks.speed.replay [--events N] [--seed N] [--record]

Two workloads on a graph of 1,000 services: alerts that are sent again and again, and alerts of which every event
changes the state. Times are of the processor, so that neighbours on the machine disturb less; the yardstick is
`json.loads` over the very lines of the same run.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Sequence
from io import BytesIO

from benchmarks.speed import workloads
from benchmarks.speed.record import Figure, parser, show
from correlator.config import load
from correlator.replay import Replay
from correlator.sinks import Sinks
from topology.graph import ServiceGraph

_SERVICES = 1000
_ALERTS = 5000
_RUNS = 3
#: State changes a second of the stream: a storm, in which a second of the stream has many.
_PER_SECOND = (200, 1000)


def main() -> None:
    made = parser("replay", __doc__)
    made.add_argument("--events", type=int, default=200_000)
    options = made.parse_args()
    graph = workloads.graph(_SERVICES, seed=options.seed)
    figures = []
    repeats = list(workloads.repeats(options.events, among=_ALERTS, services=_SERVICES))
    yardstick = _least(lambda: _seconds(lambda: [json.loads(line) for line in repeats])) / len(repeats)
    figures.append(Figure("json.loads of a line", f"{yardstick * 1e6:.1f} us", f"{1 / yardstick:,.0f} lines/s"))
    for what, outputs in (("repeats", False), ("repeats, incidents and assignments written", True)):
        figures.append(_figure(what, _repeats(graph, repeats, outputs=outputs), yardstick))
    for per_second in _PER_SECOND:
        changes = list(workloads.changes(options.events // 4, among=_ALERTS, services=_SERVICES, per_second=per_second))
        spent = _replay(graph, changes, skip=0, outputs=True)
        figures.append(_figure(f"state changes, {per_second} in a second of the stream", spent, yardstick))
    show("replay", figures, options)


def _repeats(graph: ServiceGraph, lines: Sequence[bytes], *, outputs: bool) -> float:
    return _least(lambda: _replay(graph, lines, skip=2 * _ALERTS, outputs=outputs))


def _figure(what: str, seconds: float, yardstick: float) -> Figure:
    return Figure(what, f"{1 / seconds:,.0f} events/s", f"{seconds / yardstick:.2f} json.loads")


def _replay(graph: ServiceGraph, lines: Sequence[bytes], *, skip: int, outputs: bool) -> float:
    """Return the seconds that an event takes, but for the first `skip`, in which the alerts begin to fire."""
    sinks = Sinks(BytesIO(), BytesIO()) if outputs else Sinks()
    run = Replay(load(), graph, sinks)
    for number, line in enumerate(lines[:skip], start=1):
        run.feed(number, line)

    def rest() -> None:
        for number, line in enumerate(lines[skip:], start=skip + 1):
            run.feed(number, line)

    return _seconds(rest) / (len(lines) - skip)


def _seconds(work: Callable[[], object]) -> float:
    gc.collect()
    started = time.process_time()
    work()
    return time.process_time() - started


def _least(measure: Callable[[], float]) -> float:
    """Return the least of a few runs: what is above it is the machine's."""
    return min(measure() for _ in range(_RUNS))


if __name__ == "__main__":
    main()
