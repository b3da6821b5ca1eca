"""How the absence of Kafka is told once instead of a thousand times."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from correlator.pager.exchange import Backoff

log = structlog.get_logger("correlator.pager")

#: Kafka comes back within seconds of a restart; half a minute is the most a page should wait for us to notice.
RECONNECT = Backoff(min_seconds=0.5, max_seconds=30.0)


class Outage:
    """Tells of an outage once when it begins and once when it ends, and paces the attempts in between."""

    def __init__(self, jitter: Callable[[], float], *, backoff: Backoff = RECONNECT, **context: str) -> None:
        self._jitter = jitter
        self._backoff = backoff
        self._context = context
        self._attempts = 0

    @property
    def lasting(self) -> bool:
        """True from the first failure to the next success."""
        return self._attempts > 0

    def failed(self, what: str) -> float:
        """Note a failed attempt; return the seconds to the next."""
        self._attempts += 1
        if self._attempts == 1:
            log.warning("Kafka does not serve, waiting", problem=what, **self._context)
        return self._backoff.delay(self._attempts, self._jitter())

    def succeeded(self) -> None:
        """Note a successful attempt."""
        if self._attempts:
            log.info("Kafka serves again", attempts=self._attempts, **self._context)
            self._attempts = 0


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait for `seconds`, or less when `stop` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
