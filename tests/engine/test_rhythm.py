"""Noise goes with the hours of the week, once there is more than a week of it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.config import EngineConfig
from correlator.engine import background
from correlator.engine.engine import Engine
from correlator.engine.rhythm import PRIOR_COUNT, factor, note, put_off
from correlator.engine.state import Background, Rhythm, ScopeWarmth, WarmStart
from tests.engine.drive import START, event, graph_of

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
#: The hours of the week begin where the epoch did, on a Thursday: its Mondays are others.
BEGIN = 2811 * WEEK_MS


def is_office_hour(at: int) -> bool:
    return at // DAY_MS % 7 < 5 and 9 <= at // HOUR_MS % 24 < 17


def of_weeks(weeks: int, *, busy: int = 12, quiet: int = 1) -> Background:
    """Return what is known after so many weeks of noise that goes with office hours."""
    known = Background()
    background.start(known, BEGIN)
    for at in range(BEGIN, BEGIN + weeks * WEEK_MS, HOUR_MS):
        for number in range(busy if is_office_hour(at) else quiet):
            moment = at + number * 240_000
            background.count(known, f"s{number}", "High", 1.0, moment, moment)
    return known


@pytest.fixture(scope="module")
def three_weeks() -> Background:
    return of_weeks(3)


def test_the_busy_hours_of_a_week_have_a_higher_rate_and_the_quiet_ones_a_lower(three_weeks: Background) -> None:
    end = BEGIN + 3 * WEEK_MS
    busy, quiet = end + 10 * HOUR_MS, end + 3 * HOUR_MS
    assert is_office_hour(busy)
    assert not is_office_hour(quiet)
    # 40 hours of 12 and 128 of 1 are 3.6 an hour; three such hours in each bin, decayed.
    seen = sum(2 ** (-week / 2) for week in (1, 2, 3))
    usual = (40 * 12 + 128) / 168
    for at, brought in ((busy, 12), (quiet, 1)):
        asked = (brought * seen + PRIOR_COUNT) / (usual * seen + PRIOR_COUNT)
        assert factor(three_weeks.rhythm, at) == pytest.approx(asked, rel=0.05)
    rate = {at: background.rates(three_weeks, 12, at)("s0", "High") for at in (busy, quiet)}
    assert rate[busy] > 1.5 * rate[quiet]
    several = {at: background.expected(three_weeks, 300, at) for at in (busy, quiet)}
    assert several[busy] > 1.5 * several[quiet]


def test_nothing_is_claimed_of_hours_that_were_never_seen() -> None:
    known = of_weeks(1)
    last_hour = BEGIN + WEEK_MS - HOUR_MS
    assert all(factor(known.rhythm, last_hour + hour * HOUR_MS) == 1.0 for hour in (0, 1, 2))


def test_a_burst_does_not_excuse_itself() -> None:
    known = of_weeks(3)
    now = BEGIN + 3 * WEEK_MS
    seen = set()
    for _ in range(500):
        background.count(known, "s0", "High", 1.0, now, now)
        seen.add(factor(known.rhythm, now))
    assert len(seen) == 1


def test_where_little_noise_is_about_nothing_is_kept() -> None:
    assert not of_weeks(1, busy=0, quiet=0).rhythm.of_week
    known = Background()
    background.start(known, BEGIN)
    for day in range(14):
        background.count(known, "s", "High", 1.0, BEGIN + day * DAY_MS, BEGIN + day * DAY_MS)
    assert not known.rhythm.of_week


def test_after_a_long_silence_it_begins_anew() -> None:
    known = of_weeks(2).rhythm
    note(known, 1.0, BEGIN + 100 * WEEK_MS)
    assert not known.of_week
    assert known.whole.hours == 0


def test_a_fault_at_night_is_surer_than_the_same_in_office_hours(three_weeks: Background) -> None:
    end = BEGIN + 3 * WEEK_MS
    learned = ScopeWarmth(until=end, background=three_weeks, habits={})
    start = WarmStart(scope="default", version="three-weeks", learned=learned)
    real = {}
    for hour in (3, 10):
        at = (end + hour * HOUR_MS - START) / 1000
        engine = Engine(EngineConfig(), graph=graph_of({"s1": ["s0"]}))
        engine.use_warm_start(start, 0)
        for one in (event("s0", "High", at), event("s1", "High", at + 20)):
            list(engine.on_event(one, one.observed_at))
        list(engine.tick(START + round(1000 * at) + 60_000))
        (incident,) = engine.state.scopes["default"].incidents.values()
        real[hour] = incident.real
    assert real[3] > real[10]


def test_a_warm_start_keeps_the_rhythm_and_leaves_out_the_time_between(three_weeks: Background) -> None:
    end = BEGIN + 3 * WEEK_MS
    known = msgspec.convert(msgspec.to_builtins(three_weeks.rhythm), Rhythm)
    put_off(known, WEEK_MS)
    for hour in range(168):
        at = end + hour * HOUR_MS
        assert factor(known, at + WEEK_MS) == pytest.approx(factor(three_weeks.rhythm, at))
    note(known, 1.0, end + WEEK_MS)
    assert known.whole.hours == three_weeks.rhythm.whole.hours


@given(st.lists(st.tuples(st.integers(0, 40 * WEEK_MS), st.floats(0, 1)), max_size=60))
def test_it_is_bounded_whatever_comes(firings: list[tuple[int, float]]) -> None:
    known = Rhythm()
    for after, weight in firings:
        note(known, weight, BEGIN + after)
        assert len(known.of_week) <= 168
        value = factor(known, BEGIN + after)
        assert 0 < value <= 1 + len(firings) / PRIOR_COUNT
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(known), type=Rhythm) == known
    assert msgspec.json.decode(msgspec.json.encode(known), type=Rhythm) == known
