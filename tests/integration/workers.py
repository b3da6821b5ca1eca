"""Workers as processes, with topics of their own, for the tests of this folder."""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import CommitFailedError

from correlator import rankers
from correlator.config import Config, load
from correlator.devkafka import free_ports
from correlator.replay import LogReplay, Replay
from correlator.shell.dump import dump
from correlator.shell.player import play
from correlator.shell.topics import verify
from correlator.sinks import Sinks
from topology.graph import ServiceGraph
from topology.sources import file as topology_file

_names = itertools.count(1)
REPOSITORY = Path(__file__).parents[2]
SHARED = REPOSITORY.parent / "shared" / "data"


def wait_for(condition: Callable[[], Any], what: str, *, seconds: float = 60) -> Any:
    """Return what the condition gives once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)
    return found


class Worker:
    """A worker process, by a clock that is off by so many seconds."""

    def __init__(self, config: Path, port: int, log: Path, overrides: Sequence[str] = (), clock_off: int = 0) -> None:
        self.port = port
        self.log = log
        self._tls: ssl.SSLContext | None = None
        program = ["tests.integration.skewed", str(clock_off)] if clock_off else ["correlator"]
        command = [sys.executable, "-m", *program, "worker", "--config", str(config)]
        for override in (f"worker.web_port={port}", *overrides):
            command += ["--set", override]
        with log.open("ab") as sink:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd=REPOSITORY,
            )

    def trusting(self, authority: Path) -> Worker:
        """Talk TLS with it from now on; `authority` is the certificate that signed its own."""
        self._tls = ssl.create_default_context(cafile=str(authority))
        return self

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body; status 0 while nobody answers."""
        scheme = "https" if self._tls else "http"
        address = f"{scheme}://127.0.0.1:{self.port}{path}"
        try:
            with urllib.request.urlopen(address, timeout=5, context=self._tls) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, sample: str) -> float:
        """Return a sample by its full name with labels; 0 where it is not told."""
        lines = self.get("/metrics")[1].splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample + " ")), 0.0)

    def wait_ready(self) -> Worker:
        def ready() -> bool:
            assert self.process.poll() is None, f"the worker ended\n{self.log.read_text()[-4000:]}"
            return self.get("/ready")[0] == 200

        wait_for(ready, f"the worker is ready\n{self.log.read_text()[-2000:]}")
        return self

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=30)


class World:
    """One configuration with topics, a group and workers of its own."""

    def __init__(
        self,
        broker: str,
        folder: Path,
        *,
        topology: Path | None = None,
        partitions: int = 1,
        create: bool = True,
        kafka: Mapping[str, Any] | None = None,
        **worker: Any,
    ) -> None:
        name = f"w{next(_names)}"
        folder.mkdir(exist_ok=True)
        self.log = folder / "worker.log"
        self.log.touch()
        self.file = folder / "correlator.toml"
        settings = {"clock": "records", "app_id": name, "session_timeout_seconds": 6, "snapshot_interval_seconds": 0.3}
        if topology is not None:
            settings["topology"] = str(topology)
        settings |= worker
        topics = ("alerts", "feedback", "rejected", "events", "incidents", "snapshots", "topologies")
        lines = [
            "[kafka]",
            f'bootstrap_servers = "{broker}"',
            f"partitions = {partitions}",
            *(f'{topic}_topic = "{name}-{topic}"' for topic in topics),
            *(f"{key} = {json.dumps(value)}" for key, value in (kafka or {}).items()),
            "[worker]",
            *(f"{key} = {json.dumps(value)}" for key, value in settings.items()),
        ]
        self.file.write_text("\n".join(lines))
        self.config: Config = load(self.file)
        self.graph = topology_file.load(topology) if topology else ServiceGraph.empty()
        self.workers: list[Worker] = []
        if create:
            self.create_topics()

    def reload(self) -> None:
        """Take what now stands in the file."""
        self.config = load(self.file)

    def create_topics(self) -> None:
        findings = asyncio.run(verify(self.config, create=True))
        assert not [finding for finding in findings if finding.problems and finding.topic != "correlator-pager-state"]

    def start(self, *overrides: str, clock_off: int = 0) -> Worker:
        (port,) = free_ports(1)
        worker = Worker(self.file, port, self.log, overrides, clock_off)
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.kill()

    def play(self, lines: Iterable[bytes], *, finish: bool = True) -> None:
        asyncio.run(play(self.config, lines, finish=finish))

    def produce(self, topic: str, values: Sequence[bytes], **options: Any) -> None:
        async def send() -> None:
            async with AIOKafkaProducer(
                bootstrap_servers=self.config.kafka.bootstrap_servers, acks="all", max_request_size=2_000_000
            ) as producer:
                for value in values:
                    await producer.send_and_wait(topic, value, **options)

        asyncio.run(send())

    def dump(self, topic: str) -> list[bytes]:
        async def read() -> list[bytes]:
            return [line async for line in dump(self.config.kafka, topic)]

        return asyncio.run(read())

    def incidents(self) -> list[bytes]:
        """Return the values of the incidents topic as they are, in order of publication."""

        async def read() -> list[bytes]:
            return [value for _, _, value in await self._values(self.config.kafka.incidents_topic)]

        return asyncio.run(read())

    def rejected(self) -> list[tuple[dict[str, str], bytes]]:
        """Return headers and bytes of the dead letters."""

        async def read() -> list[tuple[dict[str, str], bytes]]:
            records = await self._values(self.config.kafka.rejected_topic)
            return [({key: text.decode() for key, text in headers}, value) for _, headers, value in records]

        return asyncio.run(read())

    async def _values(self, topic: str) -> list[tuple[int, Any, bytes]]:
        async with AIOKafkaConsumer(bootstrap_servers=self.config.kafka.bootstrap_servers) as consumer:
            await consumer._client.add_topic(topic)
            places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            ends = await consumer.end_offsets(places)
            values = []
            for place in places:
                while await consumer.position(place) < ends[place]:
                    for record in (await consumer.getmany(place, timeout_ms=500)).get(place, ()):
                        values.append((record.partition, record.headers, record.value))
            return values

    def lag(self) -> int:
        """Return how many records of alerts and log the group has not committed."""

        async def ask() -> int:
            kafka = self.config.kafka
            async with AIOKafkaConsumer(
                bootstrap_servers=kafka.bootstrap_servers, group_id=self.config.worker.app_id, enable_auto_commit=False
            ) as consumer:
                total = 0
                for topic in (kafka.alerts_topic, kafka.events_topic):
                    await consumer._client.add_topic(topic)
                    places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
                    ends = await consumer.end_offsets(places)
                    for place in places:
                        total += ends[place] - (await consumer.committed(place) or 0)
                return total

        return asyncio.run(ask())

    def wait_done(self, *, seconds: float = 90) -> None:
        """Return when everything that was played is applied, told and committed."""

        def done() -> bool:
            alive = [worker for worker in self.workers if worker.process.poll() is None]
            assert alive, f"no worker runs\n{self.log.read_text()[-4000:]}"
            # Ingest commits what it forwarded, so no lag twice running means none of either kind.
            return self.lag() == 0 and self.lag() == 0

        wait_for(done, "no lag", seconds=seconds)

    def commit(self, topic: str, offsets: dict[int, int]) -> None:
        """Set the group's offsets by hand; no worker may run. Waits until the session of one that was killed ends."""

        async def set_them() -> None:
            async with AIOKafkaConsumer(
                bootstrap_servers=self.config.kafka.bootstrap_servers,
                group_id=self.config.worker.app_id,
                enable_auto_commit=False,
            ) as consumer:
                places = {TopicPartition(topic, number): offset for number, offset in offsets.items()}
                consumer.assign(list(places))
                async with asyncio.timeout(30):
                    while True:
                        with suppress(CommitFailedError):
                            await consumer.commit(places)
                            return

        asyncio.run(set_them())

    # -- what should come out -----------------------------------------------------------------------------------

    def expected(self, lines: Iterable[bytes]) -> list[bytes]:
        """Return the incident events of an uninterrupted run without Kafka."""
        out = BytesIO()
        run = Replay(self.config, self.graph, Sinks(out), ranker=rankers.chosen(self.config.worker.model))
        for number, line in enumerate(lines, start=1):
            run.feed(number, line)
        run.finish()
        return out.getvalue().splitlines()

    def expected_of_log(self) -> list[bytes]:
        """Return the incident events that a replay of the dumped log gives."""
        out = BytesIO()
        run = LogReplay(self.config, [self.graph], Sinks(out), ranker=rankers.chosen(self.config.worker.model))
        for number, line in enumerate(self.dump(self.config.kafka.events_topic), start=1):
            run.feed(number, line)
        run.finish()
        return out.getvalue().splitlines()


def without_repeats(values: Iterable[bytes]) -> list[bytes]:
    """Drop repeated (incident_id, revision) as consumers do; a repeat must be the same byte for byte."""
    seen: dict[tuple[str, int], bytes] = {}
    for value in values:
        event = json.loads(value)
        assert seen.setdefault((event["incident_id"], event["revision"]), value) == value
    return list(seen.values())


def storm(*, faults: int = 6, scopes: Sequence[str] = ("default",), start: int = 1_700_000_000) -> Iterator[bytes]:
    """Yield a small stream: every ten minutes and in every scope one service fails and its callers with it."""
    for fault in range(faults):
        began = start + fault * 600
        victims = range(1 + fault % 3, 6)
        for scope in scopes:
            for place, victim in enumerate(victims):
                yield _event(f"{scope}-{fault}-{victim}-f", "firing", scope, victim, began + 5 * place)
        for scope in scopes:
            for place, victim in enumerate(victims):
                at = began + 5 * place
                yield _event(f"{scope}-{fault}-{victim}-r", "resolved", scope, victim, at + 200, at)


def _event(event_id: str, status: str, scope: str, service: int, at: int, began: int | None = None) -> bytes:
    def moment(seconds: int) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))

    event = {
        "id": event_id,
        "status": status,
        "name": "HighErrorRate" if service > 1 else "ServiceDown",
        "service": f"s{service}",
        "scope": scope,
        "severity": "critical",
        "starts_at": moment(began or at),
        "observed_at": moment(at),
    }
    if status == "resolved":
        event["ends_at"] = moment(at)
    return json.dumps(event).encode()


def chain_topology(folder: Path) -> Path:
    """Write the graph of the storm: s5 calls s4 calls ... calls s1."""
    file = folder / "topology.json"
    names = [f"s{number}" for number in range(1, 6)]
    calls = [{"from": caller, "to": callee} for callee, caller in itertools.pairwise(names)]
    file.write_text(json.dumps({"services": [{"name": name} for name in names], "dependencies": calls}))
    return file
