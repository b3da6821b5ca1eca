"""Dead letters: what nobody could use, with its bytes, its place and the reason, for the sender to look at.

The bytes are those that came, but for what must not be stored; who may see all of them looks it up at its place.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from correlator.config import Config
from correlator.formats.instants import EARLIEST, LATEST
from correlator.formats.redacted import redacted
from correlator.formats.redaction import redaction_of
from correlator.shell.metrics import Metrics
from correlator.shell.topics import record_bytes
from correlator.shell.transport import Publisher

_MAX_DETAIL = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A refused input; `reason` is from a closed set, `at` the timestamp of its record in milliseconds."""

    value: bytes
    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    at: int


class DeadLetters:
    """Writes them to the topic of rejected input."""

    def __init__(self, config: Config, publisher: Publisher, metrics: Metrics) -> None:
        self._topic = config.kafka.rejected_topic
        self._largest = record_bytes(config)
        # A dead letter of a recorded stream keeps its time; else it is as old as its refusal.
        self._keeps_time = config.worker.clock == "records"
        self._redaction = redaction_of(config)
        self._publisher = publisher
        self._metrics = metrics

    async def send(self, letter: DeadLetter) -> asyncio.Future[Any]:
        """Send one; what is too large to be sent whole is cut, and a header tells its size."""
        headers = {
            "reason": letter.reason,
            "detail": self._redaction.text(letter.detail)[:_MAX_DETAIL].encode("utf-8", "replace").decode(),
            "topic": letter.topic,
            "partition": str(letter.partition),
            "offset": str(letter.offset),
        }
        value = redacted(letter.value, self._redaction)
        if len(value) > self._largest:
            headers["truncated-from-bytes"] = str(len(value))
            value = value[: self._largest]
        self._metrics.dead_letters.labels(letter.reason).inc()
        keeps = self._keeps_time and EARLIEST <= letter.at < LATEST
        return await self._publisher.send(self._topic, value, at=letter.at if keeps else None, headers=headers)
