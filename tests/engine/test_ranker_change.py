"""Another ranker takes over in the middle of an incident."""

from __future__ import annotations

from correlator.config import EngineConfig
from correlator.domain import Action, IncidentEvent
from correlator.engine.decisions import Output
from correlator.engine.engine import Engine
from correlator.engine.ranking import PosteriorRanker, Suspects
from tests.engine.drive import START, event, graph_of

GRAPH = graph_of({"web": ["api"], "api": ["db"]})


class Sure:
    """Is sure of one service, whatever is asked."""

    def __init__(self, service: str) -> None:
        self.version = f"sure-of-{service}"
        self._service = service

    def probabilities(self, suspects: Suspects) -> list[float]:
        return [0.9 if root.service == self._service else 0.05 for root in suspects.roots]


def opened() -> Engine:
    engine = Engine(EngineConfig(), graph=GRAPH, ranker=Sure("db"))
    for second, service in enumerate(["db", "api", "web"]):
        one = event(service, "Down", 5 * second)
        engine.on_event(one, one.observed_at)
    told = incidents(engine.tick(START + 120_000))
    assert [(one.root_cause.service, one.versions.model) for one in told] == [("db", "sure-of-db")]
    return engine


def incidents(outputs: list[Output]) -> list[IncidentEvent]:
    return [output for output in outputs if isinstance(output, IncidentEvent)]


def test_what_is_open_is_judged_by_the_ranker_that_takes_over() -> None:
    engine = opened()
    said = engine.use_ranker(Sure("api"), START + 200_000)
    (told,) = incidents(said + engine.tick(START + 260_000))
    assert (told.action, told.page) == (Action.UPDATED, False)
    assert (told.root_cause.service, told.versions.model) == ("api", "sure-of-api")


def test_a_ranker_that_sees_the_same_root_tells_nobody() -> None:
    engine = opened()
    said = engine.use_ranker(PosteriorRanker(), START + 200_000)
    assert not incidents(said + engine.tick(START + 260_000))
    assert engine.ranker.version == PosteriorRanker().version


def test_the_same_ranker_again_changes_nothing() -> None:
    engine, untouched = opened(), opened()
    engine.use_ranker(Sure("db"), START + 200_000)
    untouched.tick(START + 200_000)
    assert engine.state == untouched.state
    assert engine.next_due() == untouched.next_due()
