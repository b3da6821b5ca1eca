"""How long noise lasts: most of it is a blip, some stays, and each rule has its own way.

Lengths are counted in correlation windows, which follow the sampling of the monitoring: what is sampled every five
minutes cannot blip for one. The lengths of a rule on a service are shrunk towards those of the rule elsewhere, these
towards noise in general, and that towards what is usual (Dirichlet-multinomial). Only what paged nobody is counted: a
real fault must not make the next one look like noise.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeAlias

from correlator.engine.background import by_level, rule
from correlator.engine.decay import fade, left
from correlator.engine.state import Background, Rate

#: Where the classes of lengths begin, in correlation windows; with one of 400 s: 40, 80, 160, 400 and 1,200 s.
_EDGES = (0.1, 0.2, 0.4, 1.0, 3.0)
#: Before anything is known: two exponentials, in correlation windows.
_BLIP, _STAYS, _STAYS_SHARE = 0.225, 1.5, 0.15
#: How many ends the prior of a rule is worth, and that of noise in general.
_PRIOR_COUNT, _OVERALL_COUNT = 20.0, 200.0

#: How much of the noise ends in each class of lengths; together 1.
Shares: TypeAlias = Sequence[float]


def note(background: Background, service: str, name: str, windows: float, weight: float, now: int) -> None:
    """Count an end after so many windows with `weight` (0 to 1: how surely it was noise)."""
    key = rule(name, service)
    own = background.pairs.get(service, {}).get(key)
    if own is None:
        return  # so long ago that its firing is forgotten
    for known in (background.total, background.names[key], own):
        fade(known, now)
        known.lasted = known.lasted or [0.0] * (len(_EDGES) + 1)
        known.lasted[bisect_right(_EDGES, windows)] += weight


def lengths(background: Background, now: int) -> Callable[[str, str], Shares]:
    """Return a function that gives how long a rule on a service lasts where it is noise; it holds for this moment."""
    general = _shrunk(background.total, USUAL, _OVERALL_COUNT, now)

    def in_general(key: str) -> Shares:
        return _shrunk(background.names.get(key), general, _PRIOR_COUNT, now)

    def on_service(known: Rate | None, of_name: Shares) -> Shares:
        return _shrunk(known, of_name, _PRIOR_COUNT, now)

    return by_level(background, in_general, on_service)


def survival(shares: Shares, windows: float) -> float:
    """Return how much of the noise lasts longer than so many windows."""
    place = bisect_right(_EDGES, windows)
    within = (_usual_survival(windows) - _BEYOND[place + 1]) / USUAL[place]
    return sum(shares[place + 1 :]) + shares[place] * within


def density(shares: Shares, windows: float) -> float:
    """Return the density, per window, of noise that ends after so many windows."""
    place = bisect_right(_EDGES, windows)
    blip, stays = math.exp(-windows / _BLIP) / _BLIP, math.exp(-windows / _STAYS) / _STAYS
    return shares[place] / USUAL[place] * ((1 - _STAYS_SHARE) * blip + _STAYS_SHARE * stays)


def _shrunk(known: Rate | None, prior: Shares, worth: float, now: int) -> Shares:
    if known is None or not known.lasted:
        return prior
    kept = left(known.at, now)
    whole = kept * sum(known.lasted) + worth
    return [(kept * count + worth * share) / whole for count, share in zip(known.lasted, prior, strict=True)]


def _usual_survival(windows: float) -> float:
    return (1 - _STAYS_SHARE) * math.exp(-windows / _BLIP) + _STAYS_SHARE * math.exp(-windows / _STAYS)


#: How much of the noise usually lasts beyond where each class begins, and the shares of the classes.
_BEYOND = [*(_usual_survival(edge) for edge in (0.0, *_EDGES)), 0.0]
USUAL: Shares = [begins - ends for begins, ends in pairwise(_BEYOND)]
