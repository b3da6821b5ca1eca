"""Connected components: alerting services near each other in the graph and in time are one incident."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.quality.baselines.groups import Group, Grouper
from benchmarks.quality.baselines.linkage import chain
from benchmarks.quality.stream import Spell
from topology.graph import ServiceGraph


def connected(*, hops: int, seconds: float) -> Grouper:
    """Link two alerts whose services are at most `hops` undirected hops and that began at most `seconds` apart."""
    window = round(seconds * 1000)

    def group(spells: Sequence[Spell], graph: ServiceGraph) -> list[Group]:
        newest: dict[tuple[str, str], Spell] = {}
        near: dict[str, list[str]] = {}

        def links(spell: Spell) -> list[int]:
            scope, service = spell.alert.scope, spell.service
            around = near.setdefault(service, sorted(neighbourhood(graph, service, hops)))
            # The newest alert of a service stands for all: older ones within the window are linked to it already.
            seen = [other for name in around if (other := newest.get((scope, name))) is not None]
            newest[scope, service] = spell
            return [other.number for other in seen if spell.at - other.at <= window]

        return chain(spells, links)

    return group


def neighbourhood(graph: ServiceGraph, service: str, hops: int) -> set[str]:
    """Return the services within so many undirected hops, itself included."""
    seen = {service}
    ring = {service}
    for _ in range(hops):
        ring = {name for inner in ring for name in _adjacent(graph, inner)} - seen
        seen |= ring
    return seen


def _adjacent(graph: ServiceGraph, service: str) -> set[str]:
    return {to for to, _ in graph.dependencies(service)}.union(graph.dependents(service))
