"""What the engine promises its users, by the smallest examples: nothing unpaged, nothing left open, one id a life."""

from __future__ import annotations

import pytest

from correlator.config import EngineConfig
from correlator.domain import Action, IncidentEvent, Severity, Status, rfc3339
from correlator.engine.engine import Engine
from tests.engine.drive import START, Run, broken_laws, event, graph_of, resolved, run, to_the_end

GRAPH = graph_of({"web": ["api"], "api": ["db"]}, owners={"db": "data"})
ALWAYS = EngineConfig(page_probability=0, page_probability_critical=0)


def open_at(done: Run, second: float) -> list[IncidentEvent]:
    """Return the newest event of each incident that is open at `second`."""
    found = []
    for history in done.histories.values():
        before = [one for one in history if one.published_at <= _clock(second)]
        if before and before[-1].action not in (Action.RESOLVED, Action.MERGED):
            found.append(before[-1])
    return found


def _clock(second: float) -> str:
    return rfc3339(START + round(second * 1000))


# -- nothing unpaged -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("severity", [Severity.CRITICAL, Severity.ERROR, Severity.WARNING, Severity.UNKNOWN])
def test_a_rare_alert_that_stands_pages_whatever_its_severity_but_information(severity: Severity) -> None:
    done = run([event("db", "PostgresDown", minute * 60, started=0, severity=severity) for minute in range(90)], GRAPH)
    assert done.pages == 1 and done.published[0].root_cause.service == "db"


@pytest.mark.parametrize("blips", [1, 3, 20])
def test_a_critical_alert_that_stands_for_hours_pages_though_it_came_and_went_before(blips: int) -> None:
    events = []
    for number in range(blips):
        began = 900 * number
        events += [event("db", "PostgresDown", began), resolved("db", "PostgresDown", began + 300, started=began)]
    began = 900 * blips
    events += [event("db", "PostgresDown", began + 300 * turn, started=began) for turn in range(36)]
    done = run([*events, resolved("db", "PostgresDown", began + 36 * 300, started=began)], GRAPH)
    assert [one.root_cause.service for one in open_at(done, began + 35 * 300)] == ["db"]


def test_an_id_that_was_told_of_is_never_told_of_as_another_incident() -> None:
    """Who receives incidents drops what it has seen, so an id used twice would lose a page."""
    events = [event("db", "PostgresDown", 60 * turn, started=0) for turn in range(60)]
    told = run(events, GRAPH).published[0].incident_id
    engine = Engine(EngineConfig(), graph=GRAPH)
    engine.on_event(events[0], events[0].observed_at)
    engine.state.scopes["default"].ended[told] = START
    said = [output for one in events[1:] for output in engine.on_event(one, one.observed_at)]
    again = Run([*said, *to_the_end(engine)])
    assert again.pages == 1 and again.published[0].incident_id != told


def test_information_that_becomes_critical_pages() -> None:
    events = [
        event("db", "DiskFull", 0, severity=Severity.INFO),
        *(event("db", "DiskFull", 300 + 60 * turn, started=0, severity=Severity.CRITICAL) for turn in range(60)),
    ]
    done = run(events, GRAPH)
    assert done.pages == 1 and done.published[0].severity is Severity.CRITICAL


def test_what_everything_fires_at_once_is_told_with_every_service() -> None:
    done = run([event(name, "ServiceDown", 0) for name in ("web", "api", "db")], GRAPH)
    told = {service for history in done.histories.values() for service in history[-1].services}
    assert told == {"web", "api", "db"} and done.pages >= 1


# -- one id a life -------------------------------------------------------------------------------------------------


def test_an_alert_whose_lease_ran_out_comes_back_under_another_id() -> None:
    """A consumer drops pairs of id and revision it has seen: a second life under the first id would wake nobody."""
    first = event("db", "PostgresDown", 0, instance="a", ends=600)
    again = event("db", "PostgresDown", 6000, started=0, instance="b", ends=9000)
    done = run([first, again], GRAPH)
    assert done.pages == 2
    assert broken_laws(done) == []


def test_a_sender_that_repeats_every_four_hours_never_pages_under_a_used_id() -> None:
    done = run([event("db", "PostgresDown", 14_400 * turn, started=0) for turn in range(4)], GRAPH)
    assert done.pages >= 1
    assert broken_laws(done) == []


def test_the_id_does_not_depend_on_what_happens_in_other_scopes() -> None:
    alone = run([event("db", "PostgresDown", 10, scope="eu")], GRAPH)
    crowd = [event(f"s{number}", "ServiceDown", number / 10, scope="us") for number in range(50)]
    among = run([*crowd, event("db", "PostgresDown", 10, scope="eu")], GRAPH)
    assert [one for one in among.published if one.scope == "eu"] == alone.published != []


# -- nothing left open ---------------------------------------------------------------------------------------------


def test_an_engine_at_rest_remembers_no_alert_no_node_and_no_incident() -> None:
    engine = Engine(EngineConfig(), graph=GRAPH)
    for number in range(300):
        name = ("web", "api", "db")[number % 3]
        one = event(name, f"Alert{number % 40}", number, Status.RESOLVED if number % 7 == 0 else Status.FIRING)
        engine.on_event(one, one.observed_at)
    to_the_end(engine)
    scope = engine.state.scopes["default"]
    assert (scope.alerts, scope.nodes, scope.incidents, scope.current) == ({}, {}, {}, {})
    assert engine.next_due() is None


def test_a_resolve_is_told_only_when_the_last_member_is_over_and_stayed_so() -> None:
    events = [
        event("db", "PostgresDown", 0),
        event("api", "HighErrorRate", 5),
        resolved("db", "PostgresDown", 600, started=0),
        resolved("api", "HighErrorRate", 1200, started=5),
    ]
    done = run(events, GRAPH)
    (history,) = done.histories.values()
    assert _clock(1200 + 300) <= history[-1].published_at <= _clock(1200 + 302)


@pytest.mark.parametrize("late", [0, 600, 1200, 3600])
def test_a_resolve_is_told_however_late_the_news_of_the_end_comes(late: int) -> None:
    # A backlog: what was sent before the end arrives after it, and the news of the end last.
    began, ended = 0, 1000
    firing = [event("db", "PostgresDown", second, started=began) for second in range(began, ended + late, 100)]
    end = event("db", "PostgresDown", ended + late, Status.RESOLVED, started=began, ends=ended)
    done = run([*firing, end], GRAPH, ALWAYS)
    assert [one.action for one in done.published] == [Action.OPENED, Action.RESOLVED]
    assert done.published[-1].published_at <= _clock(ended + late + 302)


@pytest.mark.parametrize("before", [1.6, 1.1, 0.6, 0.4, 0.1, 0.0, -0.4, -1.4])
def test_a_resolve_is_told_when_the_news_of_an_end_long_ago_meets_the_node_keeping_its_place(before: float) -> None:
    # From then on the node keeps its place, and is too long over to be explained when the scope is solved next.
    keeps_its_place = ALWAYS.correlation_window_seconds + 61
    firing = event("db", "PostgresDown", 0.5, started=-6000)
    end = event("db", "PostgresDown", keeps_its_place - before, Status.RESOLVED, started=-6000, ends=-1000)
    done = run([firing, end], GRAPH, ALWAYS)
    assert [one.action for one in done.published] == [Action.OPENED, Action.RESOLVED]
    assert len(done.verdicts) == 1


@pytest.mark.parametrize("again", [200, 600])
def test_what_fires_again_before_the_resolve_stays_the_same_incident_without_a_page(again: int) -> None:
    events = [
        event("db", "PostgresDown", 0),
        event("api", "HighErrorRate", 5),
        resolved("db", "PostgresDown", 600, started=0),
        resolved("api", "HighErrorRate", 600, started=5),
        event("db", "PostgresDown", 700),
        resolved("db", "PostgresDown", 700 + again, started=700),
    ]
    done = run(events, GRAPH)
    assert len(done.histories) == 1 and done.pages == 1
    assert done.published[-1].published_at >= _clock(700 + again + 300)


# -- another graph -------------------------------------------------------------------------------------------------


def test_another_version_of_the_graph_neither_ends_nor_pages_what_is_open() -> None:
    engine = Engine(EngineConfig(), graph=GRAPH)
    said = []
    for one in (event("db", "PostgresDown", 0), event("api", "HighErrorRate", 5)):
        said += engine.on_event(one, one.observed_at)
    said += engine.tick(START + 200_000)
    other = graph_of({"web": ["api"], "api": ["db"], "batch": ["db"]})
    said += engine.use_topology(other, START + 200_000)
    done = Run([*said, *to_the_end(engine)])
    assert done.pages == 1 and broken_laws(done) == []
    assert {one.versions.topology for one in done.published} == {GRAPH.version, other.version}


def test_a_change_of_any_setting_changes_the_version_that_incidents_name() -> None:
    one = [event("db", "PostgresDown", 0)]
    versions = {run(one, GRAPH, config).published[0].versions.config for config in (EngineConfig(), ALWAYS)}
    assert len(versions) == 2
