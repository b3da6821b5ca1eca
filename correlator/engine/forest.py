"""The cause forest: every node takes its best explanation, cycles are broken, a tree is an incident.

A pure function of the live nodes: no history, no arrival order.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise

import msgspec

from correlator.engine.causes import (
    BEYOND_THE_GRAPH,
    CALL_STRENGTH,
    COVERAGE,
    DOWNWARD,
    FAULT_RATE,
    MENTION_STRENGTH,
    MOST_BEYOND,
    RELAPSE_STRENGTH,
    Explainer,
    Path,
    Paths,
)
from correlator.engine.kinds import CAUSE_LIKE
from correlator.engine.memory import LinkMemory
from correlator.engine.state import Node

#: A published explanation gives way only to a clearly better one, in nats.
STICKINESS = 7.0
#: A cause that shows trouble of its own, when it comes late, overturns what was told more easily.
OWN_TROUBLE = 3.0
#: Least gain, in nats, for which a silent service is named the common cause of several trees.
_MIN_COVER_GAIN = 1.5
#: Prior cost of a root that says nothing, in nats beside its missing coverage.
_SILENT_COST = math.log(3)
#: Quiet dependents count less than fully: their silences are correlated (a dead exporter, a rule nobody wrote).
_QUIET_TEMPER = 0.5
#: How much of a service a fault may take: all, half, an endpoint.
_ALPHAS = (1.0, 0.5, 0.2)


class Link(msgspec.Struct, frozen=True):
    """One way a node can be explained by another."""

    cause: int
    log_density: float
    path: Path
    own_trouble: bool = False  # the cause shows trouble of its own kind, not only symptoms


class Tree(msgspec.Struct, frozen=True):
    """Nodes with one cause, one of them or a silent service."""

    nodes: tuple[int, ...]
    weight: float  # log density of this explanation of all its nodes


class Forest(msgspec.Struct, frozen=True):
    parents: dict[int, int]
    covered: dict[int, str]  # roots of trees that a silent service explains
    trees: list[Tree]


def candidates(
    nodes: Mapping[int, Node], paths: Paths, explainer: Explainer, *, of: Iterable[int]
) -> dict[int, list[Link]]:
    """Return, for every node whose key is in `of`, the others among `nodes` that may have caused it."""
    live = _Live(nodes)
    return {key: _links(nodes[key], _ways_to(nodes[key], live, paths), live, explainer) for key in of}


class _Live:
    """The nodes by service, and who complains about calls to whom."""

    def __init__(self, nodes: Mapping[int, Node]) -> None:
        self.nodes: dict[str, list[Node]] = defaultdict(list)
        self.accused: dict[str, dict[str, None]] = {}  # caller -> services it complains about
        for node in nodes.values():
            self.nodes[node.service].append(node)
            for caller in node.callers:
                known = self.accused.get(caller)
                if known is None:
                    known = self.accused[caller] = {}
                known[node.service] = None


def _links(victim: Node, ways: Iterable[Path], live: _Live, explainer: Explainer) -> list[Link]:
    best: dict[int, Link] = {}
    for path in ways:
        if path.hops == 2 and path.via in live.nodes:
            continue  # the service between speaks for itself
        for cause in live.nodes[path.cause]:
            link = _link(victim, cause, path, explainer) if cause.id != victim.id else None
            if link is None:
                continue
            known = best.get(cause.id)
            if known is None or link.log_density > known.log_density:
                best[cause.id] = link
    return list(best.values())


def _link(victim: Node, cause: Node, path: Path, explainer: Explainer) -> Link | None:
    density = explainer.by(victim, cause, path)
    if density <= 0:
        return None
    return Link(cause.id, round(math.log(density), 9), path, not CAUSE_LIKE.isdisjoint(cause.kinds))


def _relapse(node: Node, nodes: Mapping[int, Node]) -> Link | None:
    """Return the link of an alert that fires again before its incident is over: the same trouble, nothing competes."""
    if node.relapse_of not in nodes:
        return None
    return Link(node.relapse_of, 2 * STICKINESS, Path(node.service, RELAPSE_STRENGTH, 1))


def _ways_to(victim: Node, live: _Live, paths: Paths) -> Iterable[Path]:
    service = victim.service
    graph = paths.graph
    for path in paths.from_dependencies(service):
        if path.cause in live.nodes:
            yield path
    dependents = graph.dependents(service)
    # Whichever is shorter: a hub has thousands of dependents, a storm thousands of services in trouble.
    if len(dependents) <= len(live.nodes):
        callers = [name for name in dependents if name in live.nodes]
    else:
        callers = [name for name in live.nodes if graph.depends(name, service)]
    for caller in callers:
        yield Path(caller, DOWNWARD / len(dependents), 1, downward=True)
    if len(live.nodes[service]) > 1:
        yield Path(service, RELAPSE_STRENGTH, 1)
    for name in victim.mentions:
        if name in live.nodes:
            yield Path(name, MENTION_STRENGTH, 1)
    for name in live.accused.get(service, ()):
        yield Path(name, CALL_STRENGTH, 1)


def plant(
    nodes: Mapping[int, Node],
    paths: Paths,
    explainer: Explainer,
    published: Mapping[int, bool],
    memory: LinkMemory[Link] | None = None,
) -> Forest:
    """Explain all `nodes` (by id, in order) and return the trees.

    `published` tells which nodes belong to an incident somebody has seen: their parents are sticky. A frozen node keeps
    its parent.
    """
    live = _Live(nodes)

    def find(node: Node) -> list[Link]:
        return _links(node, _ways_to(node, live, paths), live, explainer)

    memory = memory or LinkMemory(paths.graph, paths.nearby)
    links = memory.refresh(nodes, speaking=len(live.nodes), accused=live.accused, find=find)
    faults = {node.id: math.log(explainer.fault(node)) for node in nodes.values()}
    noises = {node.id: math.log(explainer.noise(node)) for node in nodes.values()}
    alone = {key: round(max(faults[key], noises[key]), 9) for key in nodes}
    parents: dict[int, int] = {}
    for node in nodes.values():
        if (again := _relapse(node, nodes)) is not None:
            links[node.id].append(again)
        if node.frozen:
            parents[node.id] = node.parent if node.parent in nodes else 0
        else:
            parents[node.id] = _best(node, links[node.id], alone[node.id], published[node.id])
    _break_cycles(nodes, parents, links, alone)
    doubtful = {key for key in nodes if faults[key] <= noises[key]}
    strength = min(MOST_BEYOND, BEYOND_THE_GRAPH / max(len(paths.graph), len(live.nodes), 1))
    _join(nodes, parents, links, alone, doubtful, published, strength, explainer)
    covered = _cover(nodes, parents, paths, explainer, faults, noises, published)
    return Forest(
        parents=parents,
        covered={key: service for key, (service, _) in covered.items()},
        trees=_trees(parents, links, covered, faults, alone),
    )


def _best(node: Node, links: list[Link], alone: float, sticky: bool) -> int:
    """Return the node's best explanation; what somebody was told gives way only to a clearly better one."""
    choice, value = 0, alone + (STICKINESS if sticky and node.parent == 0 else 0.0)
    for link in links:
        score = link.log_density
        if sticky:
            score += STICKINESS if node.parent == link.cause else OWN_TROUBLE if link.own_trouble else 0.0
        if score > value:
            choice, value = link.cause, score
    return choice


def _join(
    nodes: Mapping[int, Node],
    parents: dict[int, int],
    links: dict[int, list[Link]],
    alone: Mapping[int, float],
    doubtful: Collection[int],
    published: Mapping[int, bool],
    strength: float,
    explainer: Explainer,
) -> None:
    """Give what no known path explains to another tree: no graph is whole, and faults seldom begin together.

    What is `doubtful`, more likely noise than a fault and the cause of nothing, is no cause of anything else.
    """
    inner = set(parents.values())
    roots = [
        key for key, parent in parents.items() if not parent and (key in inner or published[key] or key not in doubtful)
    ]
    for key, node in nodes.items():
        if parents[key] or node.frozen:
            continue
        found = []
        for root in roots:
            if root != key and not _leads_into(root, parents, {key}):
                path = Path(nodes[root].service, strength, 2, unknown=True)
                if (link := _link(node, nodes[root], path, explainer)) is not None:
                    found.append(link)
        chosen = _best(node, found, alone[key], published[key])
        if chosen:
            parents[key] = chosen
            links[key] = [*links[key], *(link for link in found if link.cause == chosen)]


def _break_cycles(
    nodes: Mapping[int, Node],
    parents: dict[int, int],
    links: Mapping[int, list[Link]],
    alone: Mapping[int, float],
) -> None:
    """Re-parent, in each cycle, the node that loses least by it (the greedy step of Chu-Liu and Edmonds)."""
    while cycle := _find_cycle(parents):
        inside = set(cycle)
        fed_by_cycle = {key for key in parents if _leads_into(key, parents, inside)}
        best: tuple[float, int, int] | None = None
        for key in sorted(cycle):
            now = next((link.log_density for link in links[key] if link.cause == parents[key]), alone[key])
            outside = [(link.log_density, -link.cause) for link in links[key] if link.cause not in fed_by_cycle]
            density, cause = max([(alone[key], 0), *outside])
            loss = now - density + (1e6 if nodes[key].frozen else 0.0)
            if best is None or loss < best[0]:
                best = (loss, key, -cause)
        assert best is not None
        parents[best[1]] = best[2]


def _find_cycle(parents: Mapping[int, int]) -> list[int]:
    done: set[int] = set()
    for start in parents:
        trail: dict[int, None] = {}
        key = start
        while key and key not in done and key not in trail:
            trail[key] = None
            key = parents[key]
        if key in trail:
            keys = list(trail)
            return keys[keys.index(key) :]
        done.update(trail)
    return []


def _leads_into(key: int, parents: Mapping[int, int], inside: set[int]) -> bool:
    seen: set[int] = set()
    while key and key not in seen:
        if key in inside:
            return True
        seen.add(key)
        key = parents[key]
    return False


def _trees(
    parents: Mapping[int, int],
    links: Mapping[int, list[Link]],
    covered: Mapping[int, tuple[str, float]],
    faults: Mapping[int, float],
    alone: Mapping[int, float],
) -> list[Tree]:
    members: dict[int, list[int]] = defaultdict(list)
    for key in parents:
        root = key
        while parents[root]:
            root = parents[root]
        members[root].append(key)
    groups: dict[str | int, list[int]] = defaultdict(list)
    for root in members:
        groups[covered[root][0] if root in covered else root].append(root)
    trees = []
    for roots in groups.values():
        nodes = sorted(key for root in roots for key in members[root])
        weight = 0.0
        for key in nodes:
            if key in covered:
                weight += covered[key][1]  # under the silent service, in place of a fault of its own
            elif key in roots:
                weight += faults[key]
            else:
                link = next((link for link in links[key] if link.cause == parents[key]), None)
                if link is None:
                    weight += faults[key]
                else:
                    # That two things happen at once, with no known path between them, makes neither likelier real.
                    weight += alone[key] if link.path.unknown else link.log_density
        trees.append(Tree(nodes=tuple(nodes), weight=round(weight, 9)))
    return sorted(trees, key=lambda tree: tree.nodes[0])


class _Cover(msgspec.Struct, frozen=True):
    gain: float
    service: str
    shares: dict[int, float]


def _cover(
    nodes: Mapping[int, Node],
    parents: Mapping[int, int],
    paths: Paths,
    explainer: Explainer,
    faults: Mapping[int, float],
    noises: Mapping[int, float],
    published: Mapping[int, bool],
) -> dict[int, tuple[str, float]]:
    """Find silent services that explain several trees at once, greedily, best first.

    Returns, for each covered root, the silent service and the log density of that root under it. Each dependent
    that ought to alert and does not counts against a candidate: this keeps hubs from explaining everything.
    """
    live = {node.service for node in nodes.values()}
    children: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for key, parent in parents.items():
        if parent == 0:
            for path in paths.from_dependencies(nodes[key].service):
                if path.cause not in live and (path.hops == 1 or path.via not in live):
                    children[path.cause].append((key, path))
    taken: dict[int, tuple[str, float]] = {}
    covers: dict[str, _Cover] = {}
    names = sorted(service for service, found in children.items() if len(found) > 1)
    stale: Iterable[str] = names
    while True:
        for service in stale:
            covers.pop(service, None)
            free = [(key, path) for key, path in children[service] if key not in taken]
            if not _worth_a_look(service, [nodes[key] for key, _ in free], explainer.window_ms):
                continue
            cover = _best_cover(service, free, nodes, live, paths, explainer, faults, noises, published)
            if cover is not None:
                covers[service] = cover
        best: _Cover | None = None
        for service in names:
            found = covers.get(service)
            if found is not None and (best is None or round(found.gain, 9) > round(best.gain, 9)):
                best = found
        if best is None:
            return taken
        taken.update({key: (best.service, share) for key, share in best.shares.items()})
        # A cover depends on what is free for it alone.
        stale = [service for service in names if any(key in best.shares for key, _ in children[service])]


def _worth_a_look(service: str, roots: list[Node], window_ms: int) -> bool:
    """Tell whether two services began within a window, and whether any of it can still change."""
    if len(roots) < 2 or not any(not node.frozen or node.covered_by == service for node in roots):
        return False
    ordered = sorted((node.onset_at, node.service) for node in roots)
    return any(
        later - earlier <= window_ms and first != second for (earlier, first), (later, second) in pairwise(ordered)
    )


def _best_cover(
    service: str,
    free: list[tuple[int, Path]],
    nodes: Mapping[int, Node],
    live: set[str],
    paths: Paths,
    explainer: Explainer,
    faults: Mapping[int, float],
    noises: Mapping[int, float],
    published: Mapping[int, bool],
) -> _Cover | None:
    prior = math.log(FAULT_RATE * (1 - COVERAGE)) - _SILENT_COST
    best: _Cover | None = None
    # The root, its onset, its best explanation else, and whether somebody was told another story about it.
    rows = [
        (
            key,
            path,
            nodes[key].onset_at,
            max(faults[key], noises[key]),
            published[key] and nodes[key].covered_by != service,
        )
        for key, path in free
    ]
    for onset in sorted({row[2] for row in rows}):
        later = [row for row in rows if row[2] >= onset]
        if len(later) < 2:
            break
        for alpha in _ALPHAS:  # falling: what gains too little at one gains no more at the next
            shares: dict[int, float] = {}
            gain = prior
            for key, path, onset_at, otherwise, told in later:
                offset = onset_at - onset
                strength = min(0.95, alpha * path.strength * COVERAGE * (0.3 if path.hops == 2 else 1.0))
                density = strength * (1.0 if offset == 0 else explainer.delay(offset, path.hops, alive=True))
                if density <= 0:
                    continue
                log_density = math.log(density)
                better = log_density - otherwise
                if told:
                    better -= STICKINESS
                if better > 0:
                    gain += better
                    shares[key] = log_density
            if gain < _MIN_COVER_GAIN or len({nodes[key].service for key in shares}) < 2:
                break
            gain -= _QUIET_TEMPER * quiet_cost(service, alpha, live, paths)
            if gain >= _MIN_COVER_GAIN and (best is None or gain > best.gain):
                # The node at the onset fixes the time of the fault; the fault's own density pays for it.
                first = min(shares, key=lambda key: (nodes[key].onset_at, key))
                shares[first] += prior
                best = _Cover(gain, service, shares)
    return best


def quiet_cost(service: str, alpha: float, live: Collection[str], paths: Paths) -> float:
    """Return the log probability lost by the direct dependents that say nothing."""
    total, each = paths.expected_voices(service, alpha)
    if len(live) < len(each):
        return total - sum(each[name] for name in live if name in each)
    return sum(cost for name, cost in each.items() if name not in live)
