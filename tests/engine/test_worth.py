"""A group has to be surer than one alert where much noise is about, and only there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.config import EngineConfig
from correlator.domain import AlertEvent, IncidentEvent, Severity, Status
from correlator.engine import background
from correlator.engine.causes import FAULT_RATE, Explainer, Paths
from correlator.engine.engine import Engine
from correlator.engine.kinds import Kind
from correlator.engine.state import Background, Node
from correlator.engine.worth import needed
from tests.engine.drive import DAY, START, event, graph_of
from topology.graph import ServiceGraph

CONFIG = EngineConfig()
WEAK, RARE = FAULT_RATE * 10, FAULT_RATE / 1000  # expected firings a second


def explainer(rate: float) -> Explainer:
    return Explainer(CONFIG, Paths(ServiceGraph.empty(), 2), lambda *_: rate, lambda _: 0, START)


def node(key: int, service: str, severity: Severity = Severity.CRITICAL) -> Node:
    return Node(
        id=key,
        service=service,
        onset_at=START,
        arrived_at=START,
        last_new_at=START,
        names={"Trouble": 1},
        kinds={Kind.ERRORS: 1},
        members={},
        facets=[],
        severity=severity,
        firing=1,
        steady=1,
    )


PAIR = [node(1, "a"), node(2, "b")]
WARNINGS = [node(1, "a", Severity.WARNING), node(2, "b", Severity.WARNING)]


@given(st.floats(0, 1e6))
def test_one_service_is_asked_for_what_the_configuration_says(expected: float) -> None:
    assert needed([node(1, "a")], explainer(WEAK), CONFIG, expected) == CONFIG.page_probability_critical
    assert needed([node(1, "a"), node(2, "a")], explainer(WEAK), CONFIG, expected) == CONFIG.page_probability_critical
    assert needed(WARNINGS[:1], explainer(WEAK), CONFIG, expected) == CONFIG.page_probability


def test_a_group_needs_odds_beyond_the_noise_about() -> None:
    for members, alone in ((PAIR, CONFIG.page_probability_critical), (WARNINGS, CONFIG.page_probability)):
        assert needed(members, explainer(WEAK), CONFIG, 0.0) == alone
        assert needed(members, explainer(WEAK), CONFIG, 1.5) == alone
        assert needed(members, explainer(WEAK), CONFIG, 9.0) == pytest.approx(0.9)


def test_a_group_of_which_one_pages_alone_needs_no_more_than_that_one() -> None:
    assert needed(PAIR, explainer(RARE), CONFIG, 9.0) == CONFIG.page_probability_critical


def test_the_noise_about_is_learned_and_a_start_is_not_taken_for_much() -> None:
    engine = Engine(CONFIG, graph=graph_of({"web": ["api"]}))
    for number in range(2 * DAY // 100):  # four within a correlation window
        at = 100.0 * number
        for status, second in ((Status.FIRING, at), (Status.RESOLVED, at + 30)):
            one = event(f"s{number % 50}", "Noisy", second, status, started=at, severity=Severity.WARNING)
            engine.on_event(one, one.observed_at)
    known = engine.state.scopes["default"].background
    assert background.expected(known, 400, engine.now) == pytest.approx(4.0, rel=0.1)
    begun = Background(since=START)
    background.count(begun, "api", "Noisy", 1.0, START, START + 1000)
    assert background.expected(begun, 400, START + 1000) < 0.2


@pytest.mark.parametrize("blip", [False, True])
def test_what_pages_alone_pages_though_it_follows_noise_on_what_it_depends_on(blip: bool) -> None:
    def of_half_a_minute(begin: float) -> list[AlertEvent]:
        end = event("db", "Slow", begin + 30, Status.RESOLVED, started=begin, ends=begin + 30)
        return [event("db", "Slow", begin), end]

    engine = Engine(CONFIG, graph=graph_of({"web": ["db"]}))
    events = [one for number in range(20) for one in of_half_a_minute(17_000 * number)]
    events += of_half_a_minute(4 * DAY) if blip else []
    events.append(event("web", "HighErrorRate", 4 * DAY + 200))
    for one in events:
        engine.on_event(one, one.observed_at)
    said = engine.tick(START + 1000 * (4 * DAY + 500))
    pages = [told for told in said if isinstance(told, IncidentEvent) and told.page]
    assert [("web" in told.services, len(told.services)) for told in pages] == [(True, 1 + blip)]
