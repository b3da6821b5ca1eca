"""Ingest: raw messages in, events of named services out, ordered by scope; what nobody can use is dead-lettered.

Stateless: a message is acknowledged when all that came of it is, so whoever starts next begins where this one ended.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from aiokafka import ConsumerRecord
from faust.streams import Stream
from faust.types import TP, StreamT

from correlator.config import Config
from correlator.domain import AlertEvent, Severity, Status
from correlator.engine.deliveries import UNKNOWN, Session
from correlator.errors import InputError
from correlator.formats import log
from correlator.formats.alert import ParsedAlert
from correlator.formats.format import Headers
from correlator.formats.instants import EARLIEST, LATEST
from correlator.formats.mapped import formats_of
from correlator.formats.naming import NAMELESS, Namer
from correlator.formats.reading import Formats, Read
from correlator.formats.redaction import redaction_of
from correlator.shell.bulk import WAIT_SECONDS, Bulk, slices
from correlator.shell.deadletters import DeadLetter, DeadLetters
from correlator.shell.metrics import Metrics, source_word
from correlator.shell.parcels import Parcel, Parcels
from correlator.shell.topics import record_bytes
from correlator.shell.transport import Publisher, WorkerApp
from topology.graph import ServiceGraph

_log = structlog.get_logger("correlator.worker")

#: A message with more bad events than this is dead-lettered as a whole, or a megabyte of `[0,0,0...` made a hundred.
_MAX_LETTERS = 20
#: How often it is asked whether a floor is known.
_UNPLACED_SECONDS = 0.02


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A record of the alerts topic; `timestamp` is milliseconds, by the clock of its producer."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    value: bytes | None
    headers: Mapping[str, bytes]


@dataclass(slots=True, kw_only=True)
class Reading:
    """What came of a message: events by scope, what was refused, what was told beside, or only that time went on."""

    at: int
    scopes: dict[str, list[AlertEvent]] = field(default_factory=dict)
    refused: list[tuple[bytes, InputError]] = field(default_factory=list)
    formats: Sequence[str] = ()
    notices: Mapping[tuple[str, str], int] = field(default_factory=dict)
    said: Sequence[tuple[str, str, str]] = ()
    #: Source -> how far the latest start of its alerts lies ahead of their arrival.
    ahead_ms: dict[str, int] = field(default_factory=dict)
    is_heartbeat: bool = False


class Reader:
    """Understands messages: a function of configuration, graph and clock.

    Args:
        now: the wall clock in milliseconds; None where only the records' timestamps count.
    """

    def __init__(self, config: Config, graph: ServiceGraph, now: Callable[[], int] | None) -> None:
        self._naming = config.naming
        self._formats = Formats(formats_of(config))
        self._redaction = redaction_of(config)
        self._namer = Namer(config.naming, graph, self._redaction)
        self._now = now
        self._max_bytes = config.worker.max_event_bytes
        self._oldest_ms = round(config.kafka.alerts_retention_seconds * 1000)

    def use(self, graph: ServiceGraph) -> None:
        """Name services by another version of the graph."""
        self._namer = Namer(self._naming, graph, self._redaction)

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
        if len(value) > self._max_bytes:
            reading.refused.append((value, InputError("too_large", f"{len(value)} bytes, more than {self._max_bytes}")))
            return reading
        contents = self._formats.read(value, _texts(message.headers), arrived_at=reading.at)
        reading.formats, reading.notices = contents.formats, contents.notices
        reading.said = [(name, word, self._redaction.text(text)) for name, word, text in contents.said]
        self._take(reading, message, contents.events)
        self._merge_letters(reading, value, len(contents.events))
        return reading

    def _take(self, reading: Reading, message: Message, events: Sequence[Read]) -> None:
        """Name the alerts of a message."""
        place = f"{message.topic}-{message.partition}-{message.offset}"
        if self._now is not None:
            # No message arrives before what it tells of has begun: its producer's clock is behind.
            starts = (read.event.starts_at for read in events if isinstance(read.event, ParsedAlert))
            reading.at = max(reading.at, min(max(starts, default=reading.at), self._now()))
        is_clean = self._namer.are_clean(events)
        for read in events:
            try:
                if isinstance(read.event, InputError):
                    raise read.event
                event = self._namer.name(read.event, event_id=read.id(place), observed_at=reading.at, is_clean=is_clean)
            except InputError as error:
                reading.refused.append((read.data, error))
            else:
                reading.scopes.setdefault(event.scope, []).append(event)
                ahead = read.event.starts_at - reading.at
                reading.ahead_ms[event.source] = max(reading.ahead_ms.get(event.source, 0), ahead)

    def _merge_letters(self, reading: Reading, value: bytes, events: int) -> None:
        """Dead-letter a message once where much of it is bad, or where several events have no bytes but all of it."""
        whole = sum(data is value for data, _ in reading.refused)
        if whole > 1 or len(reading.refused) > _MAX_LETTERS:
            reason, count = reading.refused[0][1], len(reading.refused)
            detail = f"{count} of {events} events are bad, the first: {reason.detail}"
            reading.refused = [(value, InputError(reason.reason, detail))]

    def _arrival(self, timestamp: int) -> int:
        """Return when a message arrived: its timestamp, unless that is a broken clock's.

        By the wall clock no message comes from the future, and none is older than the topic keeps any.
        """
        if self._now is None:
            if not EARLIEST <= timestamp < LATEST:
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
        self._own_formats = frozenset(one.name for one in config.formats)
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
        async for (event,) in stream.noack_take(1, within=WAIT_SECONDS):
            generation = self._app.generation()
            if self.closing or event.message.generation_id != generation:
                continue
            floor = await self._floor(event.message.tp, generation)
            if floor is None:
                continue
            started = time.perf_counter()
            await self._forward(event.value, floor, Session(generation, self.assigned_at))
            self._metrics.processing.labels("ingest").observe(time.perf_counter() - started)
            if self._app.generation() != generation:
                continue  # the next owner of the partitions forwards them again, and the engine knows them again
            await stream.ack(event)
            self.positions[event.message.tp] = event.message.offset + 1
            self.handled += len(event.value)

    async def _floor(self, place: TP, generation: int) -> int | None:
        """Return below which offset nothing will come again, once it is known; None if the assignment ends first.

        A fetch may return before that. Forwarded with a floor of nought, what it brings would look as if the topic had
        been made anew, and be taken for news though it was forwarded before.
        """
        while (floor := self._app.committed_offset(place)) is None:
            await asyncio.sleep(_UNPLACED_SECONDS)
            if self.closing or self._app.generation() != generation:
                return None
        return floor

    async def _forward(self, bulk: Bulk, floor: int, session: Session) -> None:
        """Return when everything that comes of the messages is acknowledged."""
        sent: list[asyncio.Future[Any]] = []
        partitions = await self._publisher.partitions(self._events_topic)
        for some in slices(bulk):
            parcels = Parcels(partitions)
            readings: list[Reading] = []
            invalid: Counter[str] = Counter()
            for message in map(_message, some):
                reading = self._reader.read(message)
                if reading.is_heartbeat:
                    if self._plays_records:
                        sent += await self._send(parcels.take())
                        sent += await self._tick(reading.at, partitions)
                    continue
                records, too_large = divide(
                    reading,
                    partition=message.partition,
                    offset=message.offset,
                    floor=floor,
                    largest=self._largest,
                    session=session,
                )
                for scope, data in records:
                    parcels.add(scope, data, reading.at)
                for data, error in [*reading.refused, *((message.value or b"", error) for error in too_large)]:
                    sent.append(await self._letters.send(_letter(message, data, error)))
                    invalid[error.reason] += 1
                readings.append(reading)
            sent += await self._send(parcels.take())
            self._count(readings, invalid)
            await asyncio.sleep(0)
        await asyncio.gather(*sent)

    async def _send(self, parcels: Sequence[Parcel]) -> list[asyncio.Future[Any]]:
        return [
            await self._publisher.send(
                self._events_topic, parcel.value, key=parcel.key, partition=parcel.partition, at=parcel.at
            )
            for parcel in parcels
        ]

    async def _tick(self, at: int, partitions: Sequence[int]) -> list[asyncio.Future[Any]]:
        value = log.encode(log.Tick(at=at))
        return [
            await self._publisher.send(self._events_topic, value, partition=partition, at=at)
            for partition in partitions
        ]

    def _count(self, readings: Sequence[Reading], invalid: Mapping[str, int]) -> None:
        events = [event for reading in readings for scope in reading.scopes.values() for event in scope]
        for (source, status), count in Counter((event.source, event.status) for event in events).items():
            self._metrics.received.labels(source_word(source, self._own_formats), status).inc(count)
        for (source, part), count in defaulted(events).items():
            self._metrics.defaulted.labels(source_word(source, self._own_formats), part).inc(count)
        for (source, rule, known), count in named(events).items():
            self._metrics.named.labels(source_word(source, self._own_formats), rule, known).inc(count)
        skews: dict[str, int] = {}
        for source, ahead in (item for reading in readings for item in reading.ahead_ms.items()):
            word = source_word(source, self._own_formats)
            skews[word] = max(skews.get(word, 0), ahead)
        for word, skew in skews.items():
            self._metrics.clock_skew.labels(word).set(skew / 1000)
        if unknown := sum(not event.known_service for event in events):
            self._metrics.unknown_service.inc(unknown)
        for reading in readings:
            for name, count in Counter(reading.formats).items():
                self._metrics.messages.labels(name).inc(count)
            for (name, word), count in reading.notices.items():
                self._metrics.notices.labels(name, word).inc(count)
            for name, word, text in reading.said:
                _log.warning(
                    "a sender asks for something that only a human may do", format=name, notice=word, text=text
                )
        for reason, count in invalid.items():
            self._metrics.invalid.labels(reason).inc(count)


def defaulted(events: Iterable[AlertEvent]) -> Counter[tuple[str, str]]:
    """Count by source the firings that leave out what decides most: how severe it is, and of which service."""
    firings = [event for event in events if event.status is Status.FIRING]
    return Counter(
        [(event.source, "severity") for event in firings if event.severity is Severity.UNKNOWN]
        + [(event.source, "service") for event in firings if event.service.startswith(NAMELESS)]
    )


def named(events: Iterable[AlertEvent]) -> Counter[tuple[str, str, str]]:
    """Count firings by source, by the rule that named their service, and by whether the graph knows it."""
    return Counter(
        (event.source, event.named_by, "yes" if event.known_service else "no")
        for event in events
        if event.status is Status.FIRING
    )


def _message(record: ConsumerRecord) -> Message:
    return Message(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=record.timestamp or 0,
        value=record.value,
        headers=dict(record.headers),
    )


def _texts(headers: Mapping[str, bytes]) -> Headers:
    """Return headers as text, their names in lower case."""
    return {name.lower(): value.decode("utf-8", "replace") for name, value in headers.items()} if headers else {}


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
