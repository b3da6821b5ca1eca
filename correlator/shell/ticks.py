"""Time in the log: a tick a second in every partition that is ours, so that a replay sees the same clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from correlator.formats import log
from correlator.shell.transport import Publisher


async def tick(
    publisher: Publisher,
    topic: str,
    *,
    interval_seconds: float,
    now: Callable[[], int],
    owned: Callable[[], Iterable[int]],
    told: Callable[[], None] = lambda: None,
) -> None:
    """Say what time it is, again and again; several who do so are harmless, for time never goes back.

    Args:
        now: the wall clock in milliseconds.
        owned: the partitions to say it in; none while they are changing hands.
        told: called when every one of them has it.
    """
    interval = round(interval_seconds * 1000)
    while True:
        await asyncio.sleep((interval - now() % interval) / 1000)
        at = now()
        value = log.encode(log.Tick(at=at))
        sent = [await publisher.send(topic, value, partition=partition, at=at) for partition in owned()]
        await asyncio.gather(*sent)
        if sent:
            told()
