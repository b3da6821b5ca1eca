"""Show all of it on this machine: a Kafka, the worker, the pager and a storm, then what became of it, then nothing left.

    storm -> [player] -> alerts -> [worker] -> incidents -> [pager] -> this terminal

Everything is the real thing; only the clock is that of the storm. At the end the same storm is replayed without Kafka:
what was published must be that very sequence.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any, NoReturn, TextIO

import aiohttp
import msgspec
import structlog

from correlator import scoring
from correlator.config import Config, load
from correlator.devkafka import Broker, free_ports
from correlator.domain import rfc3339
from correlator.errors import ConfigError, CorrelatorError, InputError
from correlator.formats import canonical
from correlator.pager import process as pager
from correlator.replay import Replay
from correlator.scoring.inputs import read_alerts, read_assignments, read_incidents, read_truth
from correlator.shell.kafka import all_records, partitions_of, reader
from correlator.shell.lines import lines, open_lines
from correlator.shell.player import Played, play
from correlator.shell.topics import verify
from correlator.simulator import command as simulator
from correlator.sinks import Sinks, Summary
from topology.graph import ServiceGraph
from topology.sources import file as topology_file

PRESET = "demo"
#: A storm is played within this, whatever its length: with start and end about a minute.
SHOW_SECONDS = 40.0
#: So often the offsets are looked at, and whether the worker is ready.
_POLL_SECONDS = 0.2
#: A worker that is told to stop writes its last snapshot, and leaves its group.
_STOP_SECONDS = 20.0
_LOG_TAIL_CHARACTERS = 2000
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """What is played: `warm_up` is how many of its lines come before anything is to be seen."""

    alerts: Path
    topology: Path | None
    truth: Path | None
    warm_up: int
    begins_at: int
    ends_at: int

    @property
    def seconds(self) -> float:
        """The length of the storm, its warm-up left out."""
        return (self.ends_at - self.begins_at) / 1000


class Screen(StringIO):
    """A text stream before another one: a line of progress stays below what is written, if that is a terminal."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self._out = out
        self._lock = threading.Lock()  # the pager writes from a thread of its own
        self._shown = ""

    def isatty(self) -> bool:
        return self._out.isatty()

    def write(self, text: str) -> int:
        with self._lock:
            if self._shown:
                self._out.write("\r\033[K")
            self._out.write(text)
            self._out.write(self._shown)
            self._out.flush()
        return len(text)

    def progress(self, text: str) -> None:
        """Show a line in place of the last one; an empty one takes it away."""
        if not self.isatty():
            return
        with self._lock:
            self._out.write(f"\r\033[K{text}")
            self._out.flush()
            self._shown = text


def run(
    *,
    alerts: Path | None = None,
    topology: Path | None = None,
    truth: Path | None = None,
    overrides: Sequence[str] = (),
    speed: float | None = None,
    seed: int = 1,
    keep: bool = False,
    out: TextIO = sys.stdout,
) -> None:
    """Play a storm through everything and show what comes of it.

    Args:
        alerts: a recorded stream; a simulated one by default.
        speed: seconds of the stream in a second; by default such that it takes less than a minute, 0 is at once.
        keep: leave the files there, to be looked at.

    Raises:
        CorrelatorError: something is missing on this machine, or failed.
        KeyboardInterrupt: the user, or a signal, ended it; all is cleaned up.
    """
    screen = Screen(out)
    with ExitStack() as cleaning:
        interrupted = cleaning.enter_context(_interruptible())
        folder = Path(tempfile.mkdtemp(prefix="correlator-demo-"))
        cleaning.callback(_leave, folder, keep, screen)
        stream = _stream(folder, alerts, topology, truth, overrides, seed)
        screen.write(f"{_about(stream)}\nStarting Kafka, the worker and the pager ...\n")
        broker = cleaning.enter_context(Broker())
        cleaning.callback(interrupted)
        config_file = folder / "correlator.toml"
        config_file.write_text(_settings(broker.bootstrap_servers, stream.topology), encoding="utf-8")
        show = Show(load(config_file, overrides), config_file, overrides, stream, folder, screen)
        asyncio.run(show.run(speed, before_end=interrupted))
        screen.write(report(stream, show.summary, show.published, folder))


def _stream(
    folder: Path, alerts: Path | None, topology: Path | None, truth: Path | None, overrides: Sequence[str], seed: int
) -> Stream:
    """Return what is to be played, simulated where nothing was recorded."""
    if alerts is None:
        simulator.run(PRESET, seed, folder, None, ())
        alerts, topology, truth = folder / "alerts.jsonl", folder / "topology.json", folder / "truth.json"
    elif topology is not None:
        topology_file.load(topology)
        topology = topology.resolve()
    scored_from = read_truth(truth).scored_from if truth else None
    times = list(_arrivals(alerts, load(None, overrides).worker.max_event_bytes))
    if not times:
        raise ConfigError(str(alerts), ["holds no alert event"])
    warm_up = sum(at < (scored_from or 0) for at in times)
    return Stream(
        alerts=alerts,
        topology=topology,
        truth=truth,
        warm_up=warm_up,
        begins_at=times[min(warm_up, len(times) - 1)],
        ends_at=times[-1],
    )


def _arrivals(alerts: Path, longest: int) -> Iterator[int]:
    """Yield when each line arrived, in milliseconds, never going back; a line without a time arrives with the last."""
    now = 0
    with open_lines(str(alerts)) as file:
        for line, _ in lines(file, longest):
            if not line.strip():
                continue
            with suppress(InputError):
                alert = canonical.parse(line)
                now = max(now, alert.starts_at if alert.observed_at is None else alert.observed_at)
            yield now


def _about(stream: Stream) -> str:
    what = "A simulated storm" if stream.truth and stream.warm_up else f"The stream {stream.alerts}"
    graph = "without a dependency graph"
    if stream.topology:
        known = topology_file.load(stream.topology)
        graph = f"of {len(known)} services with {known.edge_count} dependencies"
    return f"{what} {graph}: {rfc3339(stream.begins_at)[:16]} to {rfc3339(stream.ends_at)[:16]} UTC."


def _settings(servers: str, topology: Path | None) -> str:
    """Return the configuration file of the show: a small Kafka, the storm's clock, free ports, quick snapshots."""
    worker_port, pager_port = free_ports(2)
    lines = ["[kafka]", f"bootstrap_servers = {json.dumps(servers)}", "", "[worker]"]
    lines += ['clock = "records"', f"web_port = {worker_port}", "snapshot_interval_seconds = 1"]
    if topology is not None:
        lines.append(f"topology = {json.dumps(str(topology))}")
    return "\n".join([*lines, "", "[pager]", f"web_port = {pager_port}", ""])


class Show:
    """The worker, the pager and the player at work, and what they published."""

    def __init__(
        self, config: Config, file: Path, overrides: Sequence[str], stream: Stream, folder: Path, screen: Screen
    ) -> None:
        self._config = config
        self._file = file
        self._overrides = overrides
        self._stream = stream
        self._folder = folder
        self._screen = screen
        self.published: list[bytes] = []
        self.summary = Summary()

    async def run(self, speed: float | None, *, before_end: Callable[[], None]) -> None:
        """Show it from the creation of the topics to the last delivery."""
        await verify(self._config, create=True)
        try:
            async with _worker(self._file, self._overrides, self._folder / "worker.log") as worker:
                stop = asyncio.Event()
                _log_to(self._folder / "pager.log")
                delivering = pager.run(self._config, environ=os.environ, stop=stop, console=self._screen)
                await _all_well(self._play_and_wait(speed, stop), worker, delivering)
                before_end()
        finally:
            before_end()
            self._screen.progress("")

    async def _play_and_wait(self, speed: float | None, stop: asyncio.Event) -> None:
        await self._ready()
        stream, screen = self._stream, self._screen
        speed = stream.seconds / SHOW_SECONDS if speed is None else speed
        web, pages = self._config.worker, self._config.pager
        screen.write(
            f"Kafka     {self._config.kafka.bootstrap_servers}\n"
            f"Metrics   http://{web.web_host}:{web.web_port}/metrics (worker), "
            f"http://{pages.web_host}:{pages.web_port}/metrics (pager)\n"
            f"Playing   {f'{speed:.3g} times as fast as it came' if speed else 'as fast as it goes'}"
            f"{f', after {stream.warm_up} events of warm-up' if stream.warm_up else ''}; Ctrl-C ends it\n\n"
        )
        with open_lines(str(stream.alerts)) as file:
            source = (line for line, _ in lines(file, self._config.worker.max_event_bytes) if line.strip())
            if stream.warm_up:
                warm_up = (line for _, line in zip(range(stream.warm_up), source, strict=False))
                await play(self._config, warm_up, finish=False)
            await play(self._config, source, speed=speed, on_progress=self._on_progress)
        screen.progress("all is played, what is pending comes to its end ...")
        await self._settled()
        self.published = await self._incidents()
        self.summary = await asyncio.to_thread(self._replay)
        stop.set()

    async def _ready(self) -> None:
        address = f"http://{self._config.worker.web_host}:{self._config.worker.web_port}/ready"
        async with aiohttp.ClientSession() as session:
            while True:
                with suppress(aiohttp.ClientError):
                    async with session.get(address) as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(_POLL_SECONDS)

    def _on_progress(self, played: Played) -> None:
        self._screen.progress(f"{rfc3339(played.at)[11:19]}  {self._stream.warm_up + played.lines} events")

    async def _settled(self) -> None:
        """Return when every record is dealt with, in the order in which they make each other."""
        kafka, group = self._config.kafka, self._config.worker.app_id
        await _no_lag(self._config, group, kafka.alerts_topic)
        await _no_lag(self._config, group, kafka.events_topic)
        await _no_lag(self._config, f"{self._config.pager.group_id}.console", kafka.incidents_topic)

    async def _incidents(self) -> list[bytes]:
        """Return what was published, without repeats."""
        topic = self._config.kafka.incidents_topic
        return list(dict.fromkeys([record.value async for record in all_records(self._config.kafka, topic)]))

    def _replay(self) -> Summary:
        """Replay the stream without Kafka, and write what a scorer reads."""
        graph = topology_file.load(self._stream.topology) if self._stream.topology else ServiceGraph.empty()
        with ExitStack() as files:
            incidents = files.enter_context((self._folder / "incidents.jsonl").open("wb"))
            assignments = files.enter_context((self._folder / "assignments.jsonl").open("wb"))
            source = files.enter_context(open_lines(str(self._stream.alerts)))
            replay = Replay(self._config, graph, Sinks(incidents, assignments))
            for number, (line, _) in enumerate(lines(source, replay.max_line_bytes), start=1):
                if line.strip():
                    replay.feed(number, line)
            return replay.finish()


@asynccontextmanager
async def _worker(file: Path, overrides: Sequence[str], log: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Run a worker as a process of its own, as in production."""
    command = [sys.executable, "-m", "correlator", "worker", "--config", str(file)]
    for override in overrides:
        command += ["--set", override]
    with log.open("wb") as sink:
        # In a session of its own: a Ctrl-C in the terminal is for us, who end it in order.
        worker = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield worker
    finally:
        worker.terminate()
        try:
            worker.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
