"""What operators say, from its topic into the log: into every partition, since nobody knows in which an incident is.

Whichever engine knows the incident acts. What is forwarded twice is known again by its id: nothing is remembered here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka import ConsumerRecord
from faust.streams import Stream
from faust.types import TP, StreamT

from correlator.config import Config
from correlator.domain import Feedback, FeedbackSource
from correlator.errors import InputError
from correlator.formats import feedback, log
from correlator.formats.instants import EARLIEST
from correlator.shell.bulk import WAIT_SECONDS, Bulk
from correlator.shell.deadletters import DeadLetter, DeadLetters
from correlator.shell.metrics import Metrics
from correlator.shell.transport import Publisher, WorkerApp

#: No operator says more at once.
_MAX_BYTES = 256 * 1024


def understand(record: ConsumerRecord, now: int) -> Feedback:
    """Read one record of the topic.

    Raises:
        InputError: it says nothing that anybody could use.
    """
    data = record.value or b""
    if len(data) > _MAX_BYTES:
        raise InputError("too_large", f"{len(data)} bytes, more than {_MAX_BYTES}")
    place = f"{record.topic}-{record.partition}-{record.offset}"
    arrived_at = min(record.timestamp, now) if record.timestamp and record.timestamp > EARLIEST else now
    return feedback.read(data, arrived_at=arrived_at, delivery=place, source=FeedbackSource.TOPIC)


class Listening:
    """The agent that turns feedback into records of the log.

    Args:
        now: the wall clock, milliseconds.
    """

    def __init__(
        self,
        app: WorkerApp,
        config: Config,
        *,
        publisher: Publisher,
        letters: DeadLetters,
        metrics: Metrics,
        now: Callable[[], int],
    ) -> None:
        self._app = app
        self._events_topic = config.kafka.events_topic
        # In a recorded stream time goes on with its records alone: what is said now is said when it is heard.
        self._is_timed = config.worker.clock == "wall"
        self._publisher = publisher
        self._letters = letters
        self._metrics = metrics
        self._now = now
        self.handled = 0
        self.positions: dict[TP, int] = {}

    async def run(self, stream: StreamT[Any]) -> None:
        """Forward until the stream ends; any failure to do so ends the worker."""
        assert isinstance(stream, Stream)
        async for (event,) in stream.noack_take(1, within=WAIT_SECONDS):
            generation = self._app.generation()
            if event.message.generation_id != generation:
                continue
            await self._forward(event.value)
            if self._app.generation() != generation:
                continue  # the next owner of the partition forwards it again
            await stream.ack(event)
            self.positions[event.message.tp] = event.message.offset + 1
            self.handled += len(event.value)

    async def _forward(self, bulk: Bulk) -> None:
        """Return when everything that comes of the records is acknowledged."""
        sent: list[asyncio.Future[Any]] = []
        partitions = await self._publisher.partitions(self._events_topic)
        for record in bulk:
            now = self._now()
            try:
                word = understand(record, now)
            except InputError as error:
                sent.append(await self._letters.send(_letter(record, error)))
                continue
            value = log.encode(log.Said(at=now if self._is_timed else 0, feedback=word))
            for partition in partitions:
                sent.append(await self._publisher.send(self._events_topic, value, partition=partition, at=now))
            self._metrics.feedback_received.labels(word.action, word.source).inc()
        await asyncio.gather(*sent)


def _letter(record: ConsumerRecord, error: InputError) -> DeadLetter:
    return DeadLetter(
        value=record.value or b"",
        reason=error.reason,
        detail=error.detail,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at=record.timestamp or 0,
    )
