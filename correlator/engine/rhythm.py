"""The rhythm of the week: how much of the noise an hour of it brings, beside hours in general.

Noise goes with the clock: office hours, nightly backups, the deployments of Mondays. An hour counts when it is over, so
what happens now never excuses itself, and nothing is claimed before the second week (gamma-Poisson, shrunk to 1).
Hours are those of UTC: where clocks change twice a year, so does the rhythm, and is learned anew.
"""

from __future__ import annotations

from correlator.engine.decay import left
from correlator.engine.state import Hours, Rhythm

#: How many firings the prior is worth, that of all hours alike.
PRIOR_COUNT = 20.0
_HOUR_MS = 3_600_000
_WEEK = 168  # hours
#: After so long a silence nothing is left that is worth the counting.
_LONGEST_SILENCE = 8 * _WEEK


def note(rhythm: Rhythm, weight: float, now: int) -> None:
    """Add `weight` to the hour under way; the first, of which a part has passed, and what comes late do not count."""
    hour = now // _HOUR_MS
    if rhythm.hour and hour - rhythm.hour > _LONGEST_SILENCE:
        rhythm.hour, rhythm.whole, rhythm.of_week = 0, Hours(), {}
    if not rhythm.hour:
        rhythm.hour, rhythm.count = hour + 1, 0.0
    for over in range(rhythm.hour, hour):
        for hours in (rhythm.whole, rhythm.of_week.setdefault(over % _WEEK, Hours())):
            kept = left(hours.at, over * _HOUR_MS)
            hours.hours = hours.hours * kept + 1
            hours.count = hours.count * kept + rhythm.count
            hours.at = over * _HOUR_MS
        rhythm.hour, rhythm.count = over + 1, 0.0
    if hour == rhythm.hour:
        rhythm.count += weight


def factor(rhythm: Rhythm, now: int) -> float:
    """Return how many times its usual rate noise has in this hour of the week; 1 for what was never seen."""
    known = rhythm.of_week.get(now // _HOUR_MS % _WEEK)
    if known is None:
        return 1.0
    kept = left(known.at, now)
    usual = rhythm.whole.count / rhythm.whole.hours
    return (known.count * kept + PRIOR_COUNT) / (usual * known.hours * kept + PRIOR_COUNT)


def put_off(rhythm: Rhythm, gap: int) -> None:
    """Leave out the next `gap` milliseconds, in which nobody watches."""
    rhythm.hour = 0
    for hours in (rhythm.whole, *rhythm.of_week.values()):
        hours.at += gap
