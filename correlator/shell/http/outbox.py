"""The producer of what is posted, alerts and feedback: the one thing of Kafka that a post needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from correlator.access import client_settings
from correlator.config import Config
from correlator.shell.http.refusal import too_large, unavailable
from correlator.shell.topics import ENVELOPE_BYTES, record_bytes

_log = structlog.get_logger("correlator.worker")

#: For so long Kafka's client tries to get rid of a record, its sender long gone with a 503.
_GIVE_UP_MS = 30_000


class Outbox:
    """Writes records of the topic `alerts`, or of another that is named.

    The producer is its own: Faust's comes and goes with the partitions. Not an idempotent one:
    that never gives up a record, and what is written twice is a repeat that changes nothing.

    Args:
        make: makes a producer.
        restart_seconds: the pause before another producer takes the place of one that failed.
    """

    def __init__(
        self, config: Config, *, make: Callable[..., Any] = AIOKafkaProducer, restart_seconds: float = 1.0
    ) -> None:
        self._make = make
        self._restart_seconds = restart_seconds
        self._topic = config.kafka.alerts_topic
        self._timeout = config.http.kafka_timeout_seconds
        self._config = config
        self._producer: Any = None
        self._broken = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take records within the block."""
        task = asyncio.create_task(self._keep_running())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def send(
        self,
        value: bytes,
        *,
        key: bytes,
        headers: Mapping[str, str],
        at: int,
        settled: Callable[[], None],
        topic: str | None = None,
    ) -> None:
        """Return when Kafka has the record on all replicas.

        Args:
            at: the record's timestamp, milliseconds.
            settled: called once, when the record is no longer in memory; that may be after the refusal.

        Raises:
            Refused: 503, or 413 where Kafka takes no record of that size.
        """
        producer = self._producer
        if producer is None:
            settled()
            raise unavailable("kafka", "Kafka is not connected")
        sent: asyncio.Future[Any] | None = None
        try:
            async with asyncio.timeout(self._timeout):
                sent = await producer.send(
                    topic or self._topic,
                    value,
                    key=key,
                    timestamp_ms=at,
                    headers=[(name, text.encode("utf-8", "replace")) for name, text in headers.items()],
                )
                sent.add_done_callback(_settle(settled))
                await asyncio.shield(sent)
        except TimeoutError:
            raise unavailable("kafka", f"Kafka has not acknowledged within {self._timeout:g} s") from None
        except MessageSizeTooLargeError:
            raise too_large("larger than a record of the topic may be") from None
        except KafkaError as error:
            if not error.retriable:
                self._broken.set()
            raise unavailable("kafka", f"Kafka: {type(error).__name__}") from None
        finally:
            if sent is None:
                settled()

    async def _keep_running(self) -> None:
        """Have a producer, and another one when it has failed for good."""
        while True:
            self._broken.clear()
            try:
                async with self._started() as producer:
                    self._producer = producer
                    await self._broken.wait()
                    _log.warning("the producer of alerts has failed, another one starts")
            except (KafkaError, OSError) as error:
                _log.warning("alerts cannot be taken over HTTP yet", problem=str(error) or type(error).__name__)
            await asyncio.sleep(self._restart_seconds)

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[Any]:
        producer = self._make(
            acks="all",
            linger_ms=5,
            max_batch_size=256_000,
            max_request_size=record_bytes(self._config) + ENVELOPE_BYTES,
            request_timeout_ms=_GIVE_UP_MS,
            **client_settings(self._config.kafka),
        )
        try:
            await producer.start()
            yield producer
        finally:
            self._producer = None
            with suppress(KafkaError, TimeoutError):
                # Waits for what is not acknowledged; Kafka may be away.
                await asyncio.wait_for(producer.stop(), self._timeout)


def _settle(settled: Callable[[], None]) -> Callable[[asyncio.Future[Any]], None]:
    def done(sent: asyncio.Future[Any]) -> None:
        if not sent.cancelled():
            sent.exception()  # seen, or asyncio would complain where nobody waits any more
        settled()

    return done
