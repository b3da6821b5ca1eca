"""One run: brokers, workers, pagers and an endpoint, a stream through them, deeds done to them, and what came of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka import AIOKafkaProducer

from correlator.config import Config, load
from correlator.devkafka import Broker
from correlator.shell.topics import verify
from tests.chaos import evidence
from tests.chaos.endpoint import TIMEOUT_SECONDS, WEBHOOK_PATH, Endpoint
from tests.chaos.evidence import Evidence
from tests.chaos.processes import Replica, end_all
from tests.chaos.schedule import ENDPOINT_DEEDS, Act, Deed
from tests.chaos.stream import Message, messages, speed, write_topology
from tests.chaos.verdicts import Span

PARTITIONS = 4
SCOPES = ("shop", "bank", "mail", "maps", "news")
WORKERS = 3
PAGERS = 2
KEY = "0123456789abcdef0123456789abcdef"
SESSION_SECONDS = 2
#: Everything that is in trouble is given this long to be well again: sessions, rebalances, backoffs, slow machines.
_SETTLE_SECONDS = 30.0
#: After the stream: leases and holds run out, everything is told.
_OVER_SECONDS = 240.0
#: A producer waits for Kafka as long as an outage may last.
_SEND_SECONDS = 300.0


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a run did and left behind. Times are seconds.

    `ended` are ends that nobody asked for: to fail fast and be started again is allowed, but worth a look.
    """

    done: Counter[Deed] = field(default_factory=Counter)
    evidence: Evidence
    worker_ready_after: list[float]
    pager_ready_after: list[float]
    broker_back_after: list[float]
    ended: list[str]
    failures: list[str]


@dataclass(slots=True)
class _Cast:
    """Everything that something may happen to."""

    broker: Broker
    workers: list[Replica]
    pagers: list[Replica]
    endpoint: Endpoint
    done: Counter[Deed] = field(default_factory=Counter)
    troubles: list[Span] = field(default_factory=list)
    broker_back_after: list[float] = field(default_factory=list)
    _locks: dict[int, asyncio.Lock] = field(default_factory=dict)

    async def do(self, act: Act) -> None:
        """Do a deed and return when its trouble is over, or should be."""
        begin = _wall()
        if await self._done(act):
            self.done[act.deed] += 1
        self.troubles.append(Span(begin=begin, end=_wall() + round(_SETTLE_SECONDS * 1000)))

    async def _done(self, act: Act) -> bool:
        deed = act.deed
        if deed in ENDPOINT_DEEDS:
            self.endpoint.mood = deed
            await asyncio.sleep(act.seconds)
            if self.endpoint.mood is deed:
                self.endpoint.mood = None
            return True
        if deed in (Deed.KILL_BROKER, Deed.RESTART_BROKER, Deed.SUSPEND_BROKER):
            return await self._do_to_broker(act, 1 + act.whom)
        if deed is Deed.JOIN_WORKER:
            idle = [worker for worker in self.workers if not worker.runs]
            for worker in idle[:1]:
                worker.start()
            return bool(idle)
        replicas = self.pagers if deed in (Deed.KILL_PAGER, Deed.END_PAGER, Deed.SUSPEND_PAGER) else self.workers
        replica = replicas[act.whom]
        match deed:
            case Deed.KILL_WORKER | Deed.KILL_PAGER:
                return replica.kill()
            case Deed.END_WORKER | Deed.END_PAGER:
                return replica.ask_to_end()
            case Deed.SUSPEND_WORKER | Deed.SUSPEND_PAGER:
                return await replica.suspend(act.seconds)
            case _:  # one worker less: until one more joins
                if sum(worker.runs for worker in self.workers) < 2 or not replica.runs:
                    return False
                await replica.end()
                return True

    async def _do_to_broker(self, act: Act, node: int) -> bool:
        """Do it when no other broker is in trouble: of three, two must stay."""
        async with self._locks.setdefault(0, asyncio.Lock()):
            if act.deed is Deed.SUSPEND_BROKER:
                self.broker.pause(node)
                await asyncio.sleep(act.seconds)
                self.broker.resume(node)
                return True
            started = time.monotonic()
            if act.deed is Deed.KILL_BROKER:
                self.broker.kill(node)
            await asyncio.to_thread(self.broker.restart, node)
            self.broker_back_after.append(time.monotonic() - started)
            return True


async def run(
    acts: Sequence[Act], *, seed: int, seconds: float, brokers: int, folder: Path, say: Callable[[str], None]
) -> Outcome:
    """Play a stream of `seconds`, do what is scheduled meanwhile, wait until all is over, and collect.

    Raises:
        Unavailable: this machine lacks what a broker needs.
    """
    topology = await asyncio.to_thread(write_topology, seed, folder)
    stream = await asyncio.to_thread(messages, seed, topology, scopes=SCOPES, partitions=PARTITIONS, seconds=seconds)
    async with AsyncExitStack() as stack:
        broker = Broker(nodes=brokers, start_timeout_seconds=120)
        stack.callback(broker.stop)
        await asyncio.to_thread(broker.start)
        endpoint = await stack.enter_async_context(Endpoint())
        file = folder / "correlator.toml"
        file.write_text(settings(broker, topology, endpoint, speed(seconds)), encoding="utf-8")
        config = load(file)
        await verify(config, create=True)
        workers = [_replica("worker", number, file, folder) for number in range(WORKERS)]
        pagers = [_replica("pager", number, file, folder) for number in range(PAGERS)]
        replicas = [*workers, *pagers]
        stack.push_async_callback(end_all, replicas)
        cast = _Cast(broker, workers, pagers, endpoint)
        for replica in replicas:
            replica.start()
        say("waiting until all are ready")
        await _until(lambda: all(replica.is_ready for replica in replicas), 120, "all are ready")
        await _play(config, stream, acts, cast, say)
        say("the stream is over; waiting until everything is told")
        for replica in replicas:
            replica.start()
        over = await evidence.wait_over(config, endpoint, timeout_seconds=_OVER_SECONDS)
        lags = await evidence.lags(config, timeout_seconds=60)
        refusals = await end_all(replicas)
        collected = await evidence.collect(config, topology, folder, endpoint.calls, cast.troubles, lags)
        return Outcome(
            done=cast.done,
            evidence=collected,
            worker_ready_after=[each for worker in workers for each in worker.ready_after],
            pager_ready_after=[each for pager in pagers for each in pager.ready_after],
            broker_back_after=cast.broker_back_after,
            ended=_unexpected(replicas),
            failures=[*over, *refusals, *(f"PagerDuty: {each}" for each in endpoint.breaches)],
        )


def settings(broker: Broker, topology: Path, endpoint: Endpoint, faster: float) -> str:
    """Return a configuration whose waits are shorter by as much as the stream is faster."""
    copies = min(3, len(broker.pids))
    scaled = {
        "correlation_window_seconds": 400,
        "hold_min_seconds": 10,
        "hold_quiet_seconds": 10,
        "hold_max_seconds": 60,
        "resolve_after_seconds": 120,
        "update_interval_seconds": 30,
        "silence_lease_seconds": 900,
        "standing_critical_seconds": 600,
    }
    lines = [f"{key} = {value / faster:.3f}" for key, value in scaled.items()]
    lines += ["[kafka]", f'bootstrap_servers = "{broker.bootstrap_servers}"']
    lines += [f"partitions = {PARTITIONS}", f"replication_factor = {copies}"]
    lines += ["[worker]", f"topology = {json.dumps(str(topology))}", "tick_interval_seconds = 0.25"]
    lines += [f"session_timeout_seconds = {SESSION_SECONDS}", "snapshot_interval_seconds = 1.0"]
    lines += ["[pager]", "backoff_min_seconds = 0.2", "backoff_max_seconds = 2.0"]
    for kind in (
        f'type = "pagerduty"\nname = "pd"\nbase_url = "{endpoint.url}"\nevents_per_minute = 100000',
        f'type = "webhook"\nname = "hook"\nurl = "{endpoint.url}{WEBHOOK_PATH}"',
    ):
        lines += ["[[pager.targets]]", kind, f"timeout_seconds = {TIMEOUT_SECONDS}"]
    return "\n".join([*lines, ""])


def _replica(role: str, number: int, config: Path, folder: Path) -> Replica:
    log = folder / f"{role}-{number}.log"
    # As in the middle of a rolling change: who takes a partition over may bring another model with it.
    settings = ["worker.model=none"] if role == "worker" and number % 2 else []
    environ = {"PAGERDUTY_ROUTING_KEY": KEY}
    return Replica(role, number, config=config, log=log, environ=environ, settings=settings)


async def _play(
    config: Config, stream: Sequence[Message], acts: Sequence[Act], cast: _Cast, say: Callable[[str], None]
) -> None:
    """Produce and do, both by the clock; return when both are through and every deed is over."""
    async with asyncio.TaskGroup() as group:
        began = time.monotonic()
        group.create_task(_produce(config, stream, began))
        for act in acts:
            await asyncio.sleep(began + act.at - time.monotonic())
            say(str(act))
            group.create_task(cast.do(act))


async def _produce(config: Config, stream: Sequence[Message], began: float) -> None:
    """Send every message when it is due; return when all are acknowledged."""
    began_at = _wall()
    producer = AIOKafkaProducer(
        bootstrap_servers=config.kafka.bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        request_timeout_ms=int(_SEND_SECONDS * 1000),
    )
    await producer.start()
    try:
        sent = []
        for message in stream:
            if (ahead := began + message.at - time.monotonic()) > 0:
                await asyncio.sleep(ahead)
            sent.append(
                await producer.send(config.kafka.alerts_topic, message.value(began_at), partition=message.partition)
            )
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def _unexpected(replicas: Sequence[Replica]) -> list[str]:
    return [
        f"{replica.role} {replica.number} ended by itself with status {status}"
        for replica in replicas
        for status in replica.failed
    ]


async def _until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not within {seconds:g} s: {what}") from None


def _wall() -> int:
    return time.time_ns() // 1_000_000
