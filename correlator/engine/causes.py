"""How likely one node of trouble is the cause of another, as a density per second.

Every node competes for its explanation: a fault of its own, background noise, or one other node. The three are
comparable because all are densities: expected events per second at that service and time.

    own fault   phi       = FAULT_RATE x (change nearby)
    noise       lambda    = background rate of its rarest alert x facets x persistence / severity
    cause j     w(j, i)   = p(path) x f(t_i - t_j) x travel(kind of i, direction) x text x ends

The form and its first constants come from throw-away prototypes; what was tuned since, on which data and with which
gain, stands in docs/quality.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import msgspec

from correlator.config import EngineConfig
from correlator.domain import Severity
from correlator.engine import lasting
from correlator.engine.background import BY_THE_CLOCK
from correlator.engine.kinds import Kind
from correlator.engine.state import Node
from topology.graph import Dependency, DependencyType, ServiceGraph

#: Faults per second and service: one in eleven days.
FAULT_RATE = 1e-6
#: A second kind of alert on the same service within one episode makes noise this much less likely.
FACET_FACTOR = 0.3
_MAX_FACETS = 4
_FACETS_FACTOR = [FACET_FACTOR ** (facets - 1) for facets in range(_MAX_FACETS + 1)]
#: Probability that a fault of a dependency shows at its dependent, where the graph does not say.
DEFAULT_STRENGTH = {
    DependencyType.CALLS: 0.4,
    DependencyType.DEPENDS_ON: 0.4,
    DependencyType.CONSUMES: 0.25,
    DependencyType.RUNS_ON: 0.5,
}
#: A call that is in an alert, whether the graph knows it or not.
CALL_STRENGTH = 0.4
#: A fault shows within so many windows after its first alert.
SPAN = 2.25
#: A published explanation gives way only to a clearly better one, in nats.
STICKINESS = 7.0
#: Probability that a failing caller shows at what it calls, by starving or flooding it; over its callers, or a hub's
#: twenty victims would explain the hub.
DOWNWARD = 0.3
#: Probability that a service in trouble has an alert at all.
COVERAGE = 0.6
#: On how many services beyond those that the graph leads to a fault shows, on average: no graph is whole. A fault that
#: the graph leads from to more shows on as many beyond. All services share it, so the more there are, the less one that
#: is in trouble at the same time says.
BEYOND_THE_GRAPH = 12.0
#: In a small system it is this probable at most.
MOST_BEYOND = 0.5
#: What is down of its own accord hardly ever is so by another's fault that the graph knows no way for.
DOWN_BEYOND = 0.001
#: A path known from a text only.
MENTION_STRENGTH = 0.3
#: The same service, an episode earlier.
RELAPSE_STRENGTH = 0.3

#: P(kind at the victim | its dependency is in trouble) relative to P(kind | own fault).
_CLIMBS = {
    Kind.DOWN: 0.1,
    Kind.SATURATION: 0.1,
    Kind.ERRORS: 1.0,
    Kind.LATENCY: 1.0,
    Kind.DEPENDENCY: 2.0,
    Kind.TRAFFIC: 0.5,
    Kind.SURGE: 0.1,
    Kind.CHANGE: 0.02,
    Kind.OTHER: 0.5,
}
#: The same for trouble that descends from a caller to what it calls.
_DESCENDS = {
    Kind.DOWN: 0.001,
    Kind.SATURATION: 0.05,
    Kind.ERRORS: 0.01,
    Kind.LATENCY: 0.02,
    Kind.DEPENDENCY: 0.01,
    Kind.TRAFFIC: 1.0,
    Kind.SURGE: 1.0,
    Kind.CHANGE: 0.001,
    Kind.OTHER: 0.02,
}
#: P(kind | own fault) relative to 1: what tells of others' trouble, or of mere load, seldom tells of an own fault.
_SHOWS_FAULT = {Kind.DEPENDENCY: 0.3, Kind.TRAFFIC: 0.3, Kind.SURGE: 0.2, Kind.CHANGE: 0.05}
#: P(kind | root) relative to P(kind | victim); what is not here tells of others' trouble.
_LOOKS_LIKE_ROOT = {Kind.DOWN: 8.0, Kind.SATURATION: 6.0, Kind.ERRORS: 3.0, Kind.LATENCY: 1.0, Kind.OTHER: 1.0}
_SEVERITY_FACTOR = {
    Severity.CRITICAL: 2.0,
    Severity.ERROR: 1.5,
    Severity.WARNING: 1.0,
    Severity.UNKNOWN: 1.0,
    Severity.INFO: 0.5,
}


#: How long faults last, in correlation windows: longer than most noise.
FAULT_LASTS = 6.0
#: Beyond so many windows, age says no more.
LONGEST = 9.0
#: How far a ranker looks for what a service depends on, and at how many services at most.
_NEAR_HOPS = 3
_MAX_NEAR = 1000
#: What is remembered of that, 32 MB for each number of hops.
_MOST_BITS = 1 << 28


class Path(msgspec.Struct, frozen=True, gc=False):
    """A way for trouble to reach a service: from `cause`, over at most one silent service `via`."""

    cause: str
    strength: float
    hops: int
    via: str = ""
    downward: bool = False
    unknown: bool = False  # the graph does not lead there


class Paths:
    """The ways trouble can reach a service in one version of the graph, found on demand and remembered."""

    _PER_SERVICE = 64  # the strongest paths are kept: a gateway may depend on hundreds of services

    def __init__(self, graph: ServiceGraph, max_hops: int) -> None:
        self.graph = graph
        self._max_hops = max_hops
        self._upward: dict[str, tuple[Path, ...]] = {}
        self._downward: dict[str, dict[str, Path]] = {}
        self._voices: dict[tuple[str, float], tuple[float, dict[str, float]]] = {}
        #: The place of a service in the bits of `within`; who has none is not depended upon by who was asked for.
        self.places: dict[str, int] = {}
        self._reach: tuple[dict[str, int], ...] = tuple({} for _ in range(_NEAR_HOPS))

    def from_dependencies(self, service: str) -> tuple[Path, ...]:
        """Return the paths from what `service` depends on, one or two hops away, by strength and name."""
        known = self._upward.get(service)
        if known is None:
            if len(self._upward) >= 50_000:
                self._upward.clear()
            known = self._upward[service] = self._find(service)
        return known

    def from_dependents(self, service: str) -> dict[str, Path]:
        """Return the path from each direct dependent of `service`."""
        known = self._downward.get(service)
        if known is None:
            if len(self._downward) >= 50_000:
                self._downward.clear()
            dependents = self.graph.dependents(service)
            strength = DOWNWARD / max(len(dependents), 1)
            known = {name: Path(name, strength, 1, downward=True) for name in dependents}
            self._downward[service] = known
        return known

    def nearby(self, service: str) -> Iterator[str]:
        """Yield the services that the paths from what `service` depends on go over; some of them twice."""
        for path in self.from_dependencies(service):
            yield path.cause
            if path.via:
                yield path.via

    def expected_voices(self, service: str, alpha: float) -> tuple[float, dict[str, float]]:
        """Return what the silence of each direct dependent costs, in nats, and of all together.

        `alpha` is how much of the service is in trouble.
        """
        known = self._voices.get((service, alpha))
        if known is None:
            if len(self._voices) >= 50_000:
                self._voices.clear()
            each, costs = {}, dict[float, float]()  # most edges are as strong as others
            for dependent in self.graph.dependents(service):
                strength = strength_of(self.graph.dependency(dependent, service))
                cost = costs.get(strength)
                if cost is None:
                    cost = costs[strength] = -math.log(1 - min(0.95, alpha * strength * COVERAGE))
                each[dependent] = cost
            known = self._voices[service, alpha] = (sum(each.values()), each)
        return known

    def within(self, services: Iterable[str]) -> list[tuple[int, ...]]:
        """Return what each service depends on within one, two and three hops, as bits at `places`.

        Bits, since a ranker asks for every service in trouble at once: what is within three hops of one is what it
        depends on directly and what is within two of those. They hold until this is asked again.
        """
        if len(self._reach[-1]) * len(self.places) >= _MOST_BITS:
            for known in (self.places, *self._reach):
                known.clear()
        return [self._near(service) for service in services]

    def _near(self, service: str) -> tuple[int, ...]:
        found = [self._within(service, level) for level in range(_NEAR_HOPS)]
        if found[-1].bit_count() > _MAX_NEAR:
            found = self._nearest(service)
        own = 1 << self.places[service] if service in self.places else 0
        return tuple(bits & ~own for bits in found) if found[-1] & own else tuple(found)

    def _within(self, service: str, level: int) -> int:
        reach = self._reach[level]
        known = reach.get(service)
        if known is None:
            callees = self.graph.callees(service)
            if level:
                known, nearer = self._within(service, 0), self._reach[level - 1]
                for name in callees:
                    further = nearer.get(name)
                    known |= self._within(name, level - 1) if further is None else further
            else:
                known, places = 0, self.places
                for name in callees:
                    known |= 1 << places.setdefault(name, len(places))
            reach[service] = known
        return known

    def _nearest(self, service: str) -> list[int]:
        """Return the same where it is too much: of the nearest only."""
        known, ring, found = {service: 0}, [service], []
        for hops in range(1, _NEAR_HOPS + 1):
            ring = list(dict.fromkeys(name for inner in ring for name in self.graph.callees(inner)))
            ring = [name for name in ring if name not in known][: _MAX_NEAR + 1 - len(known)]
            known.update(dict.fromkeys(ring, hops))
            found.append(sum(1 << self.places[name] for name in known if name != service))
        return found

    def _find(self, service: str) -> tuple[Path, ...]:
        found = {name: Path(name, strength_of(edge), 1) for name, edge in self.graph.dependencies(service)}
        if self._max_hops > 1:
            for middle, near in list(found.items()):
                for name, edge in self.graph.dependencies(middle):
                    through = near.strength * strength_of(edge)
                    known = found.get(name)
                    if name != service and (known is None or (known.hops == 2 and known.strength < through)):
                        found[name] = Path(name, through, 2, via=middle)
        ordered = sorted(found.values(), key=lambda path: (path.hops, -path.strength, path.cause))
        return tuple(ordered[: self._PER_SERVICE])


def strength_of(edge: Dependency) -> float:
    """Return the declared strength of an edge, else the default of its type."""
    return DEFAULT_STRENGTH[edge.type] if edge.strength is None else edge.strength


class Explainer:
    """Densities for nodes at one moment of one scope; no alert may join or leave a node as long as it is asked."""

    def __init__(
        self,
        config: EngineConfig,
        paths: Paths,
        rate: Callable[[str, str], float],
        changed_at: Callable[[str], int],
        now: int,
        *,
        lengths: Callable[[str, str], lasting.Shares] = lambda *_: lasting.USUAL,
        fault_odds: float = 0.0,
    ) -> None:
        #: How much likelier a fault is here and now than anywhere, in nats; see `faults`. What begins at once is no
        #: likelier of several causes for that, so it counts where faults are told from noise, not from each other.
        self.fault_odds = fault_odds
        self._paths = paths
        self._window = config.correlation_window_seconds
        self.window_ms = round(1000 * self._window)
        self._span_ms = SPAN * 1000 * self._window
        #: By hops: how wide delays are spread after and before a cause, and how dense where there is none.
        self._widths = [(hops * self._window / 8, hops * self._window / 11) for hops in range(3)]
        self._peaks = [0.0, *(0.9 / (after + before) for after, before in self._widths[1:])]
        self._tail = 0.1 / (2 * self._window)
        self._rate = rate
        self._lengths = lengths
        self._changed_at = changed_at
        self._now = now
        self._travels: dict[tuple[int, bool], float] = {}  # of a victim's kinds, up and down
        self._rarities: dict[int, float] = {}
        self._noises: dict[int, float] = {}

    def fault(self, node: Node) -> float:
        """Return the density of a fault of the node's own."""
        rate = self.unchanged(node)
        changed = self._changed_at(node.service)
        if not changed or not 0 <= node.onset_at - changed <= 1_800_000:
            return rate
        return rate * (1 + 19 * math.exp(-(node.onset_at - changed) / 900_000))

    def unchanged(self, node: Node) -> float:
        """Return what the density of a fault would be if the service had not been changed of late."""
        return FAULT_RATE * max([_SHOWS_FAULT.get(kind, 1.0) for kind in node.kinds])

    def background(self, service: str, name: str) -> float:
        """Return the expected firings per second of `name` on `service` by noise alone."""
        return self._rate(service, name)

    def changed_at(self, service: str) -> int:
        """Return when the service was last changed, 0 if it was not of late."""
        return self._changed_at(service)

    def age_ms(self, node: Node) -> int:
        """Return how long the node has lasted, or did."""
        return max(0, (self._now if node.firing else node.ended_at) - node.onset_at)

    def noise(self, node: Node) -> float:
        """Return the density of the node being everyday noise that lasts as long as it does."""
        known = self._noises.get(node.id)
        if known is None:
            known = self._noises[node.id] = self.rarity(node) * self._persistence(node)
        return known

    def rarity(self, node: Node) -> float:
        """Return the density of the node's alerts as everyday noise, however long it lasts."""
        known = self._rarities.get(node.id)
        if known is None:
            rarest, _ = self._rarest(node)
            facets = _FACETS_FACTOR[min(len(node.names), _MAX_FACETS)]
            flapping = 1.0 if node.steady else 100.0
            known = self._rarities[node.id] = rarest * facets * flapping / _SEVERITY_FACTOR[node.severity]
        return known

    def _rarest(self, node: Node) -> tuple[float, str]:
        """Return the rate of that of the node's alerts which noise brings most seldom, and its name."""
        rate, service, clocked = self._rate, node.service, node.scheduled
        return min([(rate(service, name) * (BY_THE_CLOCK if name in clocked else 1.0), name) for name in node.names])

    def _persistence(self, node: Node) -> float:
        """Return P(lasts so long | noise) / P(lasts so long | fault): blips die young."""
        age = min(self.age_ms(node) / 1000 / self._window, LONGEST)
        shares = self._lengths(node.service, self._rarest(node)[1])
        fault = math.exp(-age / FAULT_LASTS)
        if node.firing:
            return lasting.survival(shares, age) / fault
        return min(8.0, lasting.density(shares, age) / (fault / FAULT_LASTS))

    def by(self, victim: Node, cause: Node, path: Path) -> float:
        """Return the density of `victim` being caused by `cause` along `path`."""
        if cause.since and victim.onset_at - cause.since > self._span_ms:
            return 0.0
        delay = self.delay(victim.onset_at - cause.onset_at, path.hops)
        if delay == 0.0:
            return 0.0
        kind = self._travels.get((victim.id, path.downward))
        if kind is None:
            kind = _weakest(victim, _DESCENDS if path.downward else _CLIMBS)
            self._travels[victim.id, path.downward] = kind
        strength = path.strength
        if path.unknown:
            strength *= DOWN_BEYOND if Kind.DOWN in victim.kinds else 1.0
        elif path.hops == 2:
            strength *= 1 - COVERAGE  # the service between ought to have spoken
        density = strength * delay * kind
        if victim.mentions:
            density *= 5.0 if cause.service in victim.mentions else 0.4
        return density if cause.firing and victim.firing else density * _ends(victim, cause)

    def delay(self, offset_ms: int, hops: int) -> float:
        """Return the density of a victim's onset `offset_ms` after its cause's.

        Two-sided and heavy-tailed: what is between two onsets is above all how long each rule waits before it fires.
        """
        offset = offset_ms / 1000
        if abs(offset) > self._window:
            return 0.0
        width = self._widths[hops][offset < 0]
        return self._peaks[hops] * math.exp(-abs(offset) / width) + self._tail


def strength_beyond(size: int, services: int) -> float:
    """Return the strength with which a fault reaches a service that the graph does not lead to.

    Args:
        size: how many nodes its tree has along known paths.
        services: how many the graph knows.
    """
    return min(MOST_BEYOND, max(BEYOND_THE_GRAPH, size) / max(services, 1))


def _weakest(victim: Node, travel: dict[Kind, float]) -> float:
    """Return the travel factor of the node: the kinds that travel least tell the most about where it came from."""
    return min([travel[kind] for kind in victim.kinds])


def _ends(victim: Node, cause: Node) -> float:
    if not cause.firing and cause.ended_at + 30_000 < victim.onset_at:
        return 0.1  # the cause was over before
    if not cause.firing and not victim.firing and abs(cause.ended_at - victim.ended_at) <= 90_000:
        return 1.5  # they ended together
    if cause.firing and not victim.firing and victim.ended_at + 150_000 < cause.onset_at:
        return 0.4
    return 1.0


def root_weight(node: Node) -> float:
    """Return how much the node's kinds look like a root rather than like a victim, relative to 1."""
    weight = max([_LOOKS_LIKE_ROOT.get(kind, 0.1) for kind in node.kinds])
    return 2.0 * weight if node.callers else weight
