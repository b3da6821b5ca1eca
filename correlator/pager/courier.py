"""Carries the work of one lane out: intent, request, record. One courier for each target and assignment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Literal

import msgspec
import structlog
from aiokafka.errors import KafkaError

from correlator.domain import IncidentEvent, instant_of
from correlator.pager.delivery import Lane, Work
from correlator.pager.exchange import Backoff, Delivered, Refused, Retry, Transport, TransportError, Verdict
from correlator.pager.holds import tell_of_hold
from correlator.pager.mark import Dialect, Mark, Standing, Verb, mark_after, says_the_same, urgent
from correlator.pager.metrics import PagerMetrics
from correlator.pager.offsets import Offsets, Position
from correlator.pager.rate import SlidingWindow
from correlator.pager.routes import Routes
from correlator.pager.state import Memory

#: Requests to one target at once. Enough for PagerDuty's rate at seconds a reply, few enough for a small webhook.
MAX_IN_FLIGHT = 32
#: A page waits this long for its intent to become durable, then goes out without: in doubt, page.
INTENT_SECONDS = 5.0
#: A target that fails for this long with a page waiting needs a human.
FAILING_SECONDS = 120.0
#: An incident that ended is remembered for this long. Repeats of its events come from a worker that recovers by
#: replaying seconds of its log, so a day is ample.
REMEMBER_SECONDS = 86_400.0
FORGET_INTERVAL_SECONDS = 60.0

log = structlog.get_logger("correlator.pager")


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """The shell's clocks and its randomness, in seconds; `jitter` is uniform in [0, 1)."""

    monotonic: Callable[[], float]
    wall: Callable[[], float]
    jitter: Callable[[], float]


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A configured target: how it is spoken to, what carries the words, and, where there is one, its routing table.

    `hour_class` is that of an instant for the owner of an incident, where the target interrupts humans.
    """

    dialect: Dialect
    transport: Transport
    per_minute: int | None = None
    routes: Routes | None = None
    hour_class: Callable[[IncidentEvent, float], str] | None = None


async def _always() -> bool:
    return True


class Courier:
    """Delivers what it is offered until it is closed.

    Args:
        may_speak: asked before each request; where it says no, another delivers by now, and we are about to be closed.
    """

    def __init__(
        self,
        *,
        channel: Channel,
        marks: dict[str, Mark],
        memory: Memory,
        backoff: Backoff,
        clock: Clock,
        metrics: PagerMetrics,
        partitions: frozenset[int] = frozenset(),
        may_speak: Callable[[], Awaitable[bool]] = _always,
    ) -> None:
        self._dialect = channel.dialect
        self._transport = channel.transport
        self._routes = channel.routes
        self._hour_class = channel.hour_class
        self._memory = memory
        self._backoff = backoff
        self._clock = clock
        self._metrics = metrics
        self._partitions = partitions
        self._may_speak = may_speak
        self.target = channel.dialect.name
        self.offsets = Offsets()
        per_minute = channel.per_minute
        self._lane = Lane(
            dialect=channel.dialect,
            marks=marks,
            backoff=backoff,
            jitter=clock.jitter,
            wall=clock.wall,
            partitions=partitions,
            window=None if per_minute is None else lambda: SlidingWindow(per_minute),
            superseded=self._superseded,
        )
        self._wake = asyncio.Event()
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._failing_since: float | None = None
        self._alarmed = False
        self._tell_of_lost_routes(marks)
        metrics.oldest.labels(self.target).set_function(self._oldest)

    @property
    def events_held(self) -> int:
        """How many events wait in memory."""
        return self._lane.events_held

    @property
    def withheld(self) -> Mapping[str, Mark]:
        """Return the incidents that are owed a page, with the reason why it waits."""
        return self._lane.withheld

    def offer(self, event: IncidentEvent, position: Position) -> bool:
        """Take an event on; False if it is a repeat, which is done with at once."""
        self.offsets.read(position)
        accepted = self._lane.offer(event, position)
        if not accepted:
            self.offsets.finish(position)
        self._wake.set()
        self._metrics.pending.labels(self.target).set(self.offsets.outstanding)
        return accepted

    def skip(self, position: Position) -> None:
        """Pass over a record that holds no event."""
        self.offsets.read(position)
        self.offsets.finish(position)

    async def run(self) -> None:
        """Deliver until `close`; an error of the program, not of the target, ends it with that error."""
        forget_at = self._clock.monotonic() + FORGET_INTERVAL_SECONDS
        async with asyncio.TaskGroup() as group:
            while not self._closing:
                self._wake.clear()
                now = self._clock.monotonic()
                while len(self._tasks) < MAX_IN_FLIGHT and (work := self._lane.take(now)):
                    task = group.create_task(self._deliver(work))
                    self._tasks.add(task)
                    task.add_done_callback(self._ended)
                if now >= forget_at:
                    self._tasks.add(forgetting := group.create_task(self._forget()))
                    forgetting.add_done_callback(self._ended)
                    forget_at = now + FORGET_INTERVAL_SECONDS
                await self._rest(now, forget_at)

    async def close(self, grace_seconds: float) -> None:
        """Start nothing more, give what is under way `grace_seconds` to end, then abandon it."""
        self._closing = True
        self._wake.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))
        self._metrics.pending.labels(self.target).set(0)
        self._metrics.withheld.labels(self.target).set(0)
        self._metrics.oldest.labels(self.target).set_function(float)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._wake.set()

    async def _rest(self, now: float, forget_at: float) -> None:
        """Wait for an offer, an outcome or the time of the next step."""
        free = len(self._tasks) < MAX_IN_FLIGHT
        wake_at = min(forget_at, (self._lane.wake_at(now) if free else None) or forget_at)
        try:
            async with asyncio.timeout(max(wake_at - now, 0.0)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _deliver(self, work: Work) -> None:
        if work.intent is not None:
            await self._intend(work, work.intent)
        verdict: Verdict = Delivered()
        seconds = 0.0
        if work.step.verb is not Verb.NONE:
            if not await self._may_speak():
                return
            started = self._clock.monotonic()
            verdict = await self._send(work)
            seconds = self._clock.monotonic() - started
            self._metrics.seconds.labels(self.target).observe(seconds)
        if isinstance(verdict, Retry):
            self._retry(work, verdict)
            return
        self._report(work, verdict, seconds)
        before = work.intent or work.mark
        at = int(self._clock.wall() * 1000)
        mark = mark_after(work.event, work.step, before, verdict, partition=work.partition, at=at)
        if not (work.again and says_the_same(before, mark)):
            await self._record(work.event.incident_id, mark)
        tell_of_hold(self.target, work, before, mark, self._metrics)
        for position in self._lane.recorded(work, mark):
            self.offsets.finish(position)
        self._metrics.pending.labels(self.target).set(self.offsets.outstanding)
        self._metrics.withheld.labels(self.target).set(len(self._lane.withheld))

    async def _intend(self, work: Work, intent: Mark) -> None:
        """Make it durable that a resolve may be owed, before the page that makes it so."""
        intent = msgspec.structs.replace(intent, partition=work.partition, at=int(self._clock.wall() * 1000))
        try:
            async with asyncio.timeout(INTENT_SECONDS):
                await self._memory.write(self.target, work.event.incident_id, intent)
        except (KafkaError, TimeoutError) as error:
            log.warning(
                "paging although the intent could not be recorded",
                target=self.target,
                incident_id=work.event.incident_id,
                error=type(error).__name__,
            )
        self._lane.intended(work)

    async def _send(self, work: Work) -> Verdict:
        request = self._dialect.request(work.event, work.step, self._clock.wall())
        try:
            reply = await self._transport(request)
        except TransportError as error:
            return Retry(error.reason)
        return self._dialect.verdict(reply, self._clock.wall())

    async def _record(self, incident_id: str, mark: Mark) -> None:
        """Make a mark durable, however long it takes: until then the incident waits and its offset is not committed."""
        for attempt in range(1, 1_000_000_000):
            try:
                return await self._memory.write(self.target, incident_id, mark)
            except KafkaError:
                # The outage itself is reported once, by the intake.
                await asyncio.sleep(self._backoff.delay(attempt, self._clock.jitter()))

    def _retry(self, work: Work, verdict: Retry) -> None:
        now = self._clock.monotonic()
        delay = self._lane.retry(work, verdict, now)
        self._metrics.retries.labels(self.target, verdict.reason.value).inc()
        if self._failing_since is None:
            self._failing_since = now
            self._say("warning", "target fails, retrying", work, reason=verdict.reason.value, next_in=round(delay, 1))
        elif (
            not self._alarmed
            and (urgent(work.event) or work.mark.hold)
            and now - self._failing_since >= FAILING_SECONDS
        ):
            self._alarmed = True
            self._say("error", "pages or resolves cannot be delivered, still retrying", work)

    def _report(self, work: Work, verdict: Delivered | Refused, seconds: float) -> None:
        verb = work.step.verb
        if verb is Verb.NONE and work.again:
            return
        outcome = "unneeded" if verb is Verb.NONE else "delivered" if isinstance(verdict, Delivered) else "refused"
        self._metrics.notifications.labels(self.target, verb.value, outcome).inc()
        if isinstance(verdict, Refused):
            self._say("error", "refused by target, not retried", work, detail=verdict.detail)
        elif verb is not Verb.NONE:
            if verb is Verb.TRIGGER and work.mark.standing is not Standing.OPEN:
                self._count_opening(work)
            if work.event.page and not work.again:
                now = self._clock.wall()
                delay = now - _seconds(work.event.published_at, otherwise=now)
                self._metrics.page_delay.labels(self.target).observe(max(0.0, delay))
            if verb is not Verb.RENEW:
                self._say("info", "delivered", work, attempts=work.attempt, seconds=round(seconds, 3))
            if self._failing_since is not None:
                self._failing_since, self._alarmed = None, False
                self._say("info", "target answers again", work)

    def _say(self, level: Literal["info", "warning", "error"], text: str, work: Work, **more: str | float) -> None:
        speak = {"info": log.info, "warning": log.warning, "error": log.error}[level]
        event = work.event
        speak(
            text,
            target=self.target,
            incident_id=event.incident_id,
            revision=event.revision,
            action=event.action.value,
            page=event.page,
            sent=work.step.verb.value,
            **more,
        )

    def _count_opening(self, work: Work) -> None:
        routes = self._routes
        if routes is not None and routes.table and work.step.route == routes.default:
            self._metrics.unrouted.labels(self.target).inc()
        if self._hour_class is not None:
            hours = self._hour_class(work.event, self._clock.wall())
            self._metrics.interruptions.labels(self.target, hours).inc()

    def _tell_of_lost_routes(self, marks: Mapping[str, Mark]) -> None:
        """Say which incidents stand open at an address that has left the environment: the resolve cannot find them."""
        routes = self._routes
        if routes is None:
            return
        for incident_id, mark in marks.items():
            is_ours = mark.partition in self._partitions and mark.owes_resolve
            if is_ours and mark.route and not routes.knows(mark.route):
                log.error(
                    "the address of an open incident is not set any more, its resolve goes to the default",
                    target=self.target,
                    incident_id=incident_id,
                    variable=mark.route,
                )

    def _oldest(self) -> float:
        at = self._lane.oldest_at()
        return 0.0 if at is None else _seconds(at, otherwise=0.0)

    def _superseded(self, event: IncidentEvent) -> None:
        self._metrics.notifications.labels(self.target, Verb.NONE.value, "superseded").inc()

    async def _forget(self) -> None:
        before = int((self._clock.wall() - REMEMBER_SECONDS) * 1000)
        for incident_id, mark in self._lane.forgettable(before, self._partitions).items():
            try:
                await self._memory.write(self.target, incident_id, None)
            except KafkaError:
                return
            self._lane.forget(incident_id, mark)


def _seconds(instant: str, *, otherwise: float) -> float:
    """Return seconds since the epoch of an instant; who wrote it may not have kept to the schema."""
    try:
        return instant_of(datetime.fromisoformat(instant)) / 1000
    except ValueError:
        return otherwise
