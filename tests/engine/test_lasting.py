"""How long noise lasts is learned: what always takes ten minutes says nothing by taking five."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.config import EngineConfig
from correlator.domain import Severity, Status
from correlator.engine import background
from correlator.engine.engine import Engine
from correlator.engine.lasting import USUAL, density, lengths, note, survival
from correlator.engine.state import Background
from tests.engine.drive import START, event, graph_of

LENGTHS = st.lists(st.tuples(st.floats(0, 40), st.floats(0, 1)), max_size=40)


def learned(ends: list[tuple[float, float]], service: str = "api", name: str = "Slow") -> Background:
    known = Background(since=START)
    for number, (windows, weight) in enumerate(ends):
        background.count(known, service, name, weight, START + number, START + number)
        note(known, service, name, windows, weight, START + number)
    return known


def test_before_anything_is_known_most_noise_is_a_blip() -> None:
    shares = lengths(Background(), START)("api", "Slow")
    assert shares == USUAL
    assert sum(shares) == pytest.approx(1.0)
    assert survival(shares, 0.0) == pytest.approx(1.0)
    assert survival(shares, 1.0) == pytest.approx(0.85 * math.exp(-1 / 0.225) + 0.15 * math.exp(-1 / 1.5))


def test_a_rule_is_believed_first_then_its_name_then_noise_in_general() -> None:
    known = learned([(2.0, 1.0)] * 60)
    of = lengths(known, START + 60)
    own, of_name, general = of("api", "Slow"), of("web", "Slow"), of("web", "Errors")
    stays = [survival(shares, 1.0) for shares in (own, of_name, general, USUAL)]
    assert stays == sorted(stays, reverse=True)
    assert stays[0] > 0.9
    assert len(set(stays)) == 4


def test_what_is_not_known_to_fire_is_not_counted() -> None:
    known = Background(since=START)
    note(known, "api", "Slow", 2.0, 1.0, START)
    assert known.total.lasted == []


@given(LENGTHS)
def test_it_is_a_distribution_whatever_comes(ends: list[tuple[float, float]]) -> None:
    shares = lengths(learned(ends), START + len(ends))("api", "Slow")
    assert sum(shares) == pytest.approx(1.0)
    step = 0.002
    ages = [step * (number + 0.5) for number in range(4000)]
    stays = [survival(shares, age) for age in ages]
    assert all(0 < later <= earlier <= 1 for later, earlier in zip(stays[1:], stays, strict=False))
    ended = sum(density(shares, age) for age in ages) * step
    assert ended + survival(shares, 8.0) == pytest.approx(1.0, abs=0.01)


@given(LENGTHS.filter(bool), st.integers(0, 100 * 86_400_000))
def test_it_fades_with_the_rates(ends: list[tuple[float, float]], later: int) -> None:
    known = learned(ends)
    before = lengths(known, START + later + 100)("api", "Slow")
    background.count(known, "api", "Slow", 0.0, START + later + 100, START + later + 100)
    assert lengths(known, START + later + 100)("api", "Slow") == pytest.approx(before)


def test_what_always_stays_so_long_is_less_likely_a_fault() -> None:
    def real_after_ten_minutes(usual_seconds: float) -> float:
        engine = Engine(EngineConfig(), graph=graph_of({"web": ["api"]}))
        for number in range(60):
            begin = 7200.0 * number
            for status, at in ((Status.FIRING, begin), (Status.RESOLVED, begin + usual_seconds)):
                one = event("api", "Slow", at, status, started=begin, severity=Severity.WARNING)
                engine.on_event(one, one.observed_at)
        last = event("api", "Slow", 7200.0 * 60, severity=Severity.WARNING)
        engine.on_event(last, last.observed_at)
        engine.tick(last.observed_at + 600_000)
        incidents = engine.state.scopes["default"].incidents.values()
        return min(incident.real for incident in incidents if not incident.revision)

    assert real_after_ten_minutes(20) > 3 * real_after_ten_minutes(1100)
