"""How many alerts a second does a worker carry on a real Kafka, beside a bare consumer and beside Alertmanager?

python -m benchmarks.speed.worker [--alerts N] [--batch N ...] [--alertmanager PROGRAM] [--seed N] [--record]

A backlog of repeats is read by a bare aiokafka loop, then worked off by a worker that parses, names, forwards through
its log, applies and snapshots. Everything runs on this machine, the broker too. Alertmanager is given the same alerts
over its API, in posts of a hundred, as Prometheus would. Last: how long after it is due an incident can be read.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.speed import workloads
from benchmarks.speed.record import Figure, parser, show
from benchmarks.speed.stage import Rate, Stage, batches, processor_seconds
from correlator.devkafka import Broker, free_ports
from topology.graph import ServiceGraph

_SERVICES = 1000
_ALERTS = 5000
_POST = 100
_CONNECTIONS = 8


def main() -> None:
    made = parser("worker", __doc__)
    made.add_argument("--alerts", type=int, default=200_000)
    made.add_argument("--batch", type=int, nargs="+", default=[1, 100])
    made.add_argument("--alertmanager", default="prometheus-alertmanager", help="its program, if it is there")
    options = made.parse_args()
    graph = workloads.graph(_SERVICES, seed=options.seed)
    lines = list(workloads.repeats(options.alerts, among=_ALERTS, services=_SERVICES))
    figures = []
    rates: list[tuple[int, Rate]] = []
    with tempfile.TemporaryDirectory(prefix="correlator-speed-") as name, Broker() as broker:
        for size in options.batch:
            stage = Stage(broker, Path(name), f"batch{size}", graph)
            stage.produce(batches(lines, size))
            bare = asyncio.run(_bare(stage, len(lines)))
            with stage.workers(1) as workers:
                rate = stage.rate(workers, len(lines), after=2 * _ALERTS)
            rates.append((size, rate))
            figures.append(_figure(f"{size} a record: bare consumer, json.loads", bare))
            figures.append(_figure(f"{size} a record: worker", rate, *_ratios(rate, bare)))
        figures += _latency(broker, Path(name), graph)
        program = shutil.which(options.alertmanager)
        if program is not None:
            theirs = _alertmanager(program, Path(name), lines)
            figures.append(_figure(f"Alertmanager, {_POST} a post", theirs))
            for size, rate in rates:
                figures.append(Figure(f"worker at {size} a record, beside Alertmanager", *_ratios(rate, theirs)))
    show("worker", figures, options)


def _figure(what: str, rate: Rate, *beside: str) -> Figure:
    value = f"{rate.a_second:,.0f} alerts/s, {rate.a_core_second:,.0f} a core second"
    return Figure(what, value, ", ".join(beside))


def _ratios(rate: Rate, other: Rate) -> tuple[str, str]:
    by_clock, by_core = rate.a_second / other.a_second, rate.a_core_second / other.a_core_second
    return f"{by_clock:.2f} by the clock", f"{by_core:.2f} a core second"


async def _bare(stage: Stage, alerts: int) -> Rate:
    """Return how many alerts a second a loop reads that does nothing but parse."""
    kafka = stage.config.kafka
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest", enable_auto_commit=False
    ) as consumer:
        await consumer._client.add_topic(kafka.alerts_topic)
        consumer.assign([TopicPartition(kafka.alerts_topic, 0)])
        seen = 0
        started, spent = time.monotonic(), time.process_time()
        while seen < alerts:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    parsed = json.loads(record.value)
                    seen += len(parsed) if isinstance(parsed, list) else 1
        return Rate(a_second=seen / (time.monotonic() - started), a_core_second=seen / (time.process_time() - spent))


# -- latency -----------------------------------------------------------------------------------------------------


def _latency(broker: Broker, folder: Path, graph: ServiceGraph) -> list[Figure]:
    """Return how long after an incident was due it could be read, with no hold and a background of repeats."""
    stage = Stage(
        broker,
        folder,
        "latency",
        graph,
        page_probability=0,
        page_probability_critical=0,
        hold_min_seconds=0,
        hold_quiet_seconds=0,
        hold_max_seconds=0,
    )
    with stage.workers(1) as workers:
        stage.wait_ready(workers)
        delays = sorted(asyncio.run(_delays(stage)))
    worst = delays[int(len(delays) * 0.99)]
    middle = delays[len(delays) // 2]
    return [
        Figure("from due to readable, median", f"{middle * 1e3:.0f} ms", f"{len(delays)} incident events"),
        Figure("from due to readable, 99th percentile", f"{worst * 1e3:.0f} ms"),
    ]


async def _delays(stage: Stage, *, seconds: int = 30, a_second: int = 20) -> list[float]:
    """Let services fail one after the other for a while; return the delays of the incident events that follow."""
    kafka = stage.config.kafka
    delays: list[float] = []
    async with (
        AIOKafkaConsumer(kafka.incidents_topic, bootstrap_servers=kafka.bootstrap_servers) as consumer,
        AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer,
    ):

        async def read() -> None:
            async for record in consumer:
                delays.append(time.time() - record.timestamp / 1000)

        reading = asyncio.create_task(read())
        known = workloads.alerts(_SERVICES, _SERVICES)
        for number in range(seconds * a_second):
            now = time.time_ns() // 1_000_000
            line = known[number].line(f"l-{number}", now, began_at=now)
            # Scopes of their own, or all would be one incident.
            await producer.send(kafka.alerts_topic, line[:-1] + f',"scope":"scope-{number}"}}'.encode())
            await asyncio.sleep(1 / a_second)
        await asyncio.sleep(2)
        reading.cancel()
    return delays


# -- Alertmanager ------------------------------------------------------------------------------------------------


def _alertmanager(program: str, folder: Path, lines: Sequence[bytes]) -> Rate:
    """Return how many alerts a second an Alertmanager takes in."""
    (port,) = free_ports(1)
    settings = folder / "alertmanager.yml"
    settings.write_text("route: {receiver: nobody, group_by: [alertname]}\nreceivers: [{name: nobody}]\n")
    command = [program, f"--config.file={settings}", f"--storage.path={folder / 'alertmanager'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=error"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        posts = [
            json.dumps([_as_prometheus(line) for line in lines[at : at + _POST]]).encode()
            for at in range(0, len(lines), _POST)
        ]
        seconds = asyncio.run(_post(f"http://127.0.0.1:{port}", posts))
        return Rate(a_second=len(lines) / seconds, a_core_second=len(lines) / processor_seconds(process.pid))
    finally:
        process.terminate()
        process.wait()


def _as_prometheus(line: bytes) -> dict[str, object]:
    event = json.loads(line)
    labels = {"alertname": event["name"], "service": event["service"], "severity": event["severity"]}
    return {
        "labels": {**labels, **event["labels"]},
        "annotations": {"summary": event["summary"]},
        "startsAt": event["starts_at"],
        # Its lease: in the future, or it would be taken for resolved.
        "endsAt": "2099-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
    }


async def _post(address: str, posts: Sequence[bytes]) -> float:
    """Return the seconds that all posts take, over a few connections."""
    waiting = list(reversed(posts))
    async with aiohttp.ClientSession(headers={"Content-Type": "application/json"}) as session:

        async def send() -> None:
            while waiting:
                async with session.post(f"{address}/api/v2/alerts", data=waiting.pop()) as answer:
                    answer.raise_for_status()

        await _until_up(session, address)
        started = time.monotonic()
        await asyncio.gather(*(send() for _ in range(_CONNECTIONS)))
        return time.monotonic() - started


async def _until_up(session: aiohttp.ClientSession, address: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                async with session.get(f"{address}/-/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    main()
