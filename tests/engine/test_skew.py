"""A source whose clock is wrong: its alerts are put where they belong, and nobody else's are touched."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.config import EngineConfig
from correlator.domain import AlertEvent, IncidentEvent, Status
from correlator.engine import skew
from correlator.engine.engine import Engine
from correlator.engine.state import Scope
from tests.engine.drive import Run, event, graph_of, resolved, to_the_end

GRAPH = graph_of({"web": ["api"], "api": ["db"]})
HOUR = 3600


def _by(one: AlertEvent, source: str, ahead: int) -> AlertEvent:
    """Return an event as `source` sends it, whose clock is `ahead` seconds ahead."""
    ends_at = None if one.ends_at is None else one.ends_at + 1000 * ahead
    return msgspec.structs.replace(one, source=source, starts_at=one.starts_at + 1000 * ahead, ends_at=ends_at)


def _past(source: str, ahead: int, waits: int) -> Iterator[AlertEvent]:
    """Yield everyday noise of many services: rules wait up to `waits` seconds, ends are told within seconds."""
    for number in range(60):
        begins, wait = number * HOUR, number * 37 % (waits + 1)
        name = f"{source}-{number % 12}"
        yield _by(event(name, "HighLatency", begins + wait, started=begins), source, ahead)
        yield _by(resolved(name, "HighLatency", begins + 603, started=begins), source, ahead)


def _run(ahead: int, waits: int = 120) -> Run:
    """Let `infra` tell of a database whose victims `apps` tells of, after a past of both."""
    storm = 61 * HOUR
    events = [*_past("apps", 0, waits), *_past("infra", ahead, waits)]
    events.append(_by(event("db", "PostgresDown", storm + 10, started=storm), "infra", ahead))
    for place, name in enumerate(("api", "web"), start=1):
        began = storm + 20 * place
        events.append(_by(event(name, "HighErrorRate", began + 5, started=began), "apps", 0))
    engine = Engine(EngineConfig(), graph=GRAPH)
    said = [
        output
        for one in sorted(events, key=lambda one: one.observed_at)
        for output in engine.on_event(one, one.observed_at)
    ]
    return Run([*said, *to_the_end(engine)])


def _storm(run: Run) -> list[IncidentEvent]:
    return [history[-1] for history in run.histories.values() if "api" in history[-1].services]


@pytest.mark.parametrize("ahead", [-180, 180, 7200, -7200])
def test_with_a_wrong_clock_the_incident_is_the_same_and_says_so(ahead: int) -> None:
    (right,) = _storm(_run(0))
    (wrong,) = _storm(_run(ahead))
    assert right.root_cause.service == wrong.root_cause.service == "db"
    assert sorted(right.services) == sorted(wrong.services) == ["api", "db", "web"]
    which = "ahead" if ahead > 0 else "behind"
    assert f"The clock of infra is {abs(ahead) // 60} min {which}" in wrong.summary
    assert "clock" not in right.summary


@pytest.mark.parametrize("ahead", [0, 2, -2, 30, -30])
def test_what_clocks_and_waiting_rules_explain_changes_nothing(ahead: int) -> None:
    run = _run(ahead, waits=300)
    assert not any("clock" in one.summary for one in run.published)


@given(st.lists(st.integers(0, 3_600_000), max_size=300), st.integers(0, 59_000))
def test_a_source_of_whom_some_messages_are_quick_has_a_right_clock(delays: list[int], off: int) -> None:
    scope = Scope(name="default")
    for delay in delays:
        skew.note(scope, "infra", 0, delay)
        skew.note(scope, "infra", off, 0)
    assert all(clock.ahead_ms == 0 for clock in scope.clocks.values())
    assert all(len(clock.lags) <= 256 for clock in scope.clocks.values())


def test_a_scope_of_before_clocks_were_kept_is_read() -> None:
    engine = Engine(EngineConfig(), graph=GRAPH)
    for one in _past("infra", 180, 120):
        engine.on_event(one, one.observed_at)
    old = msgspec.to_builtins(engine.state.scopes["default"])
    assert old.pop("clocks")["infra"]["ahead_ms"] > 120_000
    for node in old["nodes"].values():
        del node["skewed_source"], node["told_in"], node["links"], node["team"]
    for incident in old["incidents"].values():
        del incident["split_from"], incident["split_at"]
    read = msgspec.convert(old, Scope, str_keys=True)
    assert read.clocks == {} and list(read.nodes) == list(engine.state.scopes["default"].nodes)


def test_of_many_sources_the_oldest_is_forgotten() -> None:
    scope = Scope(name="default")
    for number in range(1_001):
        skew.note(scope, str(number), 0, 0)
    assert len(scope.clocks) == 1_000 and "0" not in scope.clocks


def test_nothing_starts_after_it_arrived() -> None:
    scope = Scope(name="default")
    for _ in range(64):
        skew.note(scope, "infra", 0, 600_000)
    late = _by(event("db", "PostgresDown", 300, Status.FIRING, started=0), "infra", 0)
    assert skew.righted(scope, late).starts_at == late.observed_at
