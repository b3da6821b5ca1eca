"""What a service depends on within a few hops, as the ranker asks for it."""

from __future__ import annotations

from correlator.engine.causes import Paths
from tests.engine.drive import graph_of
from topology.graph import ServiceGraph


def _within(paths: Paths, service: str) -> list[set[str]]:
    (found,) = paths.within([service])
    return [{name for name, place in paths.places.items() if bits >> place & 1} for bits in found]


def _walked(graph: ServiceGraph, service: str) -> list[set[str]]:
    """Walk the graph hop by hop."""
    known, found = {service}, []
    for _ in range(3):
        known = known | {name for inner in known for name in graph.callees(inner)}
        found.append(known - {service})
    return found


def test_what_is_within_three_hops_is_what_a_walk_finds_also_in_circles() -> None:
    graph = graph_of({f"s{n}": [f"s{(7 * n + 3) % 60}", f"s{(n * n + 11) % 60}"] for n in range(60)})
    paths = Paths(graph, 2)
    assert graph.cycles()
    for service in graph.names():
        assert _within(paths, service) == _walked(graph, service)


def test_of_too_many_the_nearest_count() -> None:
    near = [f"near-{number:04}" for number in range(600)]
    graph = graph_of({"gateway": near, **{name: [f"behind-{name}"] for name in near}})
    one, two, three = _within(Paths(graph, 2), "gateway")
    assert one == set(near)
    assert two == three == {*near, *(f"behind-{name}" for name in near[:400])}


def test_who_is_not_in_the_graph_depends_on_nothing() -> None:
    assert _within(Paths(graph_of({"a": ["b"]}), 2), "stranger") == [set(), set(), set()]
