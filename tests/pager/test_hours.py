"""Classes of hours, and the end of quiet hours, in the team's own time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.config_pager import QuietHoursConfig
from correlator.domain import Severity
from correlator.pager.hours import held_until, hour_class, rules_of

PARIS = ZoneInfo("Europe/Paris")
#: A Tuesday.
DAY = date(2026, 11, 24)
SLEEP = QuietHoursConfig(classes=("sleep",), time_zone="Europe/Paris")
NIGHTS_AND_WEEKENDS = QuietHoursConfig(classes=("sleep", "off"), time_zone="Europe/Paris")


def at(text: str, zone: ZoneInfo = PARIS) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def end(
    config: QuietHoursConfig, text: str, severity: Severity = Severity.WARNING, team: str | None = None
) -> str | None:
    held = held_until(rules_of(config, team), severity, at(text))
    return None if held is None else f"{datetime.fromtimestamp(held[1], PARIS):%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24T07:59", "sleep"),
        ("2026-11-24T08:00", "business"),
        ("2026-11-24T17:59", "business"),
        ("2026-11-24T18:00", "off"),
        ("2026-11-24T21:59", "off"),
        ("2026-11-24T22:00", "sleep"),
        ("2026-11-28T08:00", "off"),
        ("2026-11-28T12:00", "off"),
        ("2026-11-29T23:00", "sleep"),
        ("2026-12-25T10:00", "off"),
        ("2026-12-25T03:00", "sleep"),
    ],
)
def test_the_classes_are_those_of_pagerdutys_analytics_and_a_holiday_is_no_workday(text: str, expected: str) -> None:
    assert hour_class(datetime.fromisoformat(text), {date(2026, 12, 25)}) == expected


@pytest.mark.parametrize(
    ("config", "text", "expected"),
    [
        (SLEEP, "2026-11-24T23:30", "2026-11-25T08:00"),
        (SLEEP, "2026-11-25T03:00", "2026-11-25T08:00"),
        (SLEEP, "2026-11-25T08:00", None),
        (SLEEP, "2026-11-24T19:00", None),
        (NIGHTS_AND_WEEKENDS, "2026-11-24T19:00", "2026-11-25T08:00"),
        # From Friday evening to Monday morning.
        (NIGHTS_AND_WEEKENDS, "2026-11-27T18:00", "2026-11-30T08:00"),
        (NIGHTS_AND_WEEKENDS, "2026-11-27T17:59", None),
        # The night in which summer time begins, and the one in which it ends.
        (SLEEP, "2026-03-29T01:30", "2026-03-29T08:00"),
        (SLEEP, "2026-10-25T02:30", "2026-10-25T08:00"),
        (QuietHoursConfig(), "2026-11-24T23:30", None),
    ],
)
def test_a_page_is_held_until_the_quiet_hours_end(config: QuietHoursConfig, text: str, expected: str | None) -> None:
    assert end(config, text) == expected


def test_a_holiday_prolongs_the_weekend() -> None:
    config = NIGHTS_AND_WEEKENDS.model_copy(update={"holidays": (date(2026, 11, 30),)})
    assert end(config, "2026-11-28T12:00") == "2026-12-01T08:00"


def test_a_team_has_hours_of_its_own_and_shares_what_it_leaves_out() -> None:
    config = QuietHoursConfig.model_validate(
        {
            "classes": ["sleep"],
            "time_zone": "Europe/Paris",
            "teams": {"pacific": {"time_zone": "America/Los_Angeles"}, "always": {"classes": []}},
        }
    )
    # 23:30 in Paris is 14:30 in Los Angeles; 12:00 is 3:00, until 17:00.
    assert end(config, "2026-11-24T23:30", team="pacific") is None
    assert end(config, "2026-11-24T12:00", team="pacific") == "2026-11-24T17:00"
    assert end(config, "2026-11-24T23:30", team="always") is None
    assert end(config, "2026-11-24T23:30", team="another") == "2026-11-25T08:00"


def test_what_is_not_listed_is_not_held() -> None:
    config = QuietHoursConfig(classes=("sleep",), severities=("info", "unknown"), time_zone="Europe/Paris")
    held = {severity for severity in Severity if end(config, "2026-11-24T23:30", severity)}
    assert held == {Severity.INFO, Severity.UNKNOWN}


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1)),
    st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"]),
)
def test_a_hold_ends_later_and_never_in_quiet_hours_and_a_critical_is_never_held(moment: datetime, zone: str) -> None:
    now = moment.replace(tzinfo=UTC).timestamp()
    config = QuietHoursConfig(classes=("sleep", "off"), time_zone=zone, holidays=(DAY,))
    rules = rules_of(config, None)
    assert held_until(rules, Severity.CRITICAL, now) is None
    held = held_until(rules, Severity.ERROR, now)
    local = datetime.fromtimestamp(now, ZoneInfo(zone))
    assert (held is None) == (hour_class(local, {DAY}) == "business")
    if held is not None:
        assert now < held[1] <= now + 5 * 86_400
        assert hour_class(datetime.fromtimestamp(held[1], ZoneInfo(zone)), {DAY}) == "business"
        assert held_until(rules, Severity.ERROR, held[1]) is None


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"severities": ["critical"]}, "critical"),
        ({"classes": ["sleep", "off", "business"]}, "never go out"),
        ({"teams": {"a": {"classes": ["business", "sleep", "off"]}}}, "never go out"),
        ({"time_zone": "Europe/Atlantis"}, "no time zone"),
        ({"time_zone": "../etc/passwd"}, "no time zone"),
        ({"teams": {"a": {"time_zone": ""}}}, "no time zone"),
        ({"holidays": ["2026-13-01"]}, "date"),
    ],
)
def test_hours_that_cannot_be_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=problem):
        QuietHoursConfig.model_validate(settings)
