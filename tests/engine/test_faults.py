"""Where faults were many of late, the next alert is likelier one; where there were none, as likely as anywhere."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.config import EngineConfig
from correlator.domain import IncidentEvent, Severity, Status
from correlator.engine.causes import FAULT_RATE
from correlator.engine.decisions import Output
from correlator.engine.engine import Engine
from correlator.engine.faults import MOST_TIMES, PER_PAGE, note, odds
from correlator.engine.state import Rate
from tests.engine.drive import START, event, graph_of

HOUR_MS = 3_600_000


def pages_every(seconds: float, hours: float) -> Rate:
    known = Rate(at=START)
    for number in range(int(3600 * hours / seconds)):
        note(known, 1.0, START + round(1000 * seconds * number))
    return known


def test_the_rate_of_late_is_that_of_the_pages_that_were_faults() -> None:
    now = START + 48 * HOUR_MS
    services = 400
    # Every page a fault, and five times as many as usual.
    known = pages_every(PER_PAGE / (5 * FAULT_RATE * services), 48)
    assert odds(known, START, services, now) == pytest.approx(math.log(5), abs=0.1)


def test_a_quiet_time_excuses_nothing() -> None:
    assert odds(Rate(at=START), START, 10_000, START + 1000 * HOUR_MS) == 0.0
    assert odds(Rate(at=0), 0, 0, 0) == 0.0


def test_it_is_forgotten_within_a_day_or_two() -> None:
    known = pages_every(600, 4)
    end = START + 4 * HOUR_MS
    found = [odds(known, START, 12, end + hours * HOUR_MS) for hours in (0, 12, 24, 48)]
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(math.log(MOST_TIMES))
    assert found[-1] < 0.1


@given(st.lists(st.tuples(st.integers(0, 40 * HOUR_MS), st.floats(0, 1)), max_size=60), st.integers(0, 20_000))
def test_it_is_bounded_whatever_comes(pages: list[tuple[int, float]], services: int) -> None:
    known, now = Rate(at=0), START
    for after, real in pages:
        now += after
        note(known, real, now)
        assert 0 <= odds(known, START, services, now) <= math.log(MOST_TIMES) + 1e-9


@pytest.mark.parametrize("faults", [0, 8])
def test_a_lasting_warning_pages_where_faults_are_many(faults: int) -> None:
    engine = Engine(EngineConfig(), graph=graph_of({"web": ["api"], "pay": ["db"]}))

    def pages_for(service: str, name: str, begin: float, end: float, severity: Severity) -> int:
        told: list[Output] = []
        for status, at in ((Status.FIRING, begin), (Status.RESOLVED, end)):
            one = event(service, name, at, status, started=begin, severity=severity)
            told += engine.on_event(one, one.observed_at)
        return sum(output.page for output in told if isinstance(output, IncidentEvent))

    for number in range(12):
        at = 1200.0 * number
        pages_for("pay", "Slow", at, at + 200, Severity.WARNING)  # everyday noise
        if number < faults:
            pages_for("api", f"Down{number}", at + 600, at + 1000, Severity.CRITICAL)
            pages_for("web", f"Errors{number}", at + 610, at + 1000, Severity.CRITICAL)
    assert pages_for("db", "Slow", 15_000, 17_400, Severity.WARNING) == (1 if faults else 0)
