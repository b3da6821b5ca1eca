"""How often faults come here of late, beside how often they come anywhere.

Faults come in bunches: a bad release, a day of maintenance, a system that is being tried out. Where somebody was paged
of late, the next alert is likelier a fault, too (gamma-Poisson over the time that all services were watched, shrunk to
the usual rate). A quiet time excuses nothing: the rate is never taken for lower than usual.
"""

from __future__ import annotations

import math

from correlator.engine.causes import FAULT_RATE
from correlator.engine.decay import fade, left, watched
from correlator.engine.state import Rate

#: For so much a page counts, since of the pages on simulated days four in ten are for faults; in full, pages for noise
#: would raise the rate that brings them.
PER_PAGE = 0.4
#: How many faults the prior is worth: little, since systems differ by orders of magnitude.
_PRIOR_COUNT = 0.5
#: The rate of late is never taken for more than so many times the usual one.
MOST_TIMES = 10.0
_HALF_LIFE_MS = 6 * 3_600_000


def note(pages: Rate, real: float, now: int) -> None:
    """Count a page for trouble that nobody had been paged for, `real` the probability that it is a fault."""
    fade(pages, now, _HALF_LIFE_MS)
    pages.count += real


def odds(pages: Rate, since: int, services: int, now: int) -> float:
    """Return how much likelier a fault is here and now than anywhere, in nats: at least 0.

    `since` is when the `services` began to be watched, in ms.
    """
    seen = PER_PAGE * pages.count * left(pages.at, now, _HALF_LIFE_MS)
    usual = FAULT_RATE * services * watched(since, now, _HALF_LIFE_MS)
    times = (seen + _PRIOR_COUNT) / (usual + _PRIOR_COUNT)
    return math.log(min(MOST_TIMES, max(1.0, times)))
