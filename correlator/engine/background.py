"""Background rates: how often an alert fires on a service when nothing is wrong.

Counts decay with a half-life; a (service, name) rate is shrunk towards the rate of the name over all services, that
one towards a prior (empirical Bayes, gamma-Poisson). An alert that fires all day says little; a rare one says much.
"""

from __future__ import annotations

from correlator.engine.state import Background, Rate

HALF_LIFE_MS = 14 * 86_400_000
#: Before anything is known: one firing of a rule on a service in ten days.
PRIOR_PER_SECOND = 0.1 / 86_400
#: How many firings the prior is worth.
PRIOR_COUNT = 0.5
#: Nothing is surely a fault: what it counts at least.
LEAST_NOISE = 0.1
#: The same for what stood alone: nothing else confirmed it.
LONE = 1.0
#: Services that a name's rate is spread over are not known one by one; this is the least.
_MIN_SERVICES = 10


def start(background: Background, now: int) -> None:
    """Begin to observe."""
    if background.since == 0:
        background.since = now


def count(background: Background, service: str, name: str, weight: float, now: int) -> None:
    """Add `weight` (0 to 1: how surely it was noise) of a firing to the rates."""
    if weight <= 0:
        return
    _add(background.names, name, weight, now)
    _add(background.pairs.setdefault(service, {}), name, weight, now)


def rate(background: Background, service: str, name: str, services: int, now: int) -> float:
    """Return the expected firings per second of `name` on `service` by noise alone.

    `services` is how many services could fire it.
    """
    exposure = _exposure(background, now)
    width = max(services, _MIN_SERVICES)
    total = _value(background.names.get(name), now)
    general = (total + PRIOR_COUNT) / (exposure * width + PRIOR_COUNT / PRIOR_PER_SECOND)
    own = _value(background.pairs.get(service, {}).get(name), now)
    return (own + PRIOR_COUNT) / (exposure + PRIOR_COUNT / general)


def forget(background: Background, now: int) -> None:
    """Drop what has decayed to nothing, so that the table is bounded by what still fires."""
    for name in [name for name, known in background.names.items() if _value(known, now) < 0.01]:
        del background.names[name]
    for service, rates in list(background.pairs.items()):
        for name in [name for name, known in rates.items() if _value(known, now) < 0.01]:
            del rates[name]
        if not rates:
            del background.pairs[service]


def _exposure(background: Background, now: int) -> float:
    """Return the observed time in seconds, decayed as the counts are."""
    elapsed = max(0, now - background.since)
    mean_life = HALF_LIFE_MS / 0.6931471805599453
    return float(mean_life * (1 - 2.0 ** (-elapsed / HALF_LIFE_MS)) / 1000)


def _add(rates: dict[str, Rate], key: str, weight: float, now: int) -> None:
    known = rates.get(key)
    if known is None:
        rates[key] = Rate(count=weight, at=now)
    else:
        known.count = _value(known, now) + weight
        known.at = max(now, known.at)


def _value(known: Rate | None, now: int) -> float:
    return 0.0 if known is None else known.count * float(2.0 ** (-max(0, now - known.at) / HALF_LIFE_MS))
