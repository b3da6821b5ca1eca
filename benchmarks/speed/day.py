"""Is a worker's memory flat over a day's stream, and does it publish what a replay of that day gives?

python -m benchmarks.speed.day [--events N] [--firing N] [--longest-minutes N] [--trace] [--seed N] [--record]

A million events, most of them alerts sent again: seven hundred fire at a time, each for up to sixteen hours, half of
those that begin are of a pod never seen before. They are played through a worker on a real Kafka by the records' clock,
and then through a replay, and the incident events of both are compared byte for byte. The slope is the least-squares
line through the worker's resident memory over the second half, in which a leak would show. `--trace` also tells which
lines of code hold more memory at the end of the replay than at its middle (which takes five times as long).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.speed import workloads
from benchmarks.speed.record import Figure, parser, show
from benchmarks.speed.stage import Stage, Worker
from correlator import rankers
from correlator.config import Config
from correlator.devkafka import Broker
from correlator.replay import Replay
from correlator.shell.player import play
from correlator.sinks import Sinks
from topology.graph import ServiceGraph

_SERVICES = 1000
_ROWS = 10
_LOOK_SECONDS = 2.0
_LONGEST_SECONDS = 7200
_TRACED = 12

#: Events applied, and megabytes resident then.
Sample = tuple[int, float]


def main() -> None:
    made = parser("day", __doc__)
    made.add_argument("--events", type=int, default=1_000_000)
    made.add_argument("--firing", type=int, default=700, help="alerts at a time")
    made.add_argument("--longest-minutes", type=int, default=960, help="of an alert")
    made.add_argument("--trace", action="store_true", help="tell what grows in the replay")
    options = made.parse_args()
    graph = workloads.graph(_SERVICES, seed=options.seed)

    def lines() -> Iterator[bytes]:
        return workloads.day(
            options.events,
            services=_SERVICES,
            seed=options.seed,
            firing=options.firing,
            longest_minutes=options.longest_minutes,
        )

    with tempfile.TemporaryDirectory(prefix="correlator-day-") as folder, Broker() as broker:
        stage = Stage(broker, Path(folder), "day", graph, clock="records")
        samples, seconds = _through_a_worker(stage, lines(), options.events)
        published = asyncio.run(_values(stage.config))
    replayed = _through_a_replay(stage.config, graph, lines(), options.events, trace=options.trace)
    figures = [*_of_memory(samples, options.events), Figure("worker, whole", f"{seconds:,.0f} s of the processor")]
    same = "the same, byte for byte" if published == replayed else f"DIFFERENT from the {len(replayed):,} of the replay"
    show("day", [*figures, Figure("incident events", f"{len(published):,}", same)], options)
    raise SystemExit(published != replayed)


def _through_a_worker(stage: Stage, lines: Iterator[bytes], events: int) -> tuple[list[Sample], float]:
    """Play the lines; return how the worker's memory went, and what it spent."""
    playing = threading.Thread(target=lambda: asyncio.run(play(stage.config, lines)), daemon=True)
    samples: list[Sample] = []
    with stage.workers(1) as (worker,):
        stage.wait_ready([worker])
        playing.start()
        samples.append((0, _resident_mb(worker)))
        deadline = time.monotonic() + _LONGEST_SECONDS
        while playing.is_alive() or samples[-1][0] < events or worker.metric("correlator_incidents_open"):
            if time.monotonic() > deadline or worker.process.poll() is not None:
                raise SystemExit(f"the worker ended, or is too slow, at {samples[-1:]}:\n{stage.said()}")
            time.sleep(_LOOK_SECONDS)
            samples.append((worker.applied(), _resident_mb(worker)))
        return samples, worker.processor_seconds()


def _resident_mb(worker: Worker) -> float:
    pages = int(Path(f"/proc/{worker.process.pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _of_memory(samples: list[Sample], events: int) -> Iterator[Figure]:
    """Yield what was resident at each tenth of the stream, and the slope over the second half."""
    for row in range(1, _ROWS + 1):
        at = events * row // _ROWS
        applied, resident = min(samples, key=lambda sample: abs(sample[0] - at))
        yield Figure(f"resident after {applied:,} events", f"{resident:.1f} MB")
    half = [sample for sample in samples if events // 2 <= sample[0] < events]
    if len(half) > 2:
        slope = float(np.polyfit([at for at, _ in half], [mb for _, mb in half], 1)[0]) * 1e6
        yield Figure("slope over the second half", f"{slope:+.1f} MB", f"a million events, {len(half)} samples")


async def _values(config: Config) -> list[bytes]:
    """Return what was published, in its order; the stage has one partition."""
    place = TopicPartition(config.kafka.incidents_topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=config.kafka.bootstrap_servers) as consumer:
        await consumer._client.add_topic(place.topic)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        end = (await consumer.end_offsets([place]))[place]
        values: list[bytes] = []
        while await consumer.position(place) < end:
            values += [record.value for record in (await consumer.getmany(place, timeout_ms=500)).get(place, ())]
        return values


def _through_a_replay(
    config: Config, graph: ServiceGraph, lines: Iterator[bytes], events: int, *, trace: bool
) -> list[bytes]:
    """Return the incident events of a replay; with `trace` print which lines of code hold more than at its middle."""
    out = BytesIO()
    run = Replay(config, graph, Sinks(out), ranker=rankers.chosen(config.worker.model))
    middle: tracemalloc.Snapshot | None = None
    if trace:
        tracemalloc.start()
    for number, line in enumerate(lines, start=1):
        run.feed(number, line)
        if trace and number == events // 2:
            middle = tracemalloc.take_snapshot()
    if middle is not None:
        for difference in tracemalloc.take_snapshot().compare_to(middle, "lineno")[:_TRACED]:
            print(difference)
        tracemalloc.stop()
    run.finish()
    return out.getvalue().splitlines()


if __name__ == "__main__":
    main()
