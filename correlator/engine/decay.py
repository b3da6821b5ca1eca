"""What is learned of noise fades: how much of a count is left after a while."""

from __future__ import annotations

from correlator.engine.state import Rate

HALF_LIFE_MS = 14 * 86_400_000


def left(at: int, now: int) -> float:
    """Return the share that is left now of a count as of `at`, both milliseconds."""
    return float(2.0 ** (-max(0, now - at) / HALF_LIFE_MS))


def fade(known: Rate, now: int) -> None:
    """Bring a count to what is left of it at `now`."""
    kept = left(known.at, now)
    known.count *= kept
    known.lasted = [count * kept for count in known.lasted]
    known.at = max(now, known.at)
