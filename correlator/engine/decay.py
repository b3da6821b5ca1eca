"""What is learned fades: how much of a count is left after a while, and how much of the time it was counted in."""

from __future__ import annotations

import math

from correlator.engine.state import Rate

#: Of what is learned of noise.
HALF_LIFE_MS = 14 * 86_400_000


def left(at: int, now: int, half_life_ms: int = HALF_LIFE_MS) -> float:
    """Return the share that is left now of a count as of `at`, both milliseconds."""
    return float(2.0 ** (-max(0, now - at) / half_life_ms))


def watched(since: int, now: int, half_life_ms: int = HALF_LIFE_MS) -> float:
    """Return the time since `since` in seconds, faded as what was counted in it."""
    return half_life_ms / math.log(2) * (1 - left(since, now, half_life_ms)) / 1000


def fade(known: Rate, now: int, half_life_ms: int = HALF_LIFE_MS) -> None:
    """Bring a count to what is left of it at `now`."""
    kept = left(known.at, now, half_life_ms)
    known.count *= kept
    known.lasted = [count * kept for count in known.lasted]
    known.at = max(now, known.at)
