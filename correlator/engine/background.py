"""Background rates: how often an alert fires on a service when nothing is wrong.

Counts decay with a half-life; the rate of a rule on a service is shrunk towards that of the rule elsewhere, that one
towards the rate of rules in general (empirical Bayes, gamma-Poisson). An alert that fires all day says little; a rare
one says much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from correlator.engine import rhythm
from correlator.engine.decay import fade, left, watched
from correlator.engine.state import Background, Rate

#: Before anything is known: one firing of a rule on a service in ten days.
PRIOR_PER_SECOND = 0.1 / 86_400
#: How many firings the prior of a rate is worth: little, since rates differ by orders of magnitude.
PRIOR_COUNT = 0.5
NAME_COUNT = 1.0
#: The same for the rate of rules in general, which many firings soon tell.
OVERALL_COUNT = 20.0
#: Nothing is surely a fault: what it counts at least.
LEAST_NOISE = 0.1
#: The same for what stood alone: nothing else confirmed it.
LONE = 1.0
#: In the first minutes a few alerts would make a high rate; so much is added to the time observed, in seconds.
_LEAST_EXPOSURE = 3600.0
#: A rule fires by a clock if it fired at the same minute, give or take some, on four of the last seven days or in four
#: of the last six hours. What fires so often that this share of the minutes is taken is there by chance.
_TIMES, _SLACK_MINUTES, _BY_CHANCE = 4, 2, 1 / 8
_CLOCKS = ((1440, 7), (60, 6))  # how long a period is, in minutes, and how many are looked at
_REMEMBERED_MINUTES = max(period * (of_last + 1) for period, of_last in _CLOCKS)
#: Then it is so many times as likely noise at that time: a rate knows no time of the day or the hour.
BY_THE_CLOCK = 30.0
#: What fires more often in a week has a rate that says enough.
_MOST_MINUTES = 24
_NOTHING = 0.01
_TIDY_EVERY = 10_000  # firings

#: What is learned of a rule: a rate, or how long it lasts.
Level = TypeVar("Level")


def start(background: Background, now: int) -> None:
    """Begin to observe."""
    if background.since == 0:
        background.since = now


def rule(name: str, service: str) -> str:
    """Return an alert's name without its service's: some teams write the one into the other."""
    return name.replace(service, "*") if service in name else name


def count(background: Background, service: str, name: str, weight: float, began_at: int, now: int) -> None:
    """Add `weight` (0 to 1: how surely it was noise) of a firing to the rates, and note its time of the day."""
    background.counted += 1
    if background.counted >= _TIDY_EVERY:
        background.counted = 0
        forget(background, now)
    key = rule(name, service)
    of_service = background.pairs.setdefault(service, {})
    of_name = background.names.setdefault(key, Rate(at=now))
    of_name.pairs += key not in of_service
    background.seen += key not in of_service
    for rate_ in (background.total, of_name, of_service.setdefault(key, Rate(at=now))):
        fade(rate_, now)
        rate_.count += weight
    # Where less noise is about than the prior is worth, the hours would say nothing.
    if background.rhythm.hour or background.total.count >= rhythm.PRIOR_COUNT:
        rhythm.note(background.rhythm, weight, min(began_at, now))
    minute = began_at // 60_000
    since = minute - _REMEMBERED_MINUTES
    own = of_service[key]
    own.minutes = [*(known for known in own.minutes if known > since), minute][-_MOST_MINUTES:]


def is_scheduled(background: Background, service: str, name: str, at: int) -> bool:
    """Tell whether a rule on a service fires by a clock, every day or every hour, and at this time."""
    known = background.pairs.get(service, {}).get(rule(name, service))
    if known is None or len(known.minutes) < _TIMES:
        return False
    return any(_fires_by(known.minutes, at // 60_000, period, of_last) for period, of_last in _CLOCKS)


def _fires_by(minutes: Iterable[int], now: int, period: int, of_last: int) -> bool:
    """Tell whether, of the last `of_last` periods of `period` minutes, enough had a firing at the minute of `now`."""
    ago = [now - minute + _SLACK_MINUTES for minute in minutes]
    ago = [far for far in ago if 1 <= far // period <= of_last]
    times = len({far // period for far in ago if far % period <= 2 * _SLACK_MINUTES})
    return times >= _TIMES and len(ago) * (2 * _SLACK_MINUTES + 1) <= _BY_CHANCE * period * of_last


def rates(background: Background, services: int, now: int) -> Callable[[str, str], float]:
    """Return a function that gives the expected firings per second of a rule on a service by noise alone.

    It holds for this moment, while nothing is counted. `services` is how many services there are. Three levels, each
    the prior of the next: a rule on a service in general, this rule on a service, this rule on this service. Each goes
    with the rhythm of the week.
    """
    times = rhythm.factor(background.rhythm, now)
    exposure = watched(background.since, now)
    # How many rules watch how many services is not told; what fired so far says how many watch one.
    watching = services * max(background.seen, 1) / max(len(background.pairs), 1)
    overall = (_value(background.total, now) + OVERALL_COUNT) / (exposure * watching + OVERALL_COUNT / PRIOR_PER_SECOND)

    def in_general(key: str) -> float:
        of_name = background.names.get(key)
        seen_on = 0 if of_name is None else of_name.pairs
        return (_value(of_name, now) + NAME_COUNT) / (exposure * seen_on + NAME_COUNT / overall)

    def on_service(known: Rate | None, general: float) -> float:
        return times * (_value(known, now) + PRIOR_COUNT) / (exposure + PRIOR_COUNT / general)

    return by_level(background, in_general, on_service)


def by_level(
    background: Background, in_general: Callable[[str], Level], on_service: Callable[[Rate | None, Level], Level]
) -> Callable[[str, str], Level]:
    """Return a function that gives what is known of a rule on a service, and works each level out once.

    `in_general` gives what is known of a rule wherever it fires, `on_service` what follows for one service.
    """
    generals: dict[str, Level] = {}
    known: dict[tuple[str, str], Level] = {}

    def of(service: str, name: str) -> Level:
        value = known.get((service, name))
        if value is None:
            key = rule(name, service)
            general = generals.get(key)
            if general is None:
                general = generals[key] = in_general(key)
            of_service = background.pairs.get(service)
            value = known[service, name] = on_service(None if of_service is None else of_service.get(key), general)
        return value

    return of


def expected(background: Background, seconds: float, now: int) -> float:
    """Return how many alerts noise brings within `seconds` at this time, whatever their rule and service."""
    usual = _value(background.total, now) / (watched(background.since, now) + _LEAST_EXPOSURE)
    return seconds * usual * rhythm.factor(background.rhythm, now)


def forget(background: Background, now: int) -> None:
    """Drop what has decayed to nothing, so that the table is bounded by what still fires."""
    for service, rates in list(background.pairs.items()):
        for key in [key for key, known in rates.items() if _value(known, now) < _NOTHING]:
            del rates[key]
            background.seen -= 1
            background.names[key].pairs -= 1
        if not rates:
            del background.pairs[service]
    for key in [key for key, known in background.names.items() if not known.pairs]:
        del background.names[key]


def _value(known: Rate | None, now: int) -> float:
    return 0.0 if known is None else known.count * left(known.at, now)
