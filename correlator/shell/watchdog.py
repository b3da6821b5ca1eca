"""The watchdog: a worker that has input and does nothing with it ends itself, to be started afresh.

Consumers that stall after broker trouble while all looks well are known of Faust and its Kafka client. The end of the
log is asked for over a connection of its own, since a consumer that stalls does not learn of it either.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from correlator.access import client_settings
from correlator.config import KafkaConfig
from correlator.shell.metrics import Metrics

_log = structlog.get_logger("correlator.worker")

_ASK_TIMEOUT_SECONDS = 5.0


class Stall:
    """Tells whether input has waited for too long without anything being done."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit = limit_seconds
        self._done = -1
        self._since: float | None = None

    def check(self, now: float, *, waiting: bool, done: int) -> bool:
        """Note how things are at `now` (seconds); True once they have been so for the limit."""
        if not waiting or done != self._done:
            self._done = done
            self._since = now if waiting else None
        elif self._since is None:
            self._since = now
        return self._since is not None and now - self._since >= self._limit

    def seconds(self, now: float) -> float:
        """Return for how long input has waited."""
        return 0.0 if self._since is None else now - self._since


async def watch(
    kafka: KafkaConfig,
    metrics: Metrics,
    stall: Stall,
    *,
    interval_seconds: float,
    positions: Callable[[], Mapping[TopicPartition, int]],
    is_ready: Callable[[], bool],
    done: Callable[[], int],
    give_up: Callable[[str], Awaitable[None]],
) -> None:
    """Measure the lag, again and again, and give up when nothing moves; while Kafka is away, nothing can.

    Args:
        positions: the next offset of every partition that is ours.
        is_ready: false while partitions change hands; that too may take no longer than a stall.
        done: how many records were dealt with.
    """
    consumer: AIOKafkaConsumer | None = None
    try:
        while True:
            await asyncio.sleep(interval_seconds)
            try:
                if consumer is None:
                    consumer = await _started(kafka)
                at = positions()
                async with asyncio.timeout(_ASK_TIMEOUT_SECONDS):
                    ends = await consumer.end_offsets(list(at))
            except (KafkaError, OSError, TimeoutError):
                stall.check(time.monotonic(), waiting=False, done=done())
                if consumer is not None:
                    with suppress(KafkaError, OSError):
                        await consumer.stop()
                consumer = None
                continue
            lags = {place: max(0, ends[place] - offset) for place, offset in at.items()}
            metrics.lag.clear()
            for place, lag in lags.items():
                metrics.lag.labels(place.topic, place.partition).set(lag)
            waiting = any(lags.values()) or not is_ready()
            if stall.check(time.monotonic(), waiting=waiting, done=done()):
                await give_up(f"{sum(lags.values())} records wait and none was dealt with for too long")
                return
    finally:
        if consumer is not None:
            await consumer.stop()


async def _started(kafka: KafkaConfig) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(group_id=None, enable_auto_commit=False, **client_settings(kafka))
    try:
        async with asyncio.timeout(_ASK_TIMEOUT_SECONDS):
            await consumer.start()
    except BaseException:
        await consumer.stop()
        raise
    return consumer
