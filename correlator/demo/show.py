"""The worker, the pager and the player at work, from the creation of the topics to the last delivery."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from asyncio.subprocess import DEVNULL, STDOUT
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import islice
from pathlib import Path

import aiohttp
import msgspec
import structlog

from correlator.config import Config
from correlator.demo.screen import Screen
from correlator.demo.stream import Stream
from correlator.devkafka import free_ports
from correlator.domain import rfc3339
from correlator.errors import CorrelatorError
from correlator.pager import process as pager
from correlator.shell.kafka import all_records, partitions_of, reader
from correlator.shell.player import Played, play
from correlator.shell.topics import verify

#: How often offsets and readiness are asked for.
_POLL_SECONDS = 0.2
#: A worker that is told to stop writes its last snapshot and leaves its group.
_STOP_SECONDS = 20.0
_LOG_TAIL_LINES = 10
#: The name under which the pager prints.
_TARGET = "console"


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """A worker as a process of its own, as in production."""

    config_file: Path
    overrides: tuple[str, ...]
    log: Path
    #: Called before it is told to stop.
    before_end: Callable[[], None]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run it for as long as the block; it is gone afterwards."""
        command = [sys.executable, "-m", "correlator", "worker", "--config", str(self.config_file)]
        for override in self.overrides:
            command += ["--set", override]
        with self.log.open("wb") as log:
            # In a session of its own: a Ctrl-C of the terminal is for us, who end it in order.
            process = await asyncio.create_subprocess_exec(
                *command, stdin=DEVNULL, stdout=log, stderr=STDOUT, start_new_session=True
            )
        try:
            yield process
        finally:
            self.before_end()
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def failure(self, process: asyncio.subprocess.Process) -> None:
        """Wait until it ends by itself.

        Raises:
            CorrelatorError: it did.
        """
        status = await process.wait()
        tail = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        raise CorrelatorError("\n".join([f"the worker ended with status {status}; the end of its log:", *tail]))


def settings(servers: str, topology: Path | None) -> str:
    """Return the configuration file: the stream's clock, free ports, snapshots that do not keep one waiting."""
    worker_port, pager_port = free_ports(2)
    worker = ['clock = "records"', "snapshot_interval_seconds = 1", f"web_port = {worker_port}"]
    if topology is not None:
        worker.append(f"topology = {json.dumps(str(topology))}")
    kafka = f"bootstrap_servers = {json.dumps(servers)}"
    return "\n".join(["[kafka]", kafka, "", "[worker]", *worker, "", "[pager]", f"web_port = {pager_port}", ""])


@contextmanager
def logging_to(file: Path) -> Iterator[None]:
    """Send the logs of this process to a file, where they do not run through the incidents."""
    with file.open("a", encoding="utf-8", buffering=1) as stream:
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(),
            ],
            logger_factory=structlog.WriteLoggerFactory(file=stream),
        )
        logging.basicConfig(stream=stream, level=logging.WARNING, force=True)
        try:
            yield
        finally:
            # What an interrupted client says when it is destroyed, later, is for nobody.
            logging.basicConfig(handlers=[logging.NullHandler()], force=True)
            structlog.reset_defaults()


async def run(
    config: Config, worker: Worker, stream: Stream, screen: Screen, *, speed: float | None
) -> dict[str, bytes]:
    """Return, by incident, the last that was published of it, when all is delivered.

    Raises:
        CorrelatorError: the worker or the pager ended before.
    """
    await verify(config, create=True)
    stop = asyncio.Event()
    async with worker.running() as process:
        delivering = asyncio.create_task(pager.run(config, environ={}, stop=stop, console=screen))
        failing = asyncio.create_task(worker.failure(process))
        playing = asyncio.create_task(_play(config, stream, screen, stream.speed() if speed is None else speed))
        tasks = (delivering, failing, playing)
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            stop.set()
            await delivering
            return playing.result()
        finally:
            screen.progress("")
            worker.before_end()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _play(config: Config, stream: Stream, screen: Screen, speed: float) -> dict[str, bytes]:
    """Play the stream when the worker is ready; return what was published when it is delivered."""
    await _until_ready(f"{_address(config.worker.web_host, config.worker.web_port)}/ready")
    screen.write(_introduction(config, stream, speed))

    def on_progress(played: Played) -> None:
        screen.progress(f"{rfc3339(played.at)[11:19]}      {stream.warm_up + played.lines} events so far")

    lines = stream.lines(config.worker.max_event_bytes)
    if stream.warm_up:
        await play(config, islice(lines, stream.warm_up), finish=False)
    await play(config, lines, speed=speed, on_progress=on_progress)
    screen.progress("All is played; what is pending comes to its end ...")
    kafka = config.kafka
    # In the order in which they make each other: what has no lag now gets no more records.
    await _until_read(config, config.worker.app_id, kafka.alerts_topic)
    await _until_read(config, config.worker.app_id, kafka.events_topic)
    await _until_read(config, f"{config.pager.group_id}.{_TARGET}", kafka.incidents_topic)
    return {record.key.decode(): record.value async for record in all_records(kafka, kafka.incidents_topic)}


def _introduction(config: Config, stream: Stream, speed: float) -> str:
    worker = _address(config.worker.web_host, config.worker.web_port)
    pages = _address(config.pager.web_host, config.pager.web_port)
    pace = f"{speed:.3g} times as fast as it came" if speed else "as fast as it goes"
    usual = f", after {stream.warm_up} events of an ordinary time at once" if stream.warm_up else ""
    return (
        f"Kafka is at {config.kafka.bootstrap_servers}, metrics at {worker}/metrics and {pages}/metrics.\n"
        f"The stream is played {pace}{usual}. Ctrl-C ends it.\n\n"
    )


def _address(host: str, port: int) -> str:
    return f"http://{host}:{port}"


async def _until_ready(address: str) -> None:
    async with aiohttp.ClientSession() as session:
        while True:
            with suppress(aiohttp.ClientError):
                async with session.get(address) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(_POLL_SECONDS)


async def _until_read(config: Config, group_id: str, topic: str) -> None:
    """Return when the group has committed all that the topic holds."""
    async with reader(config.kafka, group_id=group_id) as consumer:
        places = await partitions_of(consumer, topic)
        while True:
            ends: Mapping[object, int] = await consumer.end_offsets(places)
            if all([(await consumer.committed(place) or 0) >= ends[place] for place in places]):
                return
            await asyncio.sleep(_POLL_SECONDS)
