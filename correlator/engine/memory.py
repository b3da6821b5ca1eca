"""What one solving of a scope leaves for the next: the links of every node of which nothing changed.

Links do not depend on the time of solving, only on what `traits` says of the two nodes and on who else is live nearby.
So in a storm, where each second a few of hundreds of nodes change, most of the work is done already; and of the links
of a node near what changed, only those with what changed are judged anew. It is speed and nothing else: with a memory
or without one the links are the same, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

import msgspec

from correlator.engine.state import Node
from topology.graph import ServiceGraph

L = TypeVar("L")

#: What links depend on of one node; beside it, its service and id, which never change.
Traits = tuple[int, ...]

#: What was found, if anything, of each way from another node to one, and that node's traits then.
Judgements = dict[int, tuple[Traits | None, L | None]]
#: Of each sort one way at most leads from one service to another, so a way is known by its cause and its sort, as one
#: number: cause * SORTS_OF_WAYS + sort.
SORTS_OF_WAYS = 5


def traits(node: Node) -> Traits:
    """Return what `Explainer.by` and the ways to a node read of it; kinds, mentions and callers only ever grow."""
    ended_at = -1 if node.firing else node.ended_at
    return (node.onset_at, node.since, ended_at, len(node.kinds), len(node.mentions), len(node.callers))


class Judged(msgspec.Struct, Generic[L], frozen=True, gc=False):
    """What was found of the ways to one node that has not changed, and the traits of all nodes now.

    It holds where the traits of the other node are the same object.
    """

    before: Judgements[L] = {}
    now: Mapping[int, Traits] = {}


class LinkMemory(Generic[L]):
    """The links of the nodes of one scope, as they were when it was last solved, under one version of the graph.

    Args:
        nearby: the services over which trouble may reach a service, for each service.
    """

    def __init__(self, graph: ServiceGraph, nearby: Callable[[str], Iterable[str]]) -> None:
        self._graph = graph
        self._nearby = nearby
        self._watched: dict[str, frozenset[str]] = {}
        self._traits: dict[int, Traits] = {}
        self._nodes: dict[int, Node] = {}
        self._many: dict[int, bool] = {}
        self._links: dict[int, list[L]] = {}
        self._judged: dict[int, Judgements[L]] = {}

    def refresh(
        self,
        nodes: Mapping[int, Node],
        *,
        speaking: int,
        accused: Mapping[str, Iterable[str]],
        find: Callable[[Node, Judged[L]], tuple[list[L], Judgements[L]]],
    ) -> dict[int, list[L]]:
        """Return the links of all `nodes`, found anew only where something changed.

        Args:
            speaking: how many services have a live node: the order in which links are found depends on it.
            accused: for a service, those that its nodes may be linked with because an alert says so.
            find: finds the links of one node, with what it judged for that.
        """
        now = {key: self._traits_of(node) for key, node in nodes.items()}
        changed = self._changed_services(nodes, now)
        links: dict[int, list[L]] = {}
        many: dict[int, bool] = {}
        judged: dict[int, Judgements[L]] = {}
        for key, node in nodes.items():
            watched = self._watched.get(node.service) or self._watch(node.service)
            many[key] = len(self._graph.dependents(node.service)) > speaking
            known = self._links.get(key)
            if (
                known is None
                or many[key] is not self._many[key]
                or not changed.isdisjoint(watched)
                or not changed.isdisjoint(node.mentions)
                or not changed.isdisjoint(accused.get(node.service, ()))
            ):
                known, judged[key] = find(node, Judged(self._judged_of(key, now), now))
            else:
                judged[key] = self._judged[key]
            links[key] = known
        self._traits, self._nodes, self._many, self._links = now, dict(nodes), many, links
        self._judged = judged
        # What is found is added to later, by relapses and joins; what is remembered is not.
        return {key: list(found) for key, found in links.items()}

    def recall(self, nodes: Mapping[int, Node]) -> Mapping[int, Judged[L]]:
        """Return what was found of the ways to each of `nodes` when the scope was last solved and still holds."""
        now = {key: self._traits_of(node) for key, node in nodes.items()}
        return {key: Judged(self._judged_of(key, now), now) for key in nodes}

    def _judged_of(self, key: int, now: Mapping[int, Traits]) -> Judgements[L]:
        return self._judged[key] if key in self._judged and self._traits[key] is now[key] else {}

    def _traits_of(self, node: Node) -> Traits:
        """Return the traits of a node: the same object as before where they are the same."""
        before, now = self._traits.get(node.id), traits(node)
        return before if before == now else now

    def _changed_services(self, nodes: Mapping[int, Node], now: Mapping[int, Traits]) -> set[str]:
        """Return the services with a node that came, went or changed, and those that such a node complains about."""
        touched = [node for key, node in nodes.items() if self._traits.get(key) is not now[key]]
        touched += [node for key, node in self._nodes.items() if key not in now]
        changed = {node.service for node in touched}
        for node in touched:
            changed.update(node.callers)
        return changed

    def _watch(self, service: str) -> frozenset[str]:
        if len(self._watched) >= 50_000:
            self._watched.clear()
        watched = self._watched[service] = frozenset(
            (service, *self._nearby(service), *self._graph.dependents(service))
        )
        return watched
