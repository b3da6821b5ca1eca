"""A courier, the HTTP server it speaks to and its memory, for tests; real requests, a memory in this process."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from correlator.domain import IncidentEvent
from correlator.pager.courier import Channel, Clock, Courier
from correlator.pager.exchange import Backoff
from correlator.pager.mark import Dialect, Mark
from correlator.pager.metrics import PagerMetrics
from correlator.pager.offsets import Position
from correlator.pager.pagerduty import PagerDuty
from correlator.pager.routes import Routes
from correlator.pager.transports import http_transport
from correlator.pager.webhook import Webhook
from tests.pager.recorder import Recorder

KEY = "0123456789abcdef0123456789abcdef"
TIMEOUT_SECONDS = 0.3
CLOCK = Clock(monotonic=time.monotonic, wall=time.time, jitter=lambda: 0.0)  # noqa: TID251  # real waits for real sockets


@dataclass
class RecordedMemory:
    """Marks in a dictionary; `broken` writes fail, `asked` holds every write that was tried."""

    marks: dict[str, Mark] = field(default_factory=dict)
    written: list[tuple[str, Mark | None]] = field(default_factory=list)
    failures: int = 0

    async def load(self, target: str) -> dict[str, Mark]:
        return dict(self.marks)

    async def write(self, target: str, incident_id: str, mark: Mark | None) -> None:
        if self.failures:
            self.failures -= 1
            raise KafkaError("not now")
        self.written.append((incident_id, mark))
        if mark is None:
            self.marks.pop(incident_id, None)
        else:
            self.marks[incident_id] = mark


class Desk:
    """A courier, what it speaks to, and what it remembers."""

    def __init__(self, recorder: Recorder, courier: Courier, memory: RecordedMemory, metrics: PagerMetrics) -> None:
        self.recorder, self.courier, self.memory, self.metrics = recorder, courier, memory, metrics
        self._offset = 0

    def offer(self, *events: IncidentEvent) -> None:
        for event in events:
            self.courier.offer(event, Position(0, self._offset))
            self._offset += 1

    async def finished(self) -> None:
        """Wait until everything that was offered is done with."""
        await self.until(lambda: not self.courier.offsets.outstanding)

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not true():
                await asyncio.sleep(0.005)

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


Dialects = Callable[[Recorder], Dialect]


def pagerduty(recorder: Recorder) -> PagerDuty:
    return PagerDuty(name="t", base_url=recorder.url(), routes=Routes(default="KEY", addresses={"KEY": KEY}))


def webhook(recorder: Recorder) -> Webhook:
    return Webhook(name="t", url=recorder.url("hook"), token="hunter2")


@contextlib.asynccontextmanager
async def desk(
    dialect: Dialects = pagerduty,
    memory: RecordedMemory | None = None,
    per_minute: int | None = None,
    recorder: Recorder | None = None,
    routes: Routes | None = None,
    hour_class: Callable[[IncidentEvent, float], str] | None = None,
    clock: Clock = CLOCK,
) -> AsyncIterator[Desk]:
    memory = memory or RecordedMemory()
    metrics = PagerMetrics(CollectorRegistry())
    async with contextlib.AsyncExitStack() as stack:
        endpoint = Recorder() if recorder is None else recorder
        if recorder is None:
            await stack.enter_async_context(endpoint)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        courier = Courier(
            channel=Channel(
                dialect=dialect(endpoint),
                transport=http_transport(session, TIMEOUT_SECONDS),
                per_minute=per_minute,
                routes=routes,
                hour_class=hour_class,
            ),
            marks=await memory.load("t"),
            memory=memory,
            backoff=Backoff(min_seconds=0.02, max_seconds=0.1),
            clock=clock,
            metrics=metrics,
            partitions=frozenset({0}),
        )
        running = asyncio.create_task(courier.run())
        try:
            yield Desk(endpoint, courier, memory, metrics)
        finally:
            await courier.close(0.0)
            await running


class Hours:
    """A clock whose wall time is set by hand."""

    def __init__(self, wall: float) -> None:
        self.wall = wall
        self.clock = Clock(monotonic=CLOCK.monotonic, wall=lambda: self.wall, jitter=lambda: 0.0)


EVENING = datetime(2026, 11, 24, 22, tzinfo=UTC).timestamp()
