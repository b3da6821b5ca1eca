"""ServiceGraph: who depends on whom, as one immutable version.

The graph is kept in networkx, edges from the dependent to what it depends on. The engine never walks it: it asks for
the few relations below, which are dictionary look-ups.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec
import networkx as nx


class ServiceKind(StrEnum):
    SERVICE = "service"
    DATASTORE = "datastore"
    QUEUE = "queue"
    HOST = "host"
    EXTERNAL = "external"


class DependencyType(StrEnum):
    CALLS = "calls"
    RUNS_ON = "runs_on"
    CONSUMES = "consumes"
    DEPENDS_ON = "depends_on"

    __hash__ = str.__hash__  # an enumeration's own is slow, and the engine asks it of every edge


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A vertex: a service, datastore, queue, host or external system."""

    name: str
    kind: ServiceKind = ServiceKind.SERVICE
    owner: str | None = None
    tier: int | None = None
    aliases: tuple[str, ...] = ()
    system: str | None = None


class Dependency(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename={"source": "from"},
    gc=False,
):
    """An edge: `source` (written `from` on the wire) depends on `to`.

    `strength` is the probability that a fault of `to` shows at `source`; None where nobody said.
    """

    source: str
    to: str
    type: DependencyType = DependencyType.CALLS
    strength: float | None = None


class TopologyDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A topology as it is written in a file or announced to the workers."""

    services: tuple[Service, ...]
    dependencies: tuple[Dependency, ...]
    instances: dict[str, str] = {}


class ServiceGraph:
    """One immutable version of the dependency graph.

    Two documents with the same content, in whatever order, have the same `version`.
    """

    def __init__(self, document: TopologyDocument) -> None:
        self._document = document
        self._graph: nx.DiGraph[str] = nx.DiGraph()
        services = sorted(document.services, key=lambda service: service.name)
        for service in services:
            self._graph.add_node(service.name)
        for edge in sorted(document.dependencies, key=lambda edge: (edge.source, edge.to, edge.type)):
            self._add(edge)
        self._services: Mapping[str, Service] = {service.name: service for service in services}
        self._names = _names(services, document.instances)
        self._dependencies = {
            name: tuple(sorted(((to, data["edge"]) for to, data in self._graph.adj[name].items()), key=_first))
            for name in self._graph
        }
        self._callees = {name: tuple(to for to, _ in found) for name, found in self._dependencies.items()}
        self._dependents = {name: tuple(sorted(self._graph.pred[name])) for name in self._graph}
        self._edges = dict(self._graph.adjacency())
        self.version = _version(document)

    def _add(self, edge: Dependency) -> None:
        if edge.source == edge.to:
            return  # that a service depends on itself tells nothing about causes
        # Two declarations of one dependency are one edge: the stronger statement stands.
        known = self._graph.get_edge_data(edge.source, edge.to)
        if known is None or (known["edge"].strength or 0) < (edge.strength or 0):
            self._graph.add_edge(edge.source, edge.to, edge=edge)

    @classmethod
    def empty(cls) -> ServiceGraph:
        """Return the graph that knows nothing: correlation then goes by service, label, text and time."""
        return cls(TopologyDocument(services=(), dependencies=()))

    @property
    def document(self) -> TopologyDocument:
        return self._document

    @property
    def networkx(self) -> nx.DiGraph[str]:
        """The graph itself, for drawing and analysis; a copy, since a version never changes."""
        return self._graph.copy()

    def __len__(self) -> int:
        return len(self._services)

    def __contains__(self, name: str) -> bool:
        return name in self._services

    @property
    def edge_count(self) -> int:
        return int(self._graph.number_of_edges())

    def services(self) -> Iterable[Service]:
        """Yield the vertices by name."""
        return self._services.values()

    def names(self) -> Iterable[str]:
        """Yield the names of the vertices in order."""
        return self._services.keys()

    def service(self, name: str) -> Service | None:
        return self._services.get(name)

    def resolve(self, name: str) -> str | None:
        """Return the service that `name` stands for: itself, an alias or an instance; None if unknown."""
        return name if name in self._services else self._names.get(name)

    def dependencies(self, name: str) -> tuple[tuple[str, Dependency], ...]:
        """Return what `name` depends on directly, with the edges, by name."""
        return self._dependencies.get(name, ())

    def callees(self, name: str) -> tuple[str, ...]:
        """Return what `name` depends on directly, by name."""
        return self._callees.get(name, ())

    def dependents(self, name: str) -> tuple[str, ...]:
        """Return who depends on `name` directly, by name."""
        return self._dependents.get(name, ())

    def depends(self, name: str, on: str) -> bool:
        """Tell whether `name` depends on `on` directly."""
        return bool(self._graph.has_edge(name, on))

    def dependency(self, name: str, on: str) -> Dependency:
        """Return the edge from `name` to `on`, on which it depends directly."""
        edge: Dependency = self._edges[name][on]["edge"]
        return edge

    def blast_radius(self, name: str, *, limit: int) -> list[str]:
        """Return up to `limit` services that depend on `name`, directly or not, nearest first."""
        seen = {name}
        found: list[str] = []
        ring = [name]
        while ring and len(found) < limit:
            ring = sorted({dependent for inner in ring for dependent in self.dependents(inner)} - seen)
            seen.update(ring)
            found.extend(ring)
        return found[:limit]

    def around(self, name: str, *, limit: int = 100) -> ServiceGraph:
        """Return the part of the graph that a failure of `name` may concern: up to `limit` services each way."""
        below = nx.single_source_shortest_path_length(self._graph, name)
        nearest = sorted(below, key=lambda other: (below[other], other))[: limit + 1]
        kept = {name, *nearest, *self.blast_radius(name, limit=limit)}
        return ServiceGraph(
            TopologyDocument(
                services=tuple(service for service in self._services.values() if service.name in kept),
                dependencies=tuple(
                    edge for edge in self._document.dependencies if edge.source in kept and edge.to in kept
                ),
            )
        )

    def cycles(self) -> list[list[str]]:
        """Return the sets of services that depend on each other in a circle, each sorted, largest first."""
        components = [sorted(part) for part in nx.strongly_connected_components(self._graph) if len(part) > 1]
        return sorted(components, key=lambda part: (-len(part), part))


def _first(pair: tuple[str, Dependency]) -> str:
    return pair[0]


def _names(services: Iterable[Service], instances: Mapping[str, str]) -> dict[str, str]:
    names = dict(instances)
    for service in services:
        names.update(dict.fromkeys(service.aliases, service.name))
    return names


def _version(document: TopologyDocument) -> str:
    canonical = TopologyDocument(
        services=tuple(sorted(document.services, key=lambda service: service.name)),
        dependencies=tuple(sorted(document.dependencies, key=lambda edge: (edge.source, edge.to, edge.type))),
        instances=dict(sorted(document.instances.items())),
    )
    return hashlib.blake2b(msgspec.json.encode(canonical), digest_size=6).hexdigest()
