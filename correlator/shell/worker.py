"""The worker as a process: start, signals, end, exit status."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from contextlib import AsyncExitStack, suppress

import structlog
from aiohttp.web import Application, RouteDef
from prometheus_client import CollectorRegistry

from correlator import __version__, rankers, warm
from correlator.config import Config
from correlator.engine.ranking import Ranker
from correlator.engine.warmth import Warmth
from correlator.errors import CorrelatorError
from correlator.shell import announcer, logs
from correlator.shell.app import CorrelatorApp, create_app, wall_clock
from correlator.shell.http import tls
from correlator.shell.http.feedback import client_of, feedback_intake_of
from correlator.shell.http.intake import Intake, intake_of
from correlator.shell.http.outbox import Outbox
from correlator.shell.http.sns import Download
from correlator.shell.kafka import wait_until_ready
from correlator.shell.metrics import Metrics
from correlator.shell.topics import warn
from correlator.shell.web import application, serving
from topology.graph import ServiceGraph
from topology.sources import file as topology_file

_log = structlog.get_logger("correlator.worker")

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_FINISH_SECONDS = 5.0
#: New values between two looks for garbage, Python's own being 700: a tick in a storm makes tens of thousands, of which
#: none is in a circle; that took a sixth of it (`benchmarks.speed.tick`).
GARBAGE_EVERY = 20_000
_STOP_SECONDS = 10.0
#: From the signal to the end, whatever hangs: Kubernetes kills after thirty.
_END_SECONDS = 24.0


def run(config: Config) -> int:
    """Run a worker until SIGTERM or SIGINT; return the exit status, 1 where it failed. The process must end then.

    Raises:
        ConfigError: the topology, the model, the warm start, a certificate or a secret cannot be used, or the web
            server's address cannot be had.
    """
    logs.set_up()
    graph = topology_file.load(config.worker.topology) if config.worker.topology else None
    ranker = rankers.chosen(config.worker.model)
    if sys.platform != "win32":
        import uvloop

        # By policy, since Faust's consumer makes a loop of its own in a thread.
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    warmth = warm.load(config.worker.warm)
    announcer.check_size(warmth, config)
    return asyncio.run(_main(config, graph, ranker, warmth))


class Process:
    """What the web server and the signals know of the worker."""

    def __init__(self) -> None:
        self.app: CorrelatorApp | None = None
        self.intake: Intake | None = None
        self.stop = asyncio.Event()

    def why_not_ready(self) -> str:
        return "waiting for Kafka" if self.app is None else self.app.why_not_ready()

    def observe(self) -> None:
        if self.app is not None:
            self.app.observe()
        if self.intake is not None:
            self.intake.observe()


async def _main(config: Config, graph: ServiceGraph | None, ranker: Ranker | None, warmth: Warmth | None) -> int:
    started = time.monotonic()
    process = Process()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, process.stop.set)
    metrics = Metrics(CollectorRegistry())
    outbox = Outbox(config)
    client = client_of(config, os.environ)
    download = Download()
    routes: list[RouteDef] = []
    if config.http.enabled:
        process.intake = intake_of(
            config, environ=os.environ, download=download, outbox=outbox, metrics=metrics.http, now=wall_clock
        )
        heard = feedback_intake_of(
            config, environ=os.environ, client=client, outbox=outbox, metrics=metrics.http, now=wall_clock
        )
        routes += [*process.intake.routes(), *heard.routes()]
    web = application(
        metrics.registry,
        why_not_ready=process.why_not_ready,
        observe=process.observe,
        routes=routes,
    )
    _log.info("worker starts", version=__version__, kafka=config.kafka.bootstrap_servers, clock=config.worker.clock)
    async with AsyncExitStack() as stack:
        await _open(stack, web, config)
        kafka = config.kafka
        topics = [kafka.alerts_topic, kafka.feedback_topic, kafka.events_topic, kafka.incidents_topic]
        topics.append(kafka.rejected_topic)
        topics += [kafka.snapshots_topic, kafka.topologies_topic]
        if not await _before(process.stop, wait_until_ready(kafka, topics)):
            return 0
        await _warn_of_topics(config)
        if process.intake is not None:
            await stack.enter_async_context(outbox.running())
            if config.http.sns_signatures:
                await stack.enter_async_context(download.running())
            if client is not None:
                await stack.enter_async_context(client.running())
        process.app = create_app(config, graph=graph, metrics=metrics, ranker=ranker, warmth=warmth)
        return await _serve(process.app, process.stop, started)


async def _warn_of_topics(config: Config) -> None:
    try:
        await warn(config)
    except CorrelatorError as error:
        # Whoever may use topics need not be allowed to see how they are configured.
        _log.warning("topics cannot be compared with what they should be", problem=str(error))


async def _open(stack: AsyncExitStack, app: Application, config: Config) -> None:
    """Serve until the stack unwinds."""
    host, http = config.worker.web_host, config.http
    context = tls.context_of(http)
    await stack.enter_async_context(serving(app, host, config.worker.web_port, tls=context))
    if context is not None:
        stack.callback(asyncio.create_task(tls.keep_fresh(context, http)).cancel)
    guarded = http.token_env or http.token_file or http.tls_client_ca_file
    if http.enabled and not guarded and host not in _LOOPBACK:
        _log.warning("alerts are taken from whoever reaches the web port: set http.token_file", address=host)


async def _serve(app: CorrelatorApp, stop: asyncio.Event, started: float) -> int:
    app.finalize()
    # What is there by now stays: looked through again and again, it would hold up the engine at its busiest.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_EVERY, *gc.get_threshold()[1:])
    starting = asyncio.create_task(app.start())
    try:
        if await _before(stop, _until_started_or_crashed(app, starting)) and app.crash_reason is None:
            _log.info("worker started", seconds=round(time.monotonic() - started, 3))
            await _before(stop, app._crashed.wait())
    except Exception as error:
        # What failed before there was an app to crash.
        app._crash(error)
    reason = app.crash_reason
    if reason is not None:
        _log.error("worker fails", error=f"{type(reason).__name__}: {reason}", exc_info=reason)
        await _halt(app, starting)
        sys.stderr.flush()
        # Threads of the consumer may wait for a Kafka that does not answer.
        os._exit(1)
    _log.info("worker stops")
    # Not all of what is waited for below can be cancelled at any moment. It holds until the process has ended: that
    # waits for the threads of the consumer, and they perhaps for a Kafka that does not answer.
    last = threading.Timer(_END_SECONDS, os._exit, (0,))
    last.daemon = True
    last.start()
    try:
        await asyncio.wait_for(app.correlate.finish(), _FINISH_SECONDS)
        await asyncio.wait_for(app.consumer.commit(), _FINISH_SECONDS)
    except Exception as error:
        _log.warning("stopped without a last snapshot", error=f"{type(error).__name__}: {error}")
    if not await _halt(app, starting):
        os._exit(0)
    _log.info("worker stopped")
    return 0


async def _until_started_or_crashed(app: CorrelatorApp, starting: asyncio.Task[None]) -> None:
    crashed = asyncio.create_task(app._crashed.wait())
    try:
        await asyncio.wait((starting, crashed), return_when=asyncio.FIRST_COMPLETED)
    finally:
        crashed.cancel()
    if starting.done():
        starting.result()


async def _halt(app: CorrelatorApp, starting: asyncio.Task[None]) -> bool:
    """Stop the app; tell whether it did so in time."""
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await app.stop()
            if not starting.done():
                starting.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await starting
    except Exception:
        return False
    return True


async def _before(stop: asyncio.Event, work: object) -> bool:
    """Await `work`; false if `stop` is set first."""
    doing = asyncio.ensure_future(work)  # type: ignore[call-overload]
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((doing, stopping), return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
            return not stop.is_set()
        return False
    finally:
        for task in (doing, stopping):
            task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await doing
