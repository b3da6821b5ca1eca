"""Which incident a tree of nodes is, told with forests made by hand: those that lead here are rare in any history."""

from __future__ import annotations

from correlator.config import EngineConfig
from correlator.domain import Action, IncidentEvent
from correlator.engine.engine import Engine
from correlator.engine.forest import Forest, Tree
from tests.engine.drive import START, event, graph_of, resolved

#: Everything is told at once, and over a second after its end, long before its nodes keep their places.
QUICK = EngineConfig(
    hold_min_seconds=0,
    hold_quiet_seconds=0,
    page_probability=0,
    page_probability_critical=0,
    resolve_after_seconds=1,
)


def test_an_id_is_used_up_also_where_its_incident_was_over_when_its_nodes_went_into_another() -> None:
    """A consumer drops pairs of id and revision it has seen: a second life under the first id would wake nobody."""
    engine = Engine(QUICK, graph=graph_of({"web": [], "api": [], "db": []}))
    said = engine.on_event(event("db", "PostgresDown", 0), START)
    said += engine.on_event(resolved("db", "PostgresDown", 20, started=0), START + 20_000)
    said += engine.on_event(event("web", "ServiceDown", 60), START + 60_000)
    said += engine.on_event(event("api", "ServiceDown", 60), START + 60_000)
    said += engine.tick(START + 70_000)
    scope = engine.state.scopes["default"]
    db, web, api = (
        next(key for key, node in scope.nodes.items() if node.service == name) for name in ("db", "web", "api")
    )
    first = scope.nodes[db].incident
    weights = dict.fromkeys((db, web, api), 50.0)

    def follow(*trees: tuple[int, ...]) -> None:
        forest = Forest(parents={}, covered={}, trees=[Tree(tree, sum(weights[key] for key in tree)) for tree in trees])
        said.extend(engine._lifecycle(scope).follow(forest, scope.nodes))

    follow((web, api), (db,))
    follow((web, api, db))
    assert scope.nodes[db].incident != first
    follow((web, api), (db,))
    said += engine.tick(START + 80_000)
    published = [one for one in said if isinstance(one, IncidentEvent)]
    pairs = [(one.incident_id, one.revision) for one in published]
    assert len(set(pairs)) == len(pairs)
    assert [one.action for one in published if one.incident_id == first] == [Action.OPENED, Action.RESOLVED]
