"""One immutable version of the dependency graph: same content, same version; every relation is bounded."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topology.graph import Dependency, DependencyType, Service, ServiceGraph, TopologyDocument


def graph(
    edges: list[tuple[str, str]], *, services: dict[str, tuple[str, ...]] | None = None, **instances: str
) -> ServiceGraph:
    names = dict.fromkeys([*(services or {}), *(name for edge in edges for name in edge)])
    return ServiceGraph(
        TopologyDocument(
            services=tuple(Service(name=name, aliases=(services or {}).get(name, ())) for name in names),
            dependencies=tuple(Dependency(source=source, to=to) for source, to in edges),
            instances=instances,
        )
    )


def test_names_aliases_and_instances_stand_for_their_service() -> None:
    known = graph([("web", "db")], services={"db": ("postgres", "pg")}, pod_1="db")
    assert [known.resolve(name) for name in ("db", "postgres", "pg", "pod_1", "web")] == ["db"] * 4 + ["web"]
    assert known.resolve("DB") is None and known.resolve("") is None
    assert "db" in known and "pg" not in known


def test_relations_go_both_ways() -> None:
    known = graph([("web", "api"), ("api", "db"), ("batch", "db")])
    assert [name for name, _ in known.dependencies("api")] == ["db"]
    assert known.dependents("db") == ("api", "batch")
    assert known.depends("web", "api") and not known.depends("api", "web")
    assert (known.dependencies("nobody"), known.dependents("nobody")) == ((), ())
    assert known.service("nobody") is None


def test_the_blast_radius_is_nearest_first_and_bounded() -> None:
    edges = [("zeta", "db"), ("alpha", "zeta"), ("beta", "zeta"), ("omega", "alpha"), ("db", "host")]
    known = graph(edges)
    assert known.blast_radius("db", limit=10) == ["zeta", "alpha", "beta", "omega"]
    assert known.blast_radius("db", limit=2) == ["zeta", "alpha"]
    assert known.blast_radius("omega", limit=10) == known.blast_radius("nobody", limit=10) == []
    wide = graph([(f"s{number:05}", "db") for number in range(5000)])
    assert len(wide.blast_radius("db", limit=50)) == 50


def test_a_cycle_is_normal_and_ends() -> None:
    known = graph([("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"), ("x", "y"), ("y", "x")])
    assert known.blast_radius("a", limit=10) == ["c", "d", "b"]
    assert known.cycles() == [["a", "b", "c"], ["x", "y"]]


def test_that_a_service_depends_on_itself_is_ignored() -> None:
    known = graph([("a", "a"), ("a", "b")])
    assert known.edge_count == 1 and known.cycles() == []
    assert known.blast_radius("a", limit=10) == []


def test_of_two_declarations_of_one_dependency_the_stronger_stands() -> None:
    said = {DependencyType.CALLS: 0.2, DependencyType.DEPENDS_ON: 0.9, DependencyType.RUNS_ON: 0.1}
    edges = tuple(Dependency(source="a", to="b", type=kind, strength=strength) for kind, strength in said.items())
    services = (Service(name="a"), Service(name="b"))
    for order in (edges, edges[::-1]):
        known = ServiceGraph(TopologyDocument(services=services, dependencies=order))
        assert known.edge_count == 1
        assert known.dependencies("a")[0][1].strength == 0.9


def test_the_empty_graph_knows_nothing() -> None:
    empty = ServiceGraph.empty()
    assert len(empty) == empty.edge_count == 0
    assert empty.resolve("a") is None and empty.blast_radius("a", limit=5) == [] and empty.cycles() == []
    assert empty.version == ServiceGraph.empty().version


def test_a_copy_of_the_graph_changes_nothing() -> None:
    known = graph([("a", "b")])
    known.networkx.add_edge("b", "c")
    assert known.edge_count == 1 and "c" not in known


_edges = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), max_size=12)


@given(_edges, st.randoms(use_true_random=False))
def test_the_version_does_not_depend_on_the_order_of_the_document(edges: list[tuple[str, str]], shuffle: Any) -> None:
    known = graph(edges, services=dict.fromkeys("abcdef", ()), i="a", j="b")
    services, dependencies = list(known.document.services), list(known.document.dependencies)
    shuffle.shuffle(services)
    shuffle.shuffle(dependencies)
    other = ServiceGraph(
        TopologyDocument(services=tuple(services), dependencies=tuple(dependencies), instances={"j": "b", "i": "a"})
    )
    assert other.version == known.version
    assert list(other.names()) == list(known.names())
    for name in "abcdef":
        assert other.dependencies(name) == known.dependencies(name)
        assert other.blast_radius(name, limit=6) == known.blast_radius(name, limit=6)


@pytest.mark.parametrize(
    "document",
    [
        TopologyDocument(services=(Service(name="a"), Service(name="b")), dependencies=()),
        TopologyDocument(services=(Service(name="a", owner="x"),), dependencies=()),
        TopologyDocument(services=(Service(name="a", aliases=("b",)),), dependencies=()),
        TopologyDocument(services=(Service(name="a"),), dependencies=(), instances={"i": "a"}),
        TopologyDocument(services=(Service(name="a"),), dependencies=(Dependency(source="a", to="a"),)),
    ],
)
def test_another_content_is_another_version(document: TopologyDocument) -> None:
    plain = ServiceGraph(TopologyDocument(services=(Service(name="a"),), dependencies=()))
    assert ServiceGraph(document).version != plain.version


@given(_edges)
def test_the_blast_radius_is_who_can_reach_the_service(edges: list[tuple[str, str]]) -> None:
    known = graph(edges, services=dict.fromkeys("abcdef", ()))
    reach = {name: {name} for name in "abcdef"}
    for _ in range(6):
        for source, to in edges:
            reach[source] |= reach[to]
    for name in "abcdef":
        found = known.blast_radius(name, limit=100)
        assert sorted(found) == sorted(other for other in "abcdef" if name in reach[other] and other != name)
