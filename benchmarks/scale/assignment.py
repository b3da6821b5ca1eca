"""How evenly do scopes of very different rates spread over partitions and workers, and what does a scope cost?

python -m benchmarks.scale.assignment [--scopes N] [--seeds N]

Scopes get rates of a heavy tail (Zipf), their names are placed by the very partitioner that the worker's producer uses,
and partitions are dealt to workers in equal numbers. Told is the load of the busiest worker beside the mean, the median
over all seeds: dealt in turn, and dealt by a dealer who knows the loads. What a scope costs is measured of the real
engine.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from aiokafka.partitioner import DefaultPartitioner

from correlator.config import EngineConfig
from correlator.domain import AlertEvent, Severity, Status
from correlator.engine import snapshot as codec
from correlator.partition import Partition
from topology.graph import ServiceGraph

_PARTITIONS = (12, 48, 192, 768)
_WORKERS = (4, 12, 48)
_TAILS = (0.6, 0.8, 1.0)
_START = 1_772_409_600_000
_SCOPES_MEASURED = 2_000
_OPEN = 10

Loads = npt.NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.assignment", description=__doc__)
    parser.add_argument("--scopes", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    print(f"| tail | partitions | {' | '.join(f'{count} workers' for count in _WORKERS)} | largest scope, of all |")
    print("| ---: | ---: |" + " ---: |" * (len(_WORKERS) + 1))
    for tail in _TAILS:
        for count in _PARTITIONS:
            print(_row(tail, count, options.scopes, options.seeds))
    for line in _costs():
        print(line)


def _row(tail: float, partitions: int, scopes: int, seeds: int) -> str:
    ranks = np.arange(1, scopes + 1, dtype=np.float64)
    rates = ranks**-tail / (ranks**-tail).sum()
    cells = []
    for workers in _WORKERS:
        if partitions < workers:
            cells.append("-")
            continue
        loads = [partition_loads(rates, partitions, seed) for seed in range(seeds)]
        in_turn = np.median([imbalance(load, workers) for load in loads])
        by_load = np.median([imbalance_by_load(load, workers) for load in loads])
        cells.append(f"{in_turn:.2f}, {by_load:.2f}")
    return f"| {tail:g} | {partitions} | {' | '.join(cells)} | {rates[0]:.1%} |"


def partition_loads(rates: Loads, partitions: int, seed: int) -> Loads:
    """Return the share of the load that each partition gets when scopes are placed by their names."""
    place = DefaultPartitioner()
    numbers = list(range(partitions))
    loads = np.zeros(partitions)
    for rank, rate in enumerate(rates):
        loads[place(b"tenant-%d-%d" % (seed, rank), numbers, numbers)] += rate
    return loads


def imbalance(loads: Loads, workers: int) -> float:
    """Return the busiest worker's load beside the mean, where partitions are dealt in turn."""
    dealt = [loads[number::workers].sum() for number in range(workers)]
    return float(max(dealt) * workers / loads.sum())


def imbalance_by_load(loads: Loads, workers: int) -> float:
    """Return the same where each partition, the most loaded first, goes to the worker that has least (Graham 1969)."""
    dealt = [0.0] * workers
    for load in sorted(loads, reverse=True):
        dealt[dealt.index(min(dealt))] += load
    return float(max(dealt) * workers / loads.sum())


def _costs() -> Iterator[str]:
    """Yield what scopes cost in the engine: memory, snapshot, and the time to restore it."""
    config, empty = EngineConfig(), ServiceGraph.empty()
    yield f"| {_SCOPES_MEASURED} scopes with | bytes a scope | snapshot, bytes a scope | ms to restore a thousand |"
    yield "| --- | ---: | ---: | ---: |"
    for alerts in (1, _OPEN):
        partition = Partition(config, {empty.version: empty})
        gc.collect()
        before = _resident()
        for number in range(_SCOPES_MEASURED * alerts):
            event = _event(f"tenant-{number % _SCOPES_MEASURED}", number // _SCOPES_MEASURED)
            partition.engine.on_event(event, _START)
        gc.collect()
        cost = (_resident() - before) / _SCOPES_MEASURED
        data = codec.encode(partition.snapshot())
        begun = time.process_time()
        Partition(config, {empty.version: empty}, snapshot=codec.decode(data))
        spent = time.process_time() - begun
        told = f"{cost:,.0f} | {len(data) / _SCOPES_MEASURED:,.0f} | {spent * 1e6 / _SCOPES_MEASURED:.1f}"
        yield f"| {alerts} open alerts each | {told} |"


def _event(scope: str, number: int) -> AlertEvent:
    return AlertEvent(
        id=f"{scope}-{number}",
        status=Status.FIRING,
        name=f"HighErrorRate{number % 3}",
        service=f"service-{number}",
        fingerprint=f"{scope}/{number}",
        starts_at=_START,
        observed_at=_START,
        scope=scope,
        severity=Severity.WARNING,
        summary=f"errors of service-{number} are above their threshold",
        labels={"region": "eu", "team": f"team-{number % 7}"},
    )


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
