"""Loads of those on call: shifts of twelve hours, days and weeks with too little rest, in their own time zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from correlator.domain import instant_of
from correlator.report.load import Load, load

BERLIN = ZoneInfo("Europe/Berlin")


def at(*local: str) -> list[int]:
    return [instant_of(datetime.fromisoformat(text).replace(tzinfo=BERLIN)) for text in local]


def loaded(*local: str) -> Load:
    return load(at(*local), BERLIN, lambda moment: "sleep")


def test_two_incidents_a_shift_are_bearable_and_a_third_is_not() -> None:
    assert loaded("2026-03-02T08:00", "2026-03-02T19:59").overloaded_shifts == []
    (shift,) = loaded("2026-03-02T08:00", "2026-03-02T12:00", "2026-03-02T19:59", "2026-03-02T20:00").overloaded_shifts
    assert (shift.begins, shift.interruptions) == ("2026-03-02T08:00:00+01:00", 3)


def test_a_night_shift_goes_on_past_midnight() -> None:
    (shift,) = loaded("2026-03-02T23:00", "2026-03-03T00:30", "2026-03-03T07:59").overloaded_shifts
    assert shift.begins == "2026-03-02T20:00:00+01:00"


@pytest.mark.parametrize(
    ("pages", "restless"),
    [
        (["2026-03-02T14:00"], []),
        (["2026-03-02T18:00", "2026-03-03T02:00"], ["2026-03-02"]),  # 10, 8 and 6 hours
        (["2026-03-02T19:00", "2026-03-03T02:00"], []),  # 11 hours before the first
    ],
)
def test_a_day_needs_eleven_hours_without_a_page(pages: list[str], restless: list[str]) -> None:
    assert loaded(*pages).days_without_rest == restless


def test_a_week_needs_a_day_without_a_page() -> None:
    days = [f"2026-03-{day:02}T{hour}:00" for day in range(2, 9) for hour in ("07", "20")] + ["2026-03-09T07:00"]
    assert loaded(*days).weeks_without_rest == ["2026-03-02"]
    assert loaded(*(text for text in days if "03-04" not in text)).weeks_without_rest == []


def test_the_night_in_which_clocks_change_is_as_long_as_it_is() -> None:
    # 8 pm to 8 am, when 2 am becomes 3 am: eleven hours, just enough.
    assert loaded("2026-03-28T09:00", "2026-03-28T14:00", "2026-03-28T21:00").days_without_rest == ["2026-03-28"]
    assert loaded("2026-03-28T09:00", "2026-03-28T14:00", "2026-03-28T20:00").days_without_rest == []
