"""How long is nobody served when a worker dies with many alerts open?

python -m benchmarks.speed.restart [--open N] [--services N]

A worker on a real Kafka is given N alerts that stay open, all of one moment, so that this takes no longer than needed.
Then one by the wall clock, as in production, goes on for some snapshots and is killed with SIGKILL. At once another is
started: measured from its start are when it is ready (Kafka has noticed the death, the snapshot is loaded), when it has
applied an alert that came meanwhile, the processor time until then, which other programs of the machine do not
lengthen, and how much memory each took at most.
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
from collections.abc import Callable, Iterator, Sequence
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
_SNAPSHOT_SECONDS = 2
_SNAPSHOTS = 3
_FILE = "correlator.toml"
#: The alerts began so long ago, and half of it later was told of them.
_AGO_MS = 120_000


class Worker:
    """A worker process with the metrics it tells."""

    def __init__(self, folder: Path, *, clock: str = "wall") -> None:
        (self._port,) = free_ports(1)
        self.started = time.perf_counter()
        command = [sys.executable, "-m", "correlator", "worker", "--config", str(folder / _FILE)]
        command += ["--set", f"worker.web_port={self._port}", "--set", f"worker.clock={clock}"]
        with (folder / "worker.log").open("ab") as sink:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)

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

    def processor_seconds(self) -> float:
        """Return the processor time it took so far (Linux: fields 14 and 15 of `stat`)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def until(self, condition: Callable[[], bool], seconds: float) -> float:
        """Return the seconds from the start to when the condition held."""
        deadline = time.perf_counter() + seconds
        while not condition():
            if self.process.poll() is not None or time.perf_counter() > deadline:
                raise SystemExit(f"the worker ended or did not come that far in {seconds:g} s")
            time.sleep(_POLL_SECONDS)
        return time.perf_counter() - self.started

    def end(self) -> None:
        """End it in order."""
        self.process.terminate()
        self.process.wait()

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
    (folder / _FILE).write_text(
        f'[kafka]\nbootstrap_servers = "{broker.bootstrap_servers}"\n'
        f"[worker]\nsnapshot_interval_seconds = {_SNAPSHOT_SECONDS}\n",
        encoding="utf-8",
    )
    config = load(folder / _FILE)
    asyncio.run(verify(config, create=True))
    workers: list[Worker] = []

    def started(**options: str) -> Worker:
        workers.append(Worker(folder, **options))
        return workers[-1]

    try:
        fed = feed(started(clock="records"), config, alerts, services)
        first = started()
        # Some snapshots by its own clock, as in production.
        first.until(lambda: first.metric("correlator_snapshot_seconds_count") >= _SNAPSHOTS, 600)
        snapshot, peak = first.metric('correlator_snapshot_bytes{partition="0"}'), first.peak_megabytes()
        first.kill()
        second = started()
        produce(config, batches(1, 1, word="late", at=now_ms()), at=now_ms())
        ready = second.until(second.is_ready, 600)
        serving = second.until(lambda: applied(second) >= 1, 600)
        return {
            "first fed with all of them, s": fed,
            "snapshot, MB": snapshot / 1e6,
            "most memory of the first, MB": peak,
            "loading snapshot and graph, s": second.metric("correlator_restore_seconds"),
            "ready again, s": ready,
            "serving again, s": serving,
            "processor time until then, s": second.processor_seconds(),
            "most memory of the second, MB": second.peak_megabytes(),
        }
    finally:
        for worker in workers:
            worker.kill()


def feed(worker: Worker, config: Config, alerts: int, services: int) -> float:
    """Give a worker by the records' clock all alerts, of one moment, and time to tell of them; return the seconds."""
    ready = worker.until(worker.is_ready, 120)
    at = now_ms() - _AGO_MS
    produce(config, batches(alerts, services, at=at), at=at)
    produce(config, iter([b""]), at=at + _AGO_MS // 2, headers=[("type", b"tick")])
    fed = worker.until(lambda: applied(worker) >= alerts, 1800) - ready
    worker.end()
    return fed


def applied(worker: Worker) -> float:
    return worker.metric("correlator_events_applied_total")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def batches(alerts: int, services: int, *, at: int, word: str = "alert") -> Iterator[bytes]:
    """Yield messages of alerts that fire at `at` (milliseconds), each another on one of the services."""
    began = rfc3339(at)
    events = (
        {
            "id": f"{word}-{number}",
            "status": "firing",
            "name": f"{word} {number // services}",
            "service": f"service-{number % services}",
            "severity": "warning",
            "starts_at": began,
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


def produce(config: Config, values: Iterator[bytes], *, at: int, headers: Sequence[tuple[str, bytes]] = ()) -> None:
    async def send() -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=config.kafka.bootstrap_servers, acks="all", enable_idempotence=True
        ) as producer:
            for value in values:
                await producer.send(config.kafka.alerts_topic, value, timestamp_ms=at, headers=headers)
            await producer.flush()

    asyncio.run(send())


if __name__ == "__main__":
    sys.exit(main())
