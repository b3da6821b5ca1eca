"""The cause forest: every node takes its best explanation, cycles are broken, a tree is an incident.

A pure function of the live nodes: no history, no arrival order.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from correlator.engine.causes import (
    CALL_STRENGTH,
    MENTION_STRENGTH,
    RELAPSE_STRENGTH,
    STICKINESS,
    Explainer,
    Path,
    Paths,
    strength_beyond,
)
from correlator.engine.cover import cover
from correlator.engine.kinds import CAUSE_LIKE
from correlator.engine.memory import SORTS_OF_WAYS, Judged, Judgements, LinkMemory
from correlator.engine.state import Node

#: A cause that shows trouble of its own, when it comes late, overturns what was told more easily.
OWN_TROUBLE = 3.0


class Link(msgspec.Struct, frozen=True, gc=False):
    """One way a node can be explained by another."""

    cause: int
    log_density: float
    path: Path
    own_trouble: bool = False  # the cause shows trouble of its own kind, not only symptoms


class Tree(msgspec.Struct, frozen=True):
    """Nodes with one cause, one of them or a silent service."""

    nodes: tuple[int, ...]
    weight: float  # log density of this explanation of all its nodes
    shares: tuple[float, ...] = ()  # what each of them adds to it


class Forest(msgspec.Struct, frozen=True):
    parents: dict[int, int]
    covered: dict[int, str]  # roots of trees that a silent service explains
    trees: list[Tree]


def candidates(
    nodes: Mapping[int, Node],
    paths: Paths,
    explainer: Explainer,
    *,
    of: Iterable[int],
    memory: LinkMemory[Link] | None = None,
) -> dict[int, list[Link]]:
    """Return, for every node whose key is in `of`, the others among `nodes` that may have caused it."""
    live = _Live(nodes)
    judged = {} if memory is None else memory.recall(nodes)
    return {key: _links(nodes[key], live, paths, explainer, judged.get(key, Judged()))[0] for key in of}


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


def _links(
    victim: Node, live: _Live, paths: Paths, explainer: Explainer, judged: Judged[Link]
) -> tuple[list[Link], Judgements[Link]]:
    """Return the best link with each possible cause, and what was found of every way to it."""
    best: dict[int, Link] = {}
    own, speaking, before, now = victim.id, live.nodes, judged.before, judged.now
    after: Judgements[Link] = {}
    for sort, ways in enumerate(_ways_to(victim, live, paths)):
        for path in ways:
            for cause in speaking[path.cause]:
                key = cause.id
                if key == own:
                    continue
                way, is_now = key * SORTS_OF_WAYS + sort, now.get(key)
                known = before.get(way)
                if known is None or known[0] is not is_now:
                    known = (is_now, _link(victim, cause, path, explainer))
                after[way] = known
                link = known[1]
                if link is not None and (key not in best or link.log_density > best[key].log_density):
                    best[key] = link
    return list(best.values()), after


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


def _ways_to(victim: Node, live: _Live, paths: Paths) -> tuple[Sequence[Path], ...]:
    """Return the ways from services that speak, by `SORTS_OF_WAYS`."""
    service, speaking = victim.service, live.nodes
    # Where the service between speaks, it speaks for itself.
    upward = [
        path
        for path in paths.from_dependencies(service)
        if path.cause in speaking and (path.hops == 1 or path.via not in speaking)
    ]
    dependents = paths.from_dependents(service)
    # Whichever is shorter: a hub has thousands of dependents, a storm thousands of services in trouble.
    if len(dependents) <= len(speaking):
        downward = [path for name, path in dependents.items() if name in speaking]
    else:
        downward = [dependents[name] for name in speaking if name in dependents]
    again = [Path(service, RELAPSE_STRENGTH, 1)] if len(speaking[service]) > 1 else []
    mentioned = [Path(name, MENTION_STRENGTH, 1) for name in victim.mentions if name in speaking]
    accused = [Path(name, CALL_STRENGTH, 1) for name in live.accused.get(service, ())]
    return upward, downward, again, mentioned, accused


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

    def find(node: Node, judged: Judged[Link]) -> tuple[list[Link], Judgements[Link]]:
        return _links(node, live, paths, explainer, judged)

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
    # Of services that it does not know, that the graph leads nowhere says nothing: in doubt, page.
    known = {key: node for key, node in nodes.items() if node.service in paths.graph}
    doubtful = {key for key in known if faults[key] <= noises[key]}
    _join(known, parents, links, alone, doubtful, published, len(paths.graph), explainer)
    covered = cover(nodes, parents, paths, explainer, faults, noises, published)
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
    services: int,
    explainer: Explainer,
) -> None:
    """Give what no known path explains to another tree: no graph is whole, and faults seldom begin together.

    A tree that known paths made large reaches further beyond them; `services` is how many the graph has.
    What is `doubtful`, more likely noise than a fault and the cause of nothing, is no cause of anything else. What
    fires by a clock at this time needs no other explanation: a job strikes services that have nothing else in common.
    """
    inner = set(parents.values())
    roots = [key for key in nodes if not parents[key] and (key in inner or published[key] or key not in doubtful)]
    sizes = Counter(_root(key, parents) for key in parents)
    strengths = {key: strength_beyond(sizes[key], services) for key in roots}
    for key, node in nodes.items():
        if parents[key] or node.frozen or node.names.keys() <= set(node.scheduled):
            continue
        found = []
        for root in roots:
            if root != key and not _leads_into(root, parents, {key}):
                path = Path(nodes[root].service, strengths[root], 2, unknown=True)
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


def _root(key: int, parents: Mapping[int, int]) -> int:
    while parents[key]:
        key = parents[key]
    return key


def _trees(
    parents: Mapping[int, int],
    links: Mapping[int, list[Link]],
    covered: Mapping[int, tuple[str, float]],
    faults: Mapping[int, float],
    alone: Mapping[int, float],
) -> list[Tree]:
    members: dict[int, list[int]] = defaultdict(list)
    for key in parents:
        members[_root(key, parents)].append(key)
    groups: dict[str | int, list[int]] = defaultdict(list)
    for root in members:
        groups[covered[root][0] if root in covered else root].append(root)
    trees = []
    for roots in groups.values():
        nodes = sorted(key for root in roots for key in members[root])
        weight = 0.0
        shares = []
        for key in nodes:
            if key in covered:
                share = covered[key][1]  # under the silent service, in place of a fault of its own
            elif key in roots or (link := _taken(key, links, parents)) is None:
                share = faults[key]
            else:
                # That two things happen at once, with no known path between them, makes neither likelier real.
                share = alone[key] if link.path.unknown else link.log_density
            weight += share
            shares.append(share)
        trees.append(Tree(nodes=tuple(nodes), weight=round(weight, 9), shares=tuple(shares)))
    return sorted(trees, key=lambda tree: tree.nodes[0])


def _taken(key: int, links: Mapping[int, list[Link]], parents: Mapping[int, int]) -> Link | None:
    return next((link for link in links[key] if link.cause == parents[key]), None)
