"""Classes of hours, and until when a page that is not critical is held.

The classes are those of PagerDuty's analytics, so that figures compare: business is 8-18 from Monday to Friday, off is
18-22 on those days and 8-22 on all others, sleep is 22-8 every day; all in the team's own time zone. A holiday counts
as a day of a weekend.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from correlator.config_pager import HourClass, QuietHoursConfig
from correlator.domain import Severity

_BOUNDARIES = (time(8), time(18), time(22))
#: Quiet hours that go on for longer, a year of holidays, hold nothing: in doubt, page.
LONGEST_DAYS = 31


class TeamRules(msgspec.Struct, frozen=True, kw_only=True):
    """When pages of one team are held."""

    zone: ZoneInfo
    classes: frozenset[str]
    severities: frozenset[str]
    holidays: frozenset[date]


def rules_of(config: QuietHoursConfig, team: str | None) -> TeamRules:
    """Return the rules of a team: its own, where it has some, else everybody's."""
    own = config.teams.get(team) if team else None
    return TeamRules(
        zone=ZoneInfo((own and own.time_zone) or config.time_zone),
        classes=frozenset(config.classes if own is None or own.classes is None else own.classes),
        severities=frozenset(config.severities if own is None or own.severities is None else own.severities),
        holidays=frozenset(config.holidays if own is None or own.holidays is None else own.holidays),
    )


def hour_class(local: datetime, holidays: Collection[date]) -> HourClass:
    """Return the class of a local time."""
    if not time(8) <= local.time() < time(22):
        return "sleep"
    is_workday = local.weekday() < 5 and local.date() not in holidays
    return "business" if is_workday and local.time() < time(18) else "off"


def class_of(config: QuietHoursConfig, team: str | None, now: float) -> HourClass:
    """Return the class of an instant (seconds) for a team."""
    rules = rules_of(config, team)
    return hour_class(datetime.fromtimestamp(now, UTC).astimezone(rules.zone), rules.holidays)


def held_until(rules: TeamRules, severity: Severity, now: float) -> tuple[HourClass, float] | None:
    """Return the class of hours that holds a page of this severity, and the instant (seconds) at which they end.

    None if it goes out now.
    """
    if severity is Severity.CRITICAL or severity.value not in rules.severities or not rules.classes:
        return None
    local = datetime.fromtimestamp(now, UTC).astimezone(rules.zone)
    first = hour_class(local, rules.holidays)
    if first not in rules.classes:
        return None
    for days in range(LONGEST_DAYS + 1):
        day = local.date() + timedelta(days=days)
        for boundary in _BOUNDARIES:
            moment = datetime.combine(day, boundary, rules.zone)
            if moment > local and hour_class(moment, rules.holidays) not in rules.classes:
                return first, moment.timestamp()
    return None
