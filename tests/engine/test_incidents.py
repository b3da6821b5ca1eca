"""Which incident a tree of nodes is, told with forests made by hand: those that lead here are rare in any history."""

from __future__ import annotations

from collections.abc import Iterable

from correlator.config import EngineConfig
from correlator.domain import Action, IncidentEvent
from correlator.engine.decisions import Output
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


class Told:
    """One incident of four services that somebody was told of, whose tree is then divided by hand."""

    def __init__(self, *names: str) -> None:
        self.engine = Engine(QUICK, graph=graph_of({name: ["db"] for name in ("web", "api", "cart")}))
        self.second = 0
        for name in ("db", "web", "api", "cart"):
            self.engine.on_event(event(name, "ServiceDown", 0), START)
        self.published: list[IncidentEvent] = []
        self.scope = self.engine.state.scopes["default"]
        self.keys = {node.service: key for key, node in self.scope.nodes.items()}
        self.follow(names, at=1)
        (self.first,) = {one.incident_id for one in self.published}

    def follow(self, *trees: tuple[str, ...], at: int) -> None:
        """Let the incidents follow a forest of these trees, and time go on to `at`, in seconds."""
        keys = [tuple(self.keys[name] for name in tree) for tree in trees]
        forest = Forest(parents={}, covered={}, trees=[Tree(tree, 50.0 * len(tree)) for tree in keys])
        self._hear(self.engine._lifecycle(self.scope).follow(forest, self.scope.nodes))
        # What was solved by hand is not to be solved otherwise.
        self.scope.solve_due_at = 0
        self._hear(self.engine.tick(START + 1000 * at))

    def _hear(self, said: Iterable[Output]) -> None:
        self.published += [one for one in said if isinstance(one, IncidentEvent)]

    def actions(self) -> list[tuple[bool, Action, bool]]:
        """Return what was published since the opening: whether of the first incident, the action, whether it pages."""
        return [(one.incident_id == self.first, one.action, one.page) for one in self.published[1:]]


def test_a_part_that_stays_apart_is_an_incident_of_its_own_that_says_from_which() -> None:
    told = Told("db", "web", "api", "cart")
    told.follow(("db", "web", "api"), ("cart",), at=30)
    assert told.actions() == []
    told.follow(("db", "web", "api"), ("cart",), at=70)
    assert told.actions() == [(False, Action.OPENED, True), (True, Action.UPDATED, False)]
    apart, left = told.published[1:]
    assert (apart.split_from, apart.services) == (told.first, ["cart"])
    assert told.first in apart.summary
    assert left.split_from is None and set(left.services) == {"db", "web", "api"}


def test_of_a_part_that_comes_back_soon_nobody_hears() -> None:
    told = Told("db", "web", "api", "cart")
    told.follow(("db", "web", "api"), ("cart",), at=30)
    told.follow(("db", "web", "api", "cart"), at=31)
    told.follow(("db", "web", "api"), ("cart",), at=90)  # for 59 seconds: it begins anew
    assert told.actions() == []


def test_a_part_that_is_over_pages_nobody() -> None:
    told = Told("db", "web", "api", "cart")
    told.follow(("db", "web", "api"), ("cart",), at=30)
    told.engine.on_event(resolved("cart", "ServiceDown", 31, started=0), START + 31_000)
    told.follow(("db", "web", "api"), ("cart",), at=300)
    assert not any(page for _, _, page in told.actions())


def test_of_two_halves_the_one_with_the_root_keeps_the_id() -> None:
    told = Told("db", "web", "api", "cart")
    root = told.published[0].root_cause.service
    others = [name for name in told.keys if name != root]
    told.follow((others[0], others[1]), (others[2], root), at=70)
    apart = next(one for one in told.published if one.action is Action.OPENED and one.incident_id != told.first)
    assert set(apart.services) == {others[0], others[1]}


def test_what_outlasts_its_cause_is_not_taken_for_a_cause_itself() -> None:
    engine = Engine(EngineConfig(), graph=graph_of({"web": ["db"]}))
    late = [
        event("db", "PostgresDown", 0),
        event("web", "HighLatency", 10),
        resolved("db", "PostgresDown", 120, started=0),
        event("elsewhere", "HighLatency", 1800),  # by now nothing can be explained by the database any more
    ]
    for one in late:
        engine.on_event(one, one.observed_at)
        engine.tick(one.observed_at + 5000)
    nodes = engine.state.scopes["default"].nodes.values()
    (db,) = (node for node in nodes if node.service == "db")
    (web,) = (node for node in nodes if node.service == "web")
    assert web.frozen and web.firing and not db.firing
    assert web.parent == db.id
