"""How long is nobody served when a worker dies with many alerts open?

python -m benchmarks.speed.restart [--open N] [--services N]

A worker on a real Kafka gets N alerts that stay open, writes its snapshot and is killed with SIGKILL. At once another
is started: measured from its start are when it is ready (Kafka has noticed the death, the snapshot is loaded), when it
has applied an alert that came meanwhile, and how much memory both took at most.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from aiokafka import AIOKafkaProducer

from correlator.config import Config, load
from correlator.devkafka import Broker, free_ports
from correlator.domain import rfc3339
from correlator.shell.topics import verify

#: What an operator may wait for at most.
BOUND_SECONDS = 30.0
_BATCH = 100
_POLL_SECONDS = 0.05
_FEED_TIMEOUT_SECONDS = 1800.0
_SNAPSHOT_SECONDS = 2


class Worker:
    """A worker process with the metrics it tells."""

    def __init__(self, config: Path, log: Path) -> None:
        (self._port,) = free_ports(1)
        self.started = time.perf_counter()
        command = [sys.executable, "-m", "correlator", "worker", "--config", str(config)]
        with log.open("ab") as sink:
            self.process = subprocess.Popen(
                [*command, "--set", f"worker.web_port={self._port}"], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
            )

    def is_ready(self) -> bool:
        return self._get("/ready")[0] == 200

    def metric(self, sample: str) -> float:
        """Return a sample by its full name with labels; 0 where it is not told."""
        lines = self._get("/metrics")[1].splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample + " ")), 0.0)

    def peak_megabytes(self) -> float:
        """Return the most memory that was resident (Linux: VmHWM), in megabytes of 10^6 bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        (kibibytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        return int(kibibytes) * 1024 / 1e6

    def until(self, condition: Callable[[], bool], seconds: float) -> float:
        """Return the seconds from the start to when the condition held."""
        deadline = time.perf_counter() + seconds
        while not condition():
            if self.process.poll() is not None or time.perf_counter() > deadline:
                raise SystemExit(f"the worker ended or did not come that far in {seconds:g} s")
            time.sleep(_POLL_SECONDS)
        return time.perf_counter() - self.started

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except OSError:
            return 0, ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.restart", description=__doc__)
    parser.add_argument("--open", type=int, default=100_000, help="alerts that stay open")
    parser.add_argument("--services", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="correlator-restart-") as folder, Broker() as broker:
        figures = measure(broker, Path(folder), alerts=options.open, services=options.services)
    machine = f"{os.cpu_count()} cores, CPython {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the end"
    print(f"{options.open} alerts open on {options.services} services; {machine}")
    for what, value in figures.items():
        print(f"{what:<42}{value:>12.1f}")
    return 0 if figures["serving again, s"] <= BOUND_SECONDS else 1


def measure(broker: Broker, folder: Path, *, alerts: int, services: int) -> dict[str, float]:
    """Return the figures."""
    file = folder / "correlator.toml"
    file.write_text(
        f'[kafka]\nbootstrap_servers = "{broker.bootstrap_servers}"\n'
        f"[worker]\nsnapshot_interval_seconds = {_SNAPSHOT_SECONDS}\n",
        encoding="utf-8",
    )
    config = load(file)
    asyncio.run(verify(config, create=True))
    first = Worker(file, folder / "worker.log")
    second = None
    try:
        ready = first.until(first.is_ready, 120)
        produce(config, batches(alerts, services))
        fed = first.until(lambda: applied(first) >= alerts, _FEED_TIMEOUT_SECONDS) - ready
        written = first.metric("correlator_snapshot_seconds_count")
        # The first may have been begun before everything was applied; the second covers it all.
        first.until(lambda: first.metric("correlator_snapshot_seconds_count") >= written + 2, 300)
        snapshot = first.metric('correlator_snapshot_bytes{partition="0"}')
        peak = first.peak_megabytes()
        first.kill()
        second = Worker(file, folder / "worker.log")
        produce(config, batches(1, 1, word="late"))
        ready_again = second.until(second.is_ready, 300)
        serving = second.until(lambda: applied(second) >= 1, 300)
        return {
            "first fed with all of them, s": fed,
            "snapshot, MB": snapshot / 1e6,
            "most memory of the first, MB": peak,
            "loading snapshot and graph, s": second.metric("correlator_restore_seconds"),
            "ready again, s": ready_again,
            "serving again, s": serving,
            "most memory of the second, MB": second.peak_megabytes(),
        }
    finally:
        for worker in (first, second):
            if worker is not None:
                worker.kill()


def applied(worker: Worker) -> float:
    return worker.metric("correlator_events_applied_total")


def batches(alerts: int, services: int, word: str = "alert") -> Iterator[bytes]:
    """Yield messages of alerts that fire now, each another on one of the services."""
    now = rfc3339(time.time_ns() // 1_000_000)
    events = (
        {
            "id": f"{word}-{number}",
            "status": "firing",
            "name": f"{word} {number // services}",
            "service": f"service-{number % services}",
            "severity": "warning",
            "starts_at": now,
            "labels": {"team": f"team-{number % 17}", "region": "eu"},
            "summary": f"{word} {number // services} on service-{number % services} is above its threshold",
        }
        for number in range(alerts)
    )
    batch: list[object] = []
    for event in events:
        batch.append(event)
        if len(batch) == _BATCH:
            yield json.dumps(batch).encode()
            batch = []
    if batch:
        yield json.dumps(batch).encode()


def produce(config: Config, values: Iterator[bytes]) -> None:
    async def send() -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=config.kafka.bootstrap_servers, acks="all", enable_idempotence=True
        ) as producer:
            for value in values:
                await producer.send(config.kafka.alerts_topic, value)
            await producer.flush()

    asyncio.run(send())


if __name__ == "__main__":
    sys.exit(main())
