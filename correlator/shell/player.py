"""Plays a recorded stream of alerts into Kafka, for workers with `clock = "records"`: time is that of the records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer

from correlator.access import client_settings
from correlator.config import Config
from correlator.formats.instants import EARLIEST
from correlator.formats.mapped import formats_of
from correlator.formats.reading import Formats, arrival
from correlator.shell.topics import ENVELOPE_BYTES, record_bytes

#: Every alert's lease ends within this, and with it every incident: what is pending then is told.
_AFTERWARDS_MS = 8 * 86_400_000
_IN_FLIGHT = 1000
#: One partition, or a day of two partitions would be read in two orders.
_PARTITION = 0
_STEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How far the player is: lines sent, and the time of the stream in milliseconds."""

    lines: int
    at: int


async def play(
    config: Config,
    lines: Iterable[bytes],
    *,
    speed: float = 0,
    on_progress: Callable[[Played], None] | None = None,
    finish: bool = True,
) -> Played:
    """Publish the lines to the alerts topic, each a record that is as old as its event.

    Args:
        speed: seconds of the stream in a second of ours; 0 is as fast as it goes.
        finish: afterwards let the stream's time go on until nothing is pending.
    """
    played = Played(lines=0, at=0)
    formats = Formats(formats_of(config))
    loop = asyncio.get_running_loop()
    producer = AIOKafkaProducer(
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        max_request_size=record_bytes(config) + ENVELOPE_BYTES,
        **client_settings(config.kafka),
    )
    await producer.start()
    try:
        pending: set[asyncio.Future[object]] = set()
        began, first = loop.time(), 0

        async def send(value: bytes, at: int, headers: list[tuple[str, bytes]]) -> None:
            sent = await producer.send(
                config.kafka.alerts_topic, value, partition=_PARTITION, timestamp_ms=at, headers=headers
            )
            pending.add(sent)
            if len(pending) >= _IN_FLIGHT:
                await asyncio.gather(*pending)
                pending.clear()

        async def beat(at: int) -> None:
            await send(b"", at, [("type", b"tick")])

        for line in lines:
            if not line.strip():
                continue
            read = formats.read(line, arrived_at=played.at or None)
            at = max(played.at, arrival(read.alerts) or played.at or EARLIEST)
            first = first or at
            while speed and (ahead := (at - first) / 1000 / speed - (loop.time() - began)) > 0:
                await asyncio.sleep(min(ahead, _STEP_SECONDS))
                # Time passes between two alerts too.
                await beat(min(at, first + round((loop.time() - began) * speed * 1000)))
            await send(line, at, [])
            played = Played(lines=played.lines + 1, at=at)
            if on_progress is not None:
                on_progress(played)
        if finish and played.lines:
            await beat(played.at + _AFTERWARDS_MS)
        await asyncio.gather(*pending)
    finally:
        await producer.stop()
    return played
