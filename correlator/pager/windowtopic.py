"""Windows from a compacted topic: key = id, value = a window as JSON, no value = taken back.

All pagers read all of it, from its beginning; there is no group and nothing to commit. What cannot be understood
silences nothing, and takes the place of what was there under its key before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import pydantic
import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from correlator.config_pager import WindowConfig
from correlator.pager.connection import Outage, pause

POLL_MILLISECONDS = 500
#: How long the first incident may wait for the topic to be read to its end; then the page goes out: in doubt, page.
CATCH_UP_SECONDS = 30.0
MAX_WINDOWS = 10_000

log = structlog.get_logger("correlator.pager")


class WindowTopic:
    """The windows of a topic, kept up to date by `follow`."""

    def __init__(self, settings: Mapping[str, Any], topic: str, outage: Outage) -> None:
        self._settings = settings
        self._topic = topic
        self._outage = outage
        self._caught_up = asyncio.Event()
        self.windows: dict[str, WindowConfig] = {}
        self.invalid: dict[str, str] = {}

    async def caught_up(self, stop: asyncio.Event) -> None:
        """Wait until the topic was read to its end once, for so long as a page may wait."""
        waiting = [asyncio.ensure_future(event.wait()) for event in (self._caught_up, stop)]
        await asyncio.wait(waiting, timeout=CATCH_UP_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if not self._caught_up.is_set() and not stop.is_set():
            log.error("the topic of windows cannot be read, paging without it", topic=self._topic)

    async def follow(self, stop: asyncio.Event) -> None:
        """Read until told to stop; begin anew whenever Kafka fails."""
        while not stop.is_set():
            try:
                await self._session(stop)
            except (KafkaError, TimeoutError) as error:
                await pause(stop, self._outage.failed(str(error) or type(error).__name__))

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Take over one record."""
        name = (key or b"").decode("utf-8", "replace")
        before = self.windows.pop(name, None)
        self.invalid.pop(name, None)
        if value is None:
            if before is not None:
                log.info("window taken back", window=name)
            return
        try:
            window = understood(name, value)
            if len(self.windows) >= MAX_WINDOWS:
                raise ValueError(f"more than {MAX_WINDOWS} windows")
        except ValueError as error:
            self.invalid[name] = str(error)
            log.error("a window that silences nothing", topic=self._topic, window=name[:100], problem=str(error)[:300])
            return
        self.windows[name] = window
        if window != before:
            log.info("window read", window=name, author=window.author, comment=window.comment)

    async def _session(self, stop: asyncio.Event) -> None:
        # Without a group a consumer of a topic reads all its partitions; an unknown topic is an error.
        consumer = AIOKafkaConsumer(
            self._topic, enable_auto_commit=False, auto_offset_reset="earliest", **self._settings
        )
        try:
            await consumer.start()
            partitions = sorted(consumer.assignment())
            await consumer.seek_to_beginning(*partitions)
            ends = await consumer.end_offsets(partitions)
            self._outage.succeeded()
            while not stop.is_set():
                if all([await consumer.position(one) >= ends[one] for one in partitions]):
                    self._caught_up.set()
                for records in (await consumer.getmany(timeout_ms=POLL_MILLISECONDS)).values():
                    for record in records:
                        self.apply(record.key, record.value)
        finally:
            await consumer.stop()


def understood(name: str, value: bytes) -> WindowConfig:
    """Read a window.

    Raises:
        ValueError: it is none, or not the one that its key says.
    """
    try:
        document = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    try:
        window = WindowConfig.model_validate(document)
    except pydantic.ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc'])) or 'window'}: {item['msg']}" for item in error.errors()]
        raise ValueError("; ".join(problems)) from None
    if window.id != name:
        raise ValueError(f"its id is {window.id!r}, its key is not")
    return window
