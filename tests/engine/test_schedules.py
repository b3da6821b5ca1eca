"""What fires every day or every hour at the same time is noise then, and only then."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.config import EngineConfig
from correlator.domain import AlertEvent, IncidentEvent, Status
from correlator.engine.background import BY_THE_CLOCK, count, is_scheduled
from correlator.engine.engine import Engine
from correlator.engine.nodes import divide
from correlator.engine.rhythm import factor
from correlator.engine.state import Background, Scope
from correlator.engine.warmth import Warmth, learned
from tests.engine.drive import DAY, START, event, graph_of

#: A chain, of which the job strikes services that are far apart.
SERVICES = [f"s{number:02}" for number in range(40)]
GRAPH = graph_of({caller: [callee] for caller, callee in itertools.pairwise(SERVICES)})
STRUCK = SERVICES[::5]
DAY_MS = 1000 * DAY


def job(days: range, hour: float) -> list[AlertEvent]:
    """Return what a nightly job sets off: all within a minute of `hour`, for six minutes."""
    found = []
    for number, service in ((number, service) for number in days for service in STRUCK):
        begin = number * DAY + 3600 * hour + 6 * STRUCK.index(service) + 7 * (number % 3)
        for status, second in ((Status.FIRING, begin), (Status.RESOLVED, begin + 360)):
            found.append(event(service, "CPUThrottling", second, status, started=begin))
    return sorted(found, key=lambda one: one.observed_at)


def run(engine: Engine, events: list[AlertEvent]) -> list[IncidentEvent]:
    said = [output for one in events for output in engine.on_event(one, one.observed_at)]
    while (due := engine.next_due()) is not None:
        said += engine.tick(due)
    return [output for output in said if isinstance(output, IncidentEvent)]


def started(warm: Warmth | None = None) -> Engine:
    engine = Engine(EngineConfig(), graph=GRAPH)
    for start in warm.starts() if warm is not None else ():
        engine.use_warm_start(start, 0)
    return engine


def of_two_weeks() -> Warmth:
    engine = started()
    run(engine, job(range(14), hour=3))
    return learned(engine.state)


def test_the_nightly_job_pages_nobody_and_at_noon_the_same_does() -> None:
    warm = of_two_weeks()
    assert not any(told.page for told in run(started(warm), job(range(14, 15), hour=3)))
    assert any(told.page for told in run(started(warm), job(range(14, 15), hour=12)))


def test_a_fault_at_the_time_of_the_job_is_not_linked_with_what_the_job_strikes() -> None:
    warm = of_two_weeks()
    assert services_with_the_crash(started(warm), hour=3) == ["s38"]
    assert len(services_with_the_crash(started(warm), hour=12)) > 1


def test_from_the_fifth_hour_on_the_same_holds_of_an_hourly_job() -> None:
    def of_five_hours() -> Engine:
        engine = started()
        run(engine, [one for hour in range(5) for one in job(range(1), hour)])
        return engine

    assert services_with_the_crash(of_five_hours(), hour=5, day=0) == ["s38"]
    assert len(services_with_the_crash(of_five_hours(), hour=5.5, day=0)) > 1


def services_with_the_crash(engine: Engine, hour: float, day: int = 14) -> list[str]:
    """Return what is in the incident of a service that crashes while a job runs that strikes others."""
    struck = [one for one in job(range(day, day + 1), hour) if one.status is Status.FIRING]
    crash = event("s38", "Crashed", day * DAY + 3600 * hour + 20)
    told = run(engine, sorted([*struck, crash], key=lambda one: one.observed_at))
    return next(one.services for one in told if "s38" in one.services)


@pytest.mark.parametrize("leaving", ["CPUThrottling", "Crashed"])
def test_of_a_node_that_is_divided_each_part_knows_what_of_its_own_fires_by_the_clock(leaving: str) -> None:
    engine = started(of_two_weeks())
    for name, second in (("CPUThrottling", 0), ("Crashed", 5)):
        one = event(STRUCK[0], name, 14 * DAY + 3600 * 3 + second)
        list(engine.on_event(one, one.observed_at))
    (scope,) = engine.state.scopes.values()
    (node,) = scope.nodes.values()
    part = divide(node, {key: alert for key, alert in scope.alerts.items() if alert.name == leaving}, 99, scope.alerts)
    assert {name for known in (node, part) for name in known.names} == {"CPUThrottling", "Crashed"}
    for known in (node, part):
        assert known.scheduled == [name for name in known.names if name == "CPUThrottling"]


def test_at_its_time_it_is_so_many_times_as_likely_noise() -> None:
    warm, rarities, rhythms = of_two_weeks(), [], []
    for hour in (3, 12):
        engine = started(warm)
        one = job(range(14, 15), hour)[0]
        engine.on_event(one, one.observed_at)
        node = next(iter(engine.state.scopes["default"].nodes.values()))
        rarities.append(engine.view("default").explainer.rarity(node))
        rhythms.append(factor(engine.state.scopes["default"].background.rhythm, one.observed_at))
    assert rarities[0] / rhythms[0] == pytest.approx(BY_THE_CLOCK * rarities[1] / rhythms[1], rel=0.05)


def fired(minutes: list[int]) -> Background:
    known = Background(since=START)
    for minute in minutes:
        count(known, "api", "Slow", 1.0, minute * 60_000, minute * 60_000)
    return known


minutes_of_day = st.integers(0, 1439)
jitters = st.lists(st.integers(-1, 1), min_size=13, max_size=13)


@given(minutes_of_day, st.lists(st.integers(1, 12), unique=True, max_size=12), jitters)
def test_four_of_the_last_seven_days_make_a_clock(minute: int, ago: list[int], off: list[int]) -> None:
    today = 20_000 * 1440 + minute
    known = fired(sorted(today - 1440 * days + off[days] for days in ago))
    assert is_scheduled(known, "api", "Slow", 60_000 * today) is (sum(days <= 7 for days in ago) >= 4)
    assert not is_scheduled(known, "api", "Slow", 60_000 * (today + 5))
    assert not is_scheduled(known, "db", "Slow", 60_000 * today)


@given(st.lists(st.integers(1, 10), unique=True, max_size=10), st.lists(st.integers(-1, 1), min_size=11, max_size=11))
def test_four_of_the_last_six_hours_make_a_clock(ago: list[int], off: list[int]) -> None:
    known = fired(sorted(28_800_000 - 60 * hours + off[hours] for hours in ago))
    assert is_scheduled(known, "api", "Slow", 60_000 * 28_800_000) is (sum(hours <= 6 for hours in ago) >= 4)
    assert not is_scheduled(known, "api", "Slow", 60_000 * 28_800_005)


@pytest.mark.parametrize(("every", "clocked"), [(60, True), (30, False), (20, False), (10, False)])
def test_what_fires_twice_an_hour_and_more_is_at_any_minute_by_chance(every: int, clocked: bool) -> None:
    known = fired(list(range(0, 1440, every)))
    assert is_scheduled(known, "api", "Slow", 60_000 * 1440) is clocked


@given(st.lists(st.integers(0, 20_000), max_size=200))
def test_the_memory_of_times_is_bounded(minutes: list[int]) -> None:
    known = fired(sorted(minutes))
    assert all(len(rate.minutes) <= 24 for rates in known.pairs.values() for rate in rates.values())


@pytest.mark.parametrize("gap_ms", [0, DAY_MS // 3, DAY_MS * 40 + DAY_MS // 3])
def test_a_warm_start_knows_the_times_of_the_day(gap_ms: int) -> None:
    engine = started(of_two_weeks())
    shifted = job(range(14 + gap_ms // DAY_MS, 15 + gap_ms // DAY_MS), hour=3)
    run(engine, shifted[:1])
    known = engine.state.scopes["default"].background
    assert is_scheduled(known, STRUCK[1], "CPUThrottling", shifted[1].starts_at)


def test_a_scope_of_before_times_were_kept_is_read() -> None:
    engine = started()
    run(engine, job(range(2), hour=3))
    old = msgspec.to_builtins(engine.state.scopes["default"])
    for rates in old["background"]["pairs"].values():
        for rate in rates.values():
            assert len(rate.pop("minutes")) == 2
    read = msgspec.convert(old, Scope).background
    assert read.total == engine.state.scopes["default"].background.total
    assert not is_scheduled(read, STRUCK[0], "CPUThrottling", engine.now)
