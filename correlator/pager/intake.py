"""Reads the incidents topic for one target and hands the events to a courier.

Every target has a consumer group of its own, `<group_id>.<target>`: a target that fails for hours fills its own memory
and holds back its own offsets, and no other's. Each assignment of partitions begins as a restart would: memory loaded,
positions set to the committed offsets. So there is one way of recovering, and it is used all the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime
from typing import Any

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from correlator.access import heed_errors
from correlator.domain import IncidentEvent
from correlator.pager.connection import Outage, pause
from correlator.pager.courier import Channel, Clock, Courier
from correlator.pager.exchange import Backoff
from correlator.pager.fence import Fence, Turn
from correlator.pager.mark import Mark
from correlator.pager.metrics import PagerMetrics
from correlator.pager.offsets import Position
from correlator.pager.state import Memory

POLL_SECONDS = 0.2
COMMIT_INTERVAL_SECONDS = 1.0
PROBE_INTERVAL_SECONDS = 5.0
PROBE_TIMEOUT_SECONDS = 5.0
GRACE_SECONDS = 5.0
#: Kafka's client tries some calls for ever. What an assignment needs to begin, and what ends a session, gets this long.
BEGIN_SECONDS = 60.0
COMMIT_SECONDS = 5.0
STOP_SECONDS = 15.0
METADATA_MILLISECONDS = 5000
BATCH_RECORDS = 500
#: Events in memory at which reading pauses: at some 5 kB each about 50 MB.
MAX_EVENTS_HELD = 10_000
#: Offsets in memory at which reading pauses; superseded events leave nothing but theirs.
MAX_OUTSTANDING = 200_000
MAX_INCIDENT_ID_CHARACTERS = 255

log = structlog.get_logger("correlator.pager")


class Poison(Exception):
    """A record that is not an incident event; `outcome` is from a closed set."""

    def __init__(self, outcome: str, problem: str) -> None:
        self.outcome = outcome
        super().__init__(problem)


def decode(value: bytes) -> IncidentEvent:
    """Read an incident event.

    Raises:
        Poison: it is not JSON, or not of the schema `incident-event/1`.
    """
    try:
        event = msgspec.json.decode(value, type=IncidentEvent)
    except msgspec.ValidationError as error:
        raise Poison("wrong_schema", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Poison("not_json", str(error)) from None
    if event.schema != "incident-event/1":
        raise Poison("wrong_schema", f"schema is {event.schema[:40]!r}")
    if not event.incident_id.isprintable():
        # It goes into headers and addresses.
        raise Poison("wrong_schema", f"incident_id is {event.incident_id[:40]!r}")
    if not 0 < len(event.incident_id) <= MAX_INCIDENT_ID_CHARACTERS or event.revision < 1:
        raise Poison("wrong_schema", "incident_id or revision is out of range")
    instants = (event.started_at, event.opened_at, event.published_at, event.resolved_at)
    if not all(told is None or _is_instant(told) for told in instants):
        raise Poison("wrong_schema", f"one of {instants} is no time in RFC 3339")
    return event


def _is_instant(text: str) -> bool:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return False
    # Beyond these years no arithmetic is safe.
    return moment.tzinfo is not None and 1970 <= moment.year < 9999


class Intake:
    """Consumes for one target until told to stop."""

    def __init__(
        self,
        *,
        channel: Channel,
        topic: str,
        group_id: str,
        settings: Mapping[str, Any],
        memory: Memory,
        backoff: Backoff,
        clock: Clock,
        metrics: PagerMetrics,
    ) -> None:
        self.target = channel.dialect.name
        self._channel = channel
        self.topic = topic
        self._group_id = f"{group_id}.{self.target}"
        self._settings = settings
        self._memory = memory
        self._backoff = backoff
        self._clock = clock
        self._metrics = metrics
        self._outage = Outage(clock.jitter, target=self.target)
        self._reading = False
        self._courier: Courier | None = None

    @property
    def ready(self) -> bool:
        """True while partitions are assigned, memory is loaded and Kafka answers."""
        return self._reading and not self._outage.lasting

    @property
    def withheld(self) -> Mapping[str, Mark]:
        """Return the incidents that are owed a page, by their id."""
        courier = self._courier
        return {} if courier is None else courier.withheld

    async def run(self, stop: asyncio.Event) -> None:
        """Consume; start over whenever Kafka fails in a way its client does not mend."""
        while not stop.is_set():
            try:
                await _ended_soon_after(stop, self._session(stop))
            except (KafkaError, TimeoutError) as error:
                self._metrics.kafka_up.labels(self.target).set(0)
                await pause(stop, self._outage.failed(str(error) or type(error).__name__))
            finally:
                self._reading, self._courier = False, None

    async def _session(self, stop: asyncio.Event) -> None:
        consumer = AIOKafkaConsumer(
            group_id=self._group_id,
            enable_auto_commit=False,
            # The first start and an expired offset: from the beginning, for in doubt the page goes out.
            auto_offset_reset="earliest",
            # Who leads the group shares out the partitions it knows of, after an outage perhaps none. It sees that with
            # the next metadata: by default after five minutes in which nobody is paged.
            metadata_max_age_ms=METADATA_MILLISECONDS,
            **self._settings,
        )
        try:
            await consumer.start()
            heed_errors(consumer._coordinator)
            await self._probe(consumer)
            reading = _Reading(self, consumer)
            consumer.subscribe([self.topic], listener=reading)
            try:
                await self._consume(consumer, reading, stop)
            finally:
                await reading.end()
        finally:
            await consumer.stop()

    async def _consume(self, consumer: AIOKafkaConsumer, reading: _Reading, stop: asyncio.Event) -> None:
        commit_at = probe_at = self._clock.monotonic()
        while not stop.is_set():
            await reading.begin()
            self._reading = reading.courier is not None
            courier = self._courier = reading.courier
            batches = await consumer.getmany(timeout_ms=int(POLL_SECONDS * 1000), max_records=BATCH_RECORDS)
            if courier is None or reading.courier is not courier:
                # The assignment changed meanwhile; the next one starts at the committed offsets.
                continue
            for records in batches.values():
                for record in records:
                    self._accept(courier, record)
            reading.check()
            reading.regulate()
            now = self._clock.monotonic()
            if now >= commit_at:
                await reading.commit()
                commit_at = now + COMMIT_INTERVAL_SECONDS
            if now >= probe_at:
                await self._watch(consumer)
                probe_at = self._clock.monotonic() + PROBE_INTERVAL_SECONDS

    def _accept(self, courier: Courier, record: ConsumerRecord[bytes, bytes]) -> None:
        position = Position(record.partition, record.offset)
        try:
            event = None if record.value is None else decode(record.value)
        except Poison as poison:
            self._metrics.records.labels(poison.outcome).inc()
            log.error(
                "not an incident event, skipped",
                target=self.target,
                partition=record.partition,
                offset=record.offset,
                problem=str(poison)[:300],
            )
            courier.skip(position)
            return
        if event is None:
            outcome = "tombstone"
            courier.skip(position)
        else:
            outcome = "accepted" if courier.offer(event, position) else "repeated"
        self._metrics.records.labels(outcome).inc()

    async def _probe(self, consumer: AIOKafkaConsumer) -> None:
        """Ask for the topic.

        Raises:
            KafkaError: Kafka does not answer, or has no such topic. It is not for the pager to create it.
        """
        async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
            if self.topic not in await consumer.topics():
                raise KafkaError(f"there is no topic {self.topic!r}")

    async def _watch(self, consumer: AIOKafkaConsumer) -> None:
        """Notice that Kafka left or came back; its client hides that and goes on trying."""
        try:
            await self._probe(consumer)
        except (KafkaError, TimeoutError) as error:
            self._metrics.kafka_up.labels(self.target).set(0)
            self._outage.failed(str(error) or type(error).__name__)
        else:
            self._metrics.kafka_up.labels(self.target).set(1)
            self._outage.succeeded()

    def new_fence(self, ask: Callable[[], Awaitable[Turn]]) -> Fence:
        """Make the fence of an assignment."""
        return Fence(ask=ask, monotonic=self._clock.monotonic)

    def new_courier(self, marks: dict[str, Any], partitions: frozenset[int], fence: Fence) -> Courier:
        """Make the courier of an assignment."""
        return Courier(
            channel=self._channel,
            marks=marks,
            memory=self._memory,
            backoff=self._backoff,
            clock=self._clock,
            metrics=self._metrics,
            partitions=partitions,
            may_speak=fence.passes,
        )

    async def recall(self) -> dict[str, Any]:
        """Load what the target was told before."""
        return await self._memory.load(self.target)


async def _ended_soon_after(stop: asyncio.Event, session: Coroutine[Any, Any, None]) -> None:
    """Run a session; once `stop` is set it has seconds to end by itself."""
    running = asyncio.create_task(session)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({running}, timeout=STOP_SECONDS)
    finally:
        stopping.cancel()
        running.cancel()
        await asyncio.wait({running})
    if not running.cancelled():
        running.result()


class _Reading(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """The assignment at hand: its courier, and its offsets.

    The callbacks run in a task of the consumer's; all they do is end the old assignment and announce the new one. The
    new one is begun by the loop that reads, so that no record of the old can reach the new.
    """

    def __init__(self, intake: Intake, consumer: AIOKafkaConsumer) -> None:
        self._intake = intake
        self._consumer = consumer
        self._announced: frozenset[TopicPartition] | None = None
        self._assigned: frozenset[TopicPartition] = frozenset()
        self._running: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._paused = False
        self._failure: BaseException | None = None
        self.courier: Courier | None = None

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Finish what is under way, commit, and let go."""
        self._announced = None
        try:
            await self.end()
        except Exception as error:
            # The consumer would only log it.
            self._failure = error

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Read nothing before `begin` has set the positions."""
        self._consumer.pause(*assigned)
        self._announced = frozenset(assigned)

    async def begin(self) -> None:
        """Start on a newly announced assignment: memory first, then the committed offsets."""
        self.check()
        announced = self._announced
        if announced is None or self.courier is not None:
            return
        async with asyncio.timeout(BEGIN_SECONDS):
            marks = await self._intake.recall()
            for partition in announced:
                offset = await self._consumer.committed(partition)
                if self._announced is not announced:
                    return
                if offset is None:
                    await self._consumer.seek_to_beginning(partition)
                else:
                    self._consumer.seek(partition, offset)
        if self._announced is not announced:
            return
        self._assigned, self._paused = announced, False
        fence = self._intake.new_fence(self._ask)
        self.courier = self._intake.new_courier(marks, frozenset(part.partition for part in announced), fence)
        self._running = asyncio.create_task(self.courier.run())
        self._beating = asyncio.create_task(fence.beat())
        self._consumer.resume(*announced)
        log.info("delivering", target=self._intake.target, partitions=len(announced), incidents_remembered=len(marks))

    def check(self) -> None:
        """Raise what a callback or the courier failed with."""
        if self._failure is not None:
            raise self._failure
        if self._running is not None and self._running.done():
            self._running.result()

    def regulate(self) -> None:
        """Stop reading while too much waits, go on when half of it is gone."""
        if self.courier is None:
            return
        load = max(self.courier.events_held / MAX_EVENTS_HELD, self.courier.offsets.outstanding / MAX_OUTSTANDING)
        if load >= 1 and not self._paused:
            self._paused = True
            self._consumer.pause(*self._assigned)
            log.info("reading pauses, the target is behind", target=self._intake.target)
        elif load <= 0.5 and self._paused:
            self._paused = False
            self._consumer.resume(*self._assigned)
            log.info("reading goes on", target=self._intake.target)

    async def commit(self) -> None:
        """Commit up to the lowest unfinished offset of each partition."""
        courier = self.courier
        if courier is not None:
            await self._commit(courier)

    async def end(self) -> None:
        """Close the courier and commit what it finished."""
        courier, running, beating = self.courier, self._running, self._beating
        self.courier = self._running = self._beating = None
        if courier is None or running is None:
            return
        if beating is not None:
            beating.cancel()
        await courier.close(GRACE_SECONDS)
        await running
        await self._commit(courier)

    async def _ask(self) -> Turn:
        """Ask whether the partitions are still ours: only then the broker takes our offsets."""
        courier = self.courier
        if courier is None:
            return Turn.ANOTHERS
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                offsets = {}
                for place in self._assigned:
                    lowest = courier.offsets.lowest_unfinished(place.partition)
                    offsets[place] = await self._consumer.position(place) if lowest is None else lowest
                await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError):
            return Turn.ANOTHERS
        except (KafkaError, TimeoutError):
            return Turn.UNKNOWN
        return Turn.OURS

    async def _commit(self, courier: Courier) -> None:
        due = courier.offsets.to_commit()
        if not due:
            return
        topic = self._intake.topic
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._consumer.commit({TopicPartition(topic, number): offset for number, offset in due.items()})
        except (KafkaError, IllegalStateError, TimeoutError):
            # Repeated at the next turn, or by whoever owns the partitions now: repeats are dropped by the memory.
            return
        courier.offsets.committed(due)
