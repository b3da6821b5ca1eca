"""What benchmarks of the worker need: a Kafka, topics of their own, workers as processes, and their metrics."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec
from aiokafka import AIOKafkaProducer

from benchmarks.speed.record import ROOT
from correlator.config import Config, load
from correlator.devkafka import Broker, free_ports
from correlator.shell.topics import verify
from topology.graph import ServiceGraph

_TOPICS = ("alerts", "feedback", "rejected", "events", "incidents", "snapshots", "topologies")
_LONGEST_SECONDS = 600


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts a second, by the clock and by the processor's time: neighbours on the machine disturb the first most."""

    a_second: float
    a_core_second: float


def processor_seconds(pid: int) -> float:
    """Return what a process has spent, with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Worker:
    """A worker process."""

    def __init__(self, file: Path, log: Path) -> None:
        (self.port,) = free_ports(1)
        command = [sys.executable, "-m", "correlator", "worker", "--config", str(file)]
        with log.open("ab") as sink:
            self.process = subprocess.Popen(
                [*command, "--set", f"worker.web_port={self.port}"], stdout=sink, stderr=sink, cwd=ROOT
            )

    def metric(self, name: str) -> float:
        """Return the sum of a metric's samples; 0 while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return 0.0
        samples = (line.rpartition(" ") for line in lines if line.startswith((name + " ", name + "{")))
        return sum(float(value) for _, _, value in samples)

    def is_ready(self) -> bool:
        return self.metric("correlator_ready") == 1

    def processor_seconds(self) -> float:
        return processor_seconds(self.process.pid)

    def applied(self) -> int:
        return int(self.metric("correlator_events_applied_total"))

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Stage:
    """One configuration with topics of its own in a Kafka."""

    def __init__(
        self,
        broker: Broker,
        folder: Path,
        name: str,
        graph: ServiceGraph,
        *,
        partitions: int = 1,
        clock: Literal["wall", "records"] = "wall",
        **engine: float,
    ) -> None:
        topology = folder / f"{name}-topology.json"
        topology.write_bytes(json.dumps(_document(graph)).encode())
        self.file = folder / f"{name}.toml"
        self._log = folder / f"{name}.log"
        lines = [
            *(f"{key} = {value}" for key, value in engine.items()),
            "[kafka]",
            f'bootstrap_servers = "{broker.bootstrap_servers}"',
            f"partitions = {partitions}",
            *(f'{topic}_topic = "{name}-{topic}"' for topic in _TOPICS),
            "[worker]",
            f'app_id = "{name}"',
            f'clock = "{clock}"',
            "session_timeout_seconds = 6",
            f'topology = "{topology}"',
        ]
        self.file.write_text("\n".join(lines))
        self.config: Config = load(self.file)
        asyncio.run(verify(self.config, create=True))

    def produce(self, values: Iterable[bytes]) -> None:
        """Write records to the alerts topic, over its partitions in turn."""
        asyncio.run(self._produce(values))

    async def _produce(self, values: Iterable[bytes]) -> None:
        kafka = self.config.kafka
        async with AIOKafkaProducer(
            bootstrap_servers=kafka.bootstrap_servers, linger_ms=20, max_batch_size=500_000, max_request_size=5_000_000
        ) as producer:
            last = None
            for number, value in enumerate(values):
                last = await producer.send(kafka.alerts_topic, value, partition=number % kafka.partitions)
            await producer.flush()
            if last is not None:
                await last

    def said(self) -> str:
        """Return the last that the workers logged."""
        return self._log.read_text(encoding="utf-8")[-3000:]

    @contextmanager
    def workers(self, count: int) -> Iterator[list[Worker]]:
        """Run workers until the end of the block."""
        running = [Worker(self.file, self._log) for _ in range(count)]
        try:
            yield running
        finally:
            for worker in running:
                worker.end()

    def rate(self, workers: Sequence[Worker], events: int, *, after: int = 0) -> Rate:
        """Return how many events a second are applied, from when `after` of them are until all are.

        Raises:
            RuntimeError: they are not within ten minutes, or a worker ended.
        """
        begin: tuple[float, float, int] | None = None
        deadline = time.monotonic() + _LONGEST_SECONDS
        while time.monotonic() < deadline:
            done, at = sum(worker.applied() for worker in workers), time.monotonic()
            spent = sum(worker.processor_seconds() for worker in workers)
            if begin is None and done > after:
                begin = (at, spent, done)
            if begin is not None and done >= events:
                count = done - begin[2]
                if count < events / 2:
                    raise RuntimeError("too few alerts: most were applied before the first look")
                return Rate(a_second=count / (at - begin[0]), a_core_second=count / (spent - begin[1]))
            if any(worker.process.poll() is not None for worker in workers):
                raise RuntimeError(f"a worker ended:\n{self.said()}")
            time.sleep(0.5)  # to look is work for the worker
        raise RuntimeError(f"not all is applied:\n{self.said()}")

    def wait_ready(self, workers: Sequence[Worker]) -> None:
        deadline = time.monotonic() + _LONGEST_SECONDS
        while not all(worker.is_ready() for worker in workers):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the workers do not get ready:\n{self.said()}")
            time.sleep(0.1)


def batches(lines: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield messages of `size` events: one event as it is, several as an array."""
    pending: list[bytes] = []
    for line in lines:
        pending.append(line)
        if len(pending) == size:
            yield pending[0] if size == 1 else b"[" + b",".join(pending) + b"]"
            pending = []
    if pending:
        yield b"[" + b",".join(pending) + b"]"


def _document(graph: ServiceGraph) -> dict[str, object]:
    document = graph.document
    return {
        "services": [{"name": service.name, "owner": service.owner} for service in document.services],
        "dependencies": [{"from": edge.source, "to": edge.to} for edge in document.dependencies],
    }
