"""An alert whose sender knows that a parent is down is a consequence, whatever its name says; alone it still pages."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from correlator.config import EngineConfig
from correlator.domain import AlertEvent, Severity
from correlator.engine.engine import Engine
from correlator.engine.kinds import Kind
from tests.engine.drive import Run, event, graph_of, resolved, run


def down(host: str, second: float, *, unreachable: bool = False) -> AlertEvent:
    return msgspec.structs.replace(event(host, "host down", second), unreachable=unreachable)


def told(order: Sequence[str], unreachable: Sequence[str]) -> Run:
    """Return what is said of hosts that are down, twenty seconds after one another, with no way between them known."""
    events = [down(host, 20 * place, unreachable=host in unreachable) for place, host in enumerate(order)]
    return run(events, graph_of({host: [] for host in order}))


@pytest.mark.parametrize("order", [("web", "router"), ("router", "web"), ("web", "shop", "router")])
def test_who_is_not_reached_is_told_with_the_parent_that_is_down(order: Sequence[str]) -> None:
    victims = [host for host in order if host != "router"]
    assert told(order, []).pages == len(order)
    one = told(order, victims)
    assert one.pages == 1
    assert {said.root_cause.service for said in one.published} == {"router"}
    assert sorted(one.published[-1].services) == sorted(order)


def test_what_nothing_explains_pages_like_any_other() -> None:
    alone = told(["web"], ["web"])
    assert (alone.pages, alone.published[0].root_cause.service) == (1, "web")
    both = run([msgspec.structs.replace(down("web", 0, unreachable=True), severity=Severity.UNKNOWN)])
    assert both.pages == 1


def test_the_next_time_it_may_be_down_of_its_own_accord() -> None:
    engine = Engine(EngineConfig())
    kinds = []
    for second, unreachable in ((0, True), (600, False), (1200, True)):
        for one in (
            down("web", second, unreachable=unreachable),
            resolved("web", "host down", second + 60, started=second),
        ):
            engine.on_event(one, one.observed_at)
        scope = engine.state.scopes["default"]
        kinds.append((scope.alerts["web/host down"].kind, list(scope.nodes[scope.alerts["web/host down"].node].kinds)))
    dependency, own = (Kind.DEPENDENCY, [Kind.DEPENDENCY]), (Kind.DOWN, [Kind.DOWN])
    assert kinds == [dependency, own, dependency]
