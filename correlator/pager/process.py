"""The pager as a process: one intake for each target, one web server, one memory."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sys
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, TextIO

import aiohttp
import structlog
from aiohttp import web
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from correlator.access import client_settings, explained
from correlator.config import Config, KafkaConfig
from correlator.pager.connection import Outage, pause
from correlator.pager.courier import MAX_IN_FLIGHT, Clock
from correlator.pager.exchange import Backoff
from correlator.pager.intake import Intake
from correlator.pager.metrics import PagerMetrics
from correlator.pager.state import KafkaMemory
from correlator.pager.targets import channels
from correlator.pager.transports import Topics
from correlator.pager.visible import windows_report, withheld_report
from correlator.pager.web import application
from correlator.pager.windowbook import POLL_SECONDS, WindowBook
from correlator.pager.windowtopic import WindowTopic

CLIENT_ID = "correlator-pager"
CLOCK = Clock(monotonic=time.monotonic, wall=time.time, jitter=random.random)

log = structlog.get_logger("correlator.pager")


async def run(
    config: Config,
    *,
    environ: Mapping[str, str],
    stop: asyncio.Event,
    console: TextIO | None = None,
    registry: CollectorRegistry | None = None,
) -> None:
    """Deliver incidents until `stop` is set; signals are the caller's.

    What is under way then gets a few seconds; the rest is done by the next pager.

    Args:
        console: prints each incident event there too, for a human to watch.
        registry: where the metrics go, a new one by default.

    Raises:
        ConfigError: a target cannot be built; nothing was started.
    """
    _set_up_logs()
    metrics = PagerMetrics(registry or CollectorRegistry())
    connector = aiohttp.TCPConnector(limit_per_host=MAX_IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        settings = client_settings(config.kafka, CLIENT_ID)
        topics = Topics(settings)
        sent = _window_topic(config, settings)
        book = WindowBook(config.pager.windows, config.pager.windows_file, metrics, sent)
        targets = channels(
            config.pager,
            environ=environ,
            session=session,
            topics=topics,
            windows=book.windows,
            console=console,
        )
        memory = KafkaMemory(
            settings,
            topic=config.kafka.pager_state_topic,
            replication_factor=config.kafka.replication_factor,
        )
        intakes = tuple(
            Intake(
                channel=channel,
                topic=config.kafka.incidents_topic,
                group_id=config.pager.group_id,
                settings=settings,
                memory=memory,
                backoff=Backoff(
                    min_seconds=config.pager.backoff_min_seconds, max_seconds=config.pager.backoff_max_seconds
                ),
                clock=CLOCK,
                metrics=metrics,
            )
            for channel in targets
        )
        async with _web_server(config, metrics, intakes, book):
            try:
                # Before anything is paged: a window that is open now must be known by then.
                await book.refresh(CLOCK.wall())
                await _connect(config.kafka, memory, stop)
                await _until_stopped(intakes, book, sent, stop)
            finally:
                await memory.stop()
                await topics.close()
    log.info("pager stopped")


async def _connect(kafka: KafkaConfig, memory: KafkaMemory, stop: asyncio.Event) -> None:
    outage = Outage(CLOCK.jitter)
    while not stop.is_set():
        try:
            await memory.start()
        except (KafkaError, TimeoutError) as error:
            await pause(stop, outage.failed(await explained(kafka, error)))
        else:
            outage.succeeded()
            return


def _window_topic(config: Config, settings: Mapping[str, Any]) -> WindowTopic | None:
    topic = config.pager.windows_topic
    return None if topic is None else WindowTopic(settings, topic, Outage(CLOCK.jitter, topic=topic))


async def _until_stopped(
    intakes: tuple[Intake, ...], book: WindowBook, sent: WindowTopic | None, stop: asyncio.Event
) -> None:
    async with asyncio.TaskGroup() as group:
        if sent is not None:
            group.create_task(sent.follow(stop), name="topic of windows")
            await sent.caught_up(stop)
        group.create_task(_keep_reading(book, stop), name="windows")
        for intake in intakes:
            group.create_task(intake.run(stop), name=f"intake {intake.target}")


async def _keep_reading(book: WindowBook, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await book.refresh(CLOCK.wall())
        await pause(stop, POLL_SECONDS)


@contextlib.asynccontextmanager
async def _web_server(
    config: Config, metrics: PagerMetrics, intakes: tuple[Intake, ...], book: WindowBook
) -> AsyncIterator[None]:
    app = application(
        metrics.registry,
        readiness=lambda: {intake.target: intake.ready for intake in intakes},
        withheld=lambda: withheld_report({intake.target: intake.withheld for intake in intakes}),
        windows=lambda: windows_report(book.windows(), CLOCK.wall()),
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, config.pager.web_host, config.pager.web_port).start()
        log.info("pager started", targets=[intake.target for intake in intakes], web=[*map(str, runner.addresses)])
        yield
    finally:
        await runner.cleanup()


def _set_up_logs() -> None:
    # The Kafka client logs every failed attempt of an outage; the intake tells of it once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    if not structlog.is_configured():
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(),
            ],
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        )
