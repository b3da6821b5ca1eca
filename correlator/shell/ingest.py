"""Ingest: raw messages in, events of named services out, ordered by scope; what nobody can use is dead-lettered.

Stateless: a message is acknowledged when all that came of it is, so whoever starts next begins where this one ended.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from faust.streams import Stream
from faust.types import TP, EventT, StreamT

from correlator.config import Config
from correlator.domain import AlertEvent
from correlator.engine.deliveries import UNKNOWN, Session
from correlator.errors import InputError
from correlator.formats import canonical, log
from correlator.formats.canonical import ParsedAlert
from correlator.formats.naming import Namer
from correlator.shell.deadletters import DeadLetter, DeadLetters
from correlator.shell.metrics import Metrics, source_word
from correlator.shell.topics import record_bytes
from correlator.shell.transport import Publisher, WorkerApp
from topology.graph import ServiceGraph

BATCH_MESSAGES = 500
BATCH_SECONDS = 0.02
#: A message with more bad events than this is dead-lettered as a whole, or a megabyte of `[0,0,0...` made a hundred.
_MAX_LETTERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A record of the alerts topic; `timestamp` is milliseconds, by the clock of its producer."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    value: bytes | None
    headers: Mapping[str, bytes]


@dataclass(slots=True, kw_only=True)
class Reading:
    """What came of a message: events by scope, what was refused, or only that time went on."""

    at: int
    scopes: dict[str, list[AlertEvent]] = field(default_factory=dict)
    refused: list[tuple[bytes, InputError]] = field(default_factory=list)
    is_heartbeat: bool = False


class Reader:
    """Understands messages: a function of configuration, graph and clock.

    Args:
        now: the wall clock in milliseconds; None where only the records' timestamps count.
    """

    def __init__(self, config: Config, graph: ServiceGraph, now: Callable[[], int] | None) -> None:
        self._namer = Namer(config.naming, graph)
        self._now = now
        self._max_bytes = config.worker.max_event_bytes
        self._oldest_ms = round(config.kafka.alerts_retention_seconds * 1000)

    def read(self, message: Message) -> Reading:
        """Read one message; it never fails."""
        try:
            reading = Reading(at=self._arrival(message.timestamp))
        except InputError as error:
            return Reading(at=0, refused=[(message.value or b"", error)])
        value = message.value
        if not value:
            reading.is_heartbeat = message.headers.get("type") == b"tick"
            if not reading.is_heartbeat and value is not None:
                reading.refused.append((value, InputError("not_json", "the message is empty")))
            return reading
        try:
            if len(value) > self._max_bytes:
                raise InputError("too_large", f"{len(value)} bytes, more than {self._max_bytes}")
            events = canonical.split(value)
        except InputError as error:
            reading.refused.append((value, error))
            return reading
        self._take(reading, message, events)
        if len(reading.refused) > _MAX_LETTERS:
            reason, count = reading.refused[0][1], len(reading.refused)
            detail = f"{count} of {len(events)} events are bad, the first: {reason.detail}"
            reading.refused = [(value, InputError(reason.reason, detail))]
        return reading

    def _take(self, reading: Reading, message: Message, events: Sequence[bytes]) -> None:
        """Parse and name the events of a message."""
        place = f"{message.topic}-{message.partition}-{message.offset}"
        parsed: list[tuple[bytes, str, ParsedAlert]] = []
        for index, data in enumerate(events):
            try:
                alert = canonical.parse(data)
            except InputError as error:
                reading.refused.append((data, error))
            else:
                event_id = alert.id or (place if len(events) == 1 else f"{place}-{index}")
                parsed.append((data, event_id, alert))
        if self._now is not None and parsed:
            # No message arrives before what it tells of has begun: its producer's clock is behind.
            latest = max(alert.starts_at for _, _, alert in parsed)
            reading.at = max(reading.at, min(latest, self._now()))
        for data, event_id, alert in parsed:
            try:
                event = self._namer.name(alert, event_id=event_id, observed_at=reading.at)
            except InputError as error:
                reading.refused.append((data, error))
            else:
                reading.scopes.setdefault(event.scope, []).append(event)

    def _arrival(self, timestamp: int) -> int:
        """Return when a message arrived: its timestamp, unless that is a broken clock's.

        By the wall clock no message comes from the future, and none is older than the topic keeps any.
        """
        if self._now is None:
            if not canonical.EARLIEST <= timestamp < canonical.LATEST:
                raise InputError("bad_timestamp", f"the record's timestamp is {timestamp}, not between 2000 and 2100")
            return timestamp
        now = self._now()
        return timestamp if now - self._oldest_ms <= timestamp <= now else now


def divide(
    reading: Reading, *, partition: int, offset: int, floor: int, largest: int, session: Session = UNKNOWN
) -> tuple[list[tuple[str, bytes]], list[InputError]]:
    """Return the records of the log that a reading makes, with their scopes, none above `largest` bytes.

    Second, a refusal for every event that alone is too large for a record.
    """
    made: list[tuple[str, bytes]] = []
    refused: list[InputError] = []
    for scope, events in reading.scopes.items():
        pending = [events]
        number = 0
        while pending:
            some = pending.pop()
            part = scope if number == 0 else f"{scope}#{number}"
            source = log.Source(
                partition=partition,
                offset=offset,
                part=part,
                floor=floor,
                generation=session.generation,
                assigned_at=session.assigned_at,
            )
            data = log.encode(log.Alerts(at=reading.at, events=some, source=source))
            if len(data) <= largest:
                made.append((scope, data))
                number += 1
            elif len(some) > 1:
                # The second half waits below the first: order is kept.
                pending += [some[len(some) // 2 :], some[: len(some) // 2]]
            else:
                refused.append(InputError("too_large", f"{len(data)} bytes as a record of the event log"))
    return made, refused


class Ingest:
    """The agent that turns alerts into records of the log."""

    def __init__(
        self,
        app: WorkerApp,
        config: Config,
        *,
        reader: Reader,
        publisher: Publisher,
        letters: DeadLetters,
        metrics: Metrics,
    ) -> None:
        self._app = app
        self._events_topic = config.kafka.events_topic
        self._plays_records = config.worker.clock == "records"
        self._largest = record_bytes(config)
        self._reader = reader
        self._publisher = publisher
        self._letters = letters
        self._metrics = metrics
        self.handled = 0
        self.positions: dict[TP, int] = {}
        #: When the present partitions were assigned, milliseconds.
        self.assigned_at = 0
        self.closing = False

    async def run(self, stream: StreamT[Any]) -> None:
        """Forward until the stream ends; any failure to do so ends the worker."""
        assert isinstance(stream, Stream)
        async for events in stream.noack_take(BATCH_MESSAGES, within=BATCH_SECONDS):
            generation = self._app.generation()
            if self.closing:
                continue
            current = [event for event in events if event.message.generation_id == generation]
            started = time.perf_counter()
            await self._forward(current, Session(generation, self.assigned_at))
            self._metrics.processing.labels("ingest").observe(time.perf_counter() - started)
            if self._app.generation() != generation:
                continue  # the next owner of the partitions forwards them again, and the engine knows them again
            for event in current:
                await stream.ack(event)
                self.positions[event.message.tp] = event.message.offset + 1
            self.handled += len(current)

    async def _forward(self, events: Sequence[EventT[Any]], session: Session) -> None:
        """Return when everything that comes of the messages is acknowledged."""
        sent: list[asyncio.Future[Any]] = []
        for event in events:
            message = _message(event)
            reading = self._reader.read(message)
            if reading.is_heartbeat:
                if self._plays_records:
                    sent += await self._tick(reading.at)
                continue
            floor = self._app.committed_offset(event.message.tp)
            records, too_large = divide(
                reading,
                partition=message.partition,
                offset=message.offset,
                floor=floor,
                largest=self._largest,
                session=session,
            )
            for scope, data in records:
                sent.append(
                    await self._publisher.send(
                        self._events_topic, data, key=scope.encode("utf-8", "replace"), at=reading.at
                    )
                )
            refused = [*reading.refused, *((message.value or b"", error) for error in too_large)]
            for data, error in refused:
                sent.append(await self._letters.send(_letter(message, data, error)))
            self._count(reading, refused)
        await asyncio.gather(*sent)

    async def _tick(self, at: int) -> list[asyncio.Future[Any]]:
        value = log.encode(log.Tick(at=at))
        return [
            await self._publisher.send(self._events_topic, value, partition=partition, at=at)
            for partition in await self._publisher.partitions(self._events_topic)
        ]

    def _count(self, reading: Reading, refused: Sequence[tuple[bytes, InputError]]) -> None:
        events = [event for scope in reading.scopes.values() for event in scope]
        for (source, status), count in Counter((event.source, event.status) for event in events).items():
            self._metrics.received.labels(source_word(source), status).inc(count)
        if unknown := sum(not event.known_service for event in events):
            self._metrics.unknown_service.inc(unknown)
        for _, error in refused:
            self._metrics.invalid.labels(error.reason).inc()


def _message(event: EventT[Any]) -> Message:
    raw = event.message
    return Message(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        timestamp=round((raw.timestamp or 0) * 1000),
        value=raw.value,
        headers=dict(raw.headers or ()),
    )


def _letter(message: Message, data: bytes, error: InputError) -> DeadLetter:
    return DeadLetter(
        value=data,
        reason=error.reason,
        detail=error.detail,
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        at=message.timestamp,
    )
