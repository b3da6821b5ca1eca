"""Notices that the process was suspended, and lets nothing out until Kafka says whose turn it is.

A pager that is suspended for longer than its session (a machine that is moved, swaps or sleeps) has lost its partitions
to another without knowing. What it was about to say it would say when it wakes, before it hears of that: a trigger,
perhaps, of an incident that the other has resolved since, and somebody is woken for what is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum, auto

import structlog

log = structlog.get_logger("correlator.pager")

#: How often a beat shows that we are awake.
BEAT_SECONDS = 0.5
#: The gap between two beats that shows that we were not. Less than the session of ten seconds, which is counted from a
#: heartbeat some seconds before; more than a busy event loop takes.
ASLEEP_SECONDS = 3.0
#: In doubt, page: while Kafka does not answer nobody can have taken over either.
ASK_SECONDS = 10.0


class Turn(Enum):
    """Whose turn it is, as far as Kafka says."""

    OURS = auto()
    ANOTHERS = auto()
    UNKNOWN = auto()


class Fence:
    """Lets pass who is awake, and who wakes once it is known that the partitions are still ours.

    Args:
        ask: asks Kafka.
        monotonic: a clock in seconds that goes on while we are suspended.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        *,
        ask: Callable[[], Awaitable[Turn]],
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._sleep = sleep
        self._beat_at = monotonic()
        self._sleeps = 0
        self._asked = 0
        self._asking = asyncio.Lock()

    async def beat(self) -> None:
        """Show that we are awake, for ever."""
        while True:
            self._look()
            await self._sleep(BEAT_SECONDS)

    async def passes(self) -> bool:
        """Return when it is known: true where we may speak, false where another does by now."""
        if self._look() == self._asked:
            return True
        async with self._asking:
            # Who sleeps while it asks, asks again.
            while (sleeps := self._look()) > self._asked:
                if await self._turn() is Turn.ANOTHERS:
                    return False
                self._asked = sleeps
        return True

    async def _turn(self) -> Turn:
        began = self._monotonic()
        while (turn := await self._ask()) is Turn.UNKNOWN and self._monotonic() - began < ASK_SECONDS:
            await self._sleep(BEAT_SECONDS)
            self._look()
        return turn

    def _look(self) -> int:
        """Note that we are awake now; return how often we have slept."""
        now = self._monotonic()
        if now - self._beat_at >= ASLEEP_SECONDS:
            self._sleeps += 1
            log.warning("the pager was suspended, asking whose turn it is", seconds=round(now - self._beat_at, 1))
        self._beat_at = now
        return self._sleeps
