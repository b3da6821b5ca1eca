"""The load on those who are on call: interruptions by class of hour, shifts with too many, days and weeks without rest.

Who is on call is not known here: a team counts as one person who always is, so what is flagged is an upper bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec

from correlator.config_pager import HourClass

#: Google's Site Reliability Engineering, "Being On-Call": at most two incidents for a shift of twelve hours.
SHIFT_INCIDENTS = 2
#: Directive 2003/88/EC, articles 3 and 5: eleven hours of rest in a day, twenty-four in a week.
DAILY_REST = timedelta(hours=11)
WEEKLY_REST = timedelta(hours=24)
#: Shifts, days and weeks begin here, in the team's time zone; shifts end twelve hours later.
SHIFT_BEGINS = time(8)
SHIFT_ENDS = time(20)


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """A shift with more incidents than a human can deal with well."""

    begins: str
    interruptions: int


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Interruptions of one team; by class they sum up to all."""

    interruptions: int
    business: int
    off: int
    sleep: int
    time_zone: str
    shifts_with_any: int
    overloaded_shifts: Sequence[Shift]
    days_without_rest: Sequence[str]
    weeks_without_rest: Sequence[str]


def load(pages: Sequence[int], zone: ZoneInfo, hour_class: Callable[[int], HourClass]) -> Load:
    """Return the load that pages (milliseconds) are; `hour_class` is that of an instant for this team."""
    moments = sorted(datetime.fromtimestamp(at / 1000, UTC) for at in pages)
    classes = Counter(map(hour_class, pages))
    shifts = Counter(_shift(moment.astimezone(zone)) for moment in moments)
    return Load(
        interruptions=len(pages),
        business=classes["business"],
        off=classes["off"],
        sleep=classes["sleep"],
        time_zone=zone.key,
        shifts_with_any=len(shifts),
        overloaded_shifts=[
            Shift(begins=begin.isoformat(), interruptions=count)
            for begin, count in sorted(shifts.items())
            if count > SHIFT_INCIDENTS
        ],
        days_without_rest=_restless(moments, zone, days=1, rest=DAILY_REST),
        weeks_without_rest=_restless(moments, zone, days=7, rest=WEEKLY_REST),
    )


def _shift(local: datetime) -> datetime:
    """Return when the shift began that a local time falls into."""
    day = local.date() if local.time() >= SHIFT_BEGINS else local.date() - timedelta(days=1)
    at_night = local.time() < SHIFT_BEGINS or local.time() >= SHIFT_ENDS
    return datetime.combine(day, SHIFT_ENDS if at_night else SHIFT_BEGINS, local.tzinfo)


def _restless(moments: Sequence[datetime], zone: ZoneInfo, *, days: int, rest: timedelta) -> list[str]:
    """Return the first dates of the days, or weeks, in which no stretch without a page was as long as the rest."""
    spans: dict[date, list[datetime]] = {}
    for moment in moments:
        day = (moment.astimezone(zone) - timedelta(hours=SHIFT_BEGINS.hour)).date()
        spans.setdefault(day - timedelta(days=day.weekday() if days == 7 else 0), []).append(moment)
    found = []
    for first, inside in sorted(spans.items()):
        begin = datetime.combine(first, SHIFT_BEGINS, zone).astimezone(UTC)
        end = datetime.combine(first + timedelta(days=days), SHIFT_BEGINS, zone).astimezone(UTC)
        edges = [begin, *inside, end]
        if max(later - earlier for earlier, later in pairwise(edges)) < rest:
            found.append(first.isoformat())
    return found
