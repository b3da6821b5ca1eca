"""Maintenance windows and silences on the graph: a window on X silences what X explains, nothing else.

The engine has explained every alert by a root cause; the window is held against that root, not against the alerts. So
the symptoms of X in its callers are silent with it, and an incident of another root is not, even where X takes part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from correlator.config_pager import WindowConfig
from correlator.domain import IncidentEvent

#: As many services as an incident event names at most; there may be more, so nothing is known of all.
SERVICES_NAMED = 500
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def silencing(windows: Iterable[WindowConfig], event: IncidentEvent, now: float) -> tuple[WindowConfig, float] | None:
    """Return the window that silences an incident, of several the one that lasts longest, and its end; else None."""
    found = [(window, end) for window in windows if (end := open_until(window, now)) is not None]
    matching = [(window, end) for window, end in found if covers(window, event)]
    return max(matching, key=lambda pair: (pair[1], pair[0].id), default=None)


def covers(window: WindowConfig, event: IncidentEvent) -> bool:
    """True if a window explains an incident: its root lies in the window, or every one of its alerts does.

    The root must be there more probably than elsewhere: where the engine wavers between a cause inside and one
    outside, the page goes out.
    """
    if not _says_so_of_the_incident(window, event):
        return False
    if not window.services:
        return True
    root = event.root_cause
    if _matches(window.services, root.service):
        rivals = sum(
            candidate.probability for candidate in root.candidates if not _matches(window.services, candidate.service)
        )
        inside = sum(
            candidate.probability for candidate in root.candidates if _matches(window.services, candidate.service)
        )
        return max(inside, root.confidence) >= rivals
    named = event.services
    # A root that is only inferred from alerts which are all expected.
    return root.silent and 0 < len(named) < SERVICES_NAMED and all(_matches(window.services, name) for name in named)


def open_until(window: WindowConfig, now: float) -> float | None:
    """Return when the window that is open at `now` closes (seconds since the epoch), None if it is closed."""
    starts = window.starts.timestamp() if window.starts else float("-inf")
    ends = window.ends.timestamp() if window.ends else float("inf")
    if not starts <= now < ends:
        return None
    if not window.weekdays:
        return ends
    end = _end_of_the_day(window, now)
    return None if end is None else min(end, ends)


def _end_of_the_day(window: WindowConfig, now: float) -> float | None:
    """Return the end of the weekly occurrence that is under way; one that passes midnight belongs to its first day."""
    assert window.daily_from is not None and window.daily_to is not None
    zone = ZoneInfo(window.time_zone)
    today = datetime.fromtimestamp(now, UTC).astimezone(zone).date()
    following = timedelta(days=1 if window.daily_to <= window.daily_from else 0)
    for day in (today - timedelta(days=1), today):
        begins = datetime.combine(day, window.daily_from, zone).timestamp()
        ends = datetime.combine(day + following, window.daily_to, zone).timestamp()
        if _on(window.weekdays, day) and begins <= now < ends:
            return ends
    return None


def _on(weekdays: Sequence[str], day: date) -> bool:
    return _WEEKDAYS[day.weekday()] in weekdays


def _says_so_of_the_incident(window: WindowConfig, event: IncidentEvent) -> bool:
    team = event.owner.team if event.owner else ""
    return (
        (not window.teams or _matches(window.teams, team))
        and (not window.scopes or _matches(window.scopes, event.scope))
        and (not window.severities or event.severity.value in window.severities)
        and (not window.alerts or _matches(window.alerts, event.root_cause.alert or ""))
    )


def _matches(patterns: Sequence[str], name: str) -> bool:
    return any(_compiled(pattern).fullmatch(name) for pattern in patterns)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    escaped = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, re.DOTALL)
