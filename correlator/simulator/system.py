"""The true system: what depends on what, and how strongly. Nobody but the simulator and the truth file sees it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum

import msgspec


class VertexKind(StrEnum):
    SERVICE = "service"
    DATASTORE = "datastore"
    QUEUE = "queue"
    HOST = "host"
    EXTERNAL = "external"


class Bond(StrEnum):
    """The declared type of a dependency."""

    CALLS = "calls"
    RUNS_ON = "runs_on"
    CONSUMES = "consumes"
    DEPENDS_ON = "depends_on"


class Coupling(StrEnum):
    HARD = "hard"
    SOFT = "soft"
    ASYNC = "async"


class Load(StrEnum):
    """What a failing caller does to its callee: falls silent, or retries without end."""

    STARVES = "starves"
    STORMS = "storms"


class Vertex(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    kind: VertexKind = VertexKind.SERVICE
    owner: str | None = None
    tier: int | None = None


class Tie(msgspec.Struct, frozen=True, kw_only=True):
    """A dependency as a diagram shows it: `dependent` needs `dependency`."""

    dependent: str
    dependency: str
    bond: Bond = Bond.CALLS


class Blueprint(msgspec.Struct, frozen=True, kw_only=True):
    """A system as its architects would draw it, before anything is known of strengths."""

    vertices: tuple[Vertex, ...]
    ties: tuple[Tie, ...]


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A dependency with its hidden nature.

    `weight` is the share of the dependency's degradation that arrives at the dependent, after `delay_ms`. Where `load`
    is set, `load_weight` of the dependent's degradation also goes down to the dependency.
    """

    tie: Tie
    coupling: Coupling
    weight: float
    delay_ms: int
    load: Load | None = None
    load_weight: float = 0.0


class System:
    """Vertices and links, with the two look-ups that spreading needs; links keep their position as identity."""

    def __init__(self, vertices: Iterable[Vertex], links: Iterable[Link]) -> None:
        self.vertices = tuple(sorted(vertices, key=lambda vertex: vertex.name))
        self.links = tuple(sorted(links, key=lambda link: (link.tie.dependent, link.tie.dependency, link.tie.bond)))
        self.by_name = {vertex.name: vertex for vertex in self.vertices}
        self._upward: defaultdict[str, list[int]] = defaultdict(list)
        self._downward: defaultdict[str, list[int]] = defaultdict(list)
        for position, link in enumerate(self.links):
            self._upward[link.tie.dependency].append(position)
            self._downward[link.tie.dependent].append(position)

    def dependents(self, name: str) -> list[int]:
        """Return the positions of the links by which others depend on `name`."""
        return self._upward.get(name, [])

    def dependencies(self, name: str) -> list[int]:
        """Return the positions of the links by which `name` depends on others."""
        return self._downward.get(name, [])

    def callees(self, name: str) -> list[str]:
        """Return what `name` calls, by name."""
        ties = [self.links[position].tie for position in self.dependencies(name)]
        return sorted({tie.dependency for tie in ties if tie.bond is not Bond.RUNS_ON})

    def within(self, name: str, hops: int) -> list[str]:
        """Return the vertices at most so many links away, in whatever direction, without `name` itself."""
        seen = {name}
        rim = [name]
        for _ in range(hops):
            ends: set[str] = set()
            for vertex in rim:
                ends.update(self.links[position].tie.dependent for position in self.dependents(vertex))
                ends.update(self.links[position].tie.dependency for position in self.dependencies(vertex))
            rim = sorted(ends - seen)
            seen.update(rim)
        return sorted(seen - {name})
