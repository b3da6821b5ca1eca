"""What is remembered from one solving to the next changes no result."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from correlator.config import EngineConfig
from correlator.domain import Severity
from correlator.engine.causes import Explainer, Paths
from correlator.engine.forest import Link, candidates, plant
from correlator.engine.kinds import Kind
from correlator.engine.memory import Judged, Judgements, LinkMemory
from correlator.engine.state import Node
from topology.graph import Dependency, Service, ServiceGraph, TopologyDocument

_SERVICES = [f"s{number}" for number in range(8)]
_START = 1_700_000_000_000

services = st.sampled_from(_SERVICES)
edges = st.lists(st.tuples(services, services), max_size=16, unique=True)
#: What happens between two solvings: which of the live nodes, what, with which service.
steps = st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 7), services), max_size=4), max_size=8)


def graph_of(pairs: list[tuple[str, str]]) -> ServiceGraph:
    return ServiceGraph(
        TopologyDocument(
            services=tuple(Service(name=name) for name in _SERVICES),
            dependencies=tuple(Dependency(source=source, to=to) for source, to in pairs),
        )
    )


def node(key: int, service: str) -> Node:
    at = _START + 7000 * key
    return Node(
        id=key,
        service=service,
        onset_at=at,
        arrived_at=at,
        last_new_at=at,
        names={"Trouble": 1},
        kinds={Kind.ERRORS: 1},
        members={},
        facets=[],
        severity=Severity.ERROR,
        firing=1,
        steady=1,
        mentions=[],
        callers={},
    )


def happen(nodes: dict[int, Node], keys: Iterator[int], place: int, what: int, service: str) -> None:
    """Let one thing happen to the nodes, as events, leases and incidents let it."""
    if what == 0 or not nodes:
        key = next(keys)  # never one that was there before
        nodes[key] = node(key, service)
        return
    one = nodes[list(nodes)[place % len(nodes)]]
    if what == 1:
        del nodes[one.id]
    elif what == 2:
        one.firing, one.ended_at = 0, one.onset_at + 60_000
    elif what == 3:
        one.firing = 1
    elif what == 4:
        one.kinds[Kind.SATURATION] = 1
    elif what == 5 and service not in one.mentions:
        one.mentions.append(service)
    elif what == 6:
        one.callers[service] = one.callers.get(service, 0) + 1
    elif what == 7:
        one.since, one.onset_at = one.onset_at, one.onset_at - 1000


def solvings(
    pairs: list[tuple[str, str]], history: list[list[tuple[int, int, str]]]
) -> Iterator[tuple[object, object]]:
    """Yield what some nodes' candidates and then each solving are with what is remembered of before, and without."""
    graph = graph_of(pairs)
    paths = Paths(graph, 2)
    memory: LinkMemory[Link] = LinkMemory(graph, paths.nearby)
    nodes = {key: node(key, _SERVICES[key]) for key in (1, 2, 3)}
    keys = itertools.count(4)
    for number, happened in enumerate(history):
        for step in happened:
            happen(nodes, keys, *step)
        explainer = Explainer(EngineConfig(), paths, lambda *_: 1e-6, lambda _: 0, _START + 60_000 * number)
        few = {key: one for key, one in nodes.items() if key % 3}
        yield (
            candidates(few, paths, explainer, of=few, memory=memory),
            candidates(few, paths, explainer, of=few),
        )
        published = {key: key % 2 == 0 for key in nodes}
        yield plant(nodes, paths, explainer, published, memory), plant(nodes, paths, explainer, published)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edges, steps)
def test_forests_and_candidates_are_the_same_with_and_without_memory(
    pairs: list[tuple[str, str]], history: list[list[tuple[int, int, str]]]
) -> None:
    for remembered, anew in solvings(pairs, history):
        assert remembered == anew


def test_only_what_may_have_changed_is_found_anew() -> None:
    graph = graph_of([("s1", "s0"), ("s3", "s2")])
    memory: LinkMemory[Link] = LinkMemory(graph, Paths(graph, 2).nearby)
    nodes = {key: node(key, _SERVICES[key]) for key in range(4)}
    found: list[int] = []

    def find(one: Node, judged: Judged[Link]) -> tuple[list[Link], Judgements[Link]]:
        found.append(one.id)
        return [], {}

    memory.refresh(nodes, speaking=4, accused={}, find=find)
    assert found == [0, 1, 2, 3]
    found.clear()
    memory.refresh(nodes, speaking=4, accused={}, find=find)
    assert found == []
    nodes[0].kinds[Kind.DOWN] = 1
    memory.refresh(nodes, speaking=4, accused={}, find=find)
    assert found == [0, 1]


def test_only_what_changed_is_judged_anew() -> None:
    graph = graph_of([("s1", "s0"), ("s2", "s1")])
    memory: LinkMemory[str] = LinkMemory(graph, Paths(graph, 2).nearby)
    nodes = {key: node(key, _SERVICES[key]) for key in range(3)}
    held: dict[int, list[int]] = {}

    def find(one: Node, judged: Judged[str]) -> tuple[list[str], Judgements[str]]:
        held[one.id] = [cause for cause, (then, _) in judged.before.items() if judged.now[cause] is then]
        return [], {cause: (judged.now[cause], None) for cause in nodes if cause != one.id}

    memory.refresh(nodes, speaking=3, accused={}, find=find)
    assert held == {0: [], 1: [], 2: []}
    nodes[0].kinds[Kind.DOWN] = 1
    memory.refresh(nodes, speaking=3, accused={}, find=find)
    assert held == {0: [], 1: [2], 2: [1]}
