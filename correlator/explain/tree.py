"""The tree of an incident: what explains each of its nodes, how strongly, and what else could."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from correlator.domain import rfc3339
from correlator.engine.causes import RELAPSE_STRENGTH, Path, strength_beyond
from correlator.engine.forest import Link, candidates
from correlator.engine.nodes import is_live
from correlator.engine.state import Incident, Node
from correlator.engine.view import View
from correlator.explain import wording
from correlator.explain.values import AlertOf, Bond, Hop, Member

_ALERTS = 5  # of a node are listed
_DIGITS = 4


class Grounds(msgspec.Struct, frozen=True):
    """What the explanations of an incident rest on.

    Args:
        near: its nodes and all others that could explain one of them.
        links: what may have caused each of its nodes.
        shares: log density of the explanation that was taken, of each node that is weighed.
    """

    view: View
    incident: Incident
    near: Mapping[int, Node]
    links: Mapping[int, list[Link]]
    shares: Mapping[int, float]

    def gain(self) -> float:
        """Return the log odds that the incident is a fault rather than noise throughout."""
        noise = self.view.explainer.noise
        nodes = math.fsum(share - math.log(noise(self.near[key])) for key, share in self.shares.items())
        return nodes + self.view.explainer.fault_odds


def grounds(view: View, incident: Incident) -> Grounds:
    window_ms = view.explainer.window_ms
    scope = view.scope
    shares = {key: share for key, share in zip(incident.weighed, incident.shares, strict=True) if key in scope.nodes}
    own = dict.fromkeys([*(key for key in incident.nodes if key in scope.nodes), *shares])
    near = {key: node for key, node in scope.nodes.items() if key in own or is_live(node, view.now, window_ms)}
    return Grounds(view, incident, near, candidates(near, view.paths, view.explainer, of=own), shares)


def members(ground: Grounds) -> list[Member]:
    """Return the incident's nodes, parents before their children, siblings by onset."""
    found = {key: _member(ground, key) for key in ground.links}
    children: dict[int | None, list[int]] = {}
    for key in sorted(found, key=lambda key: (ground.near[key].onset_at, key)):
        parent = found[key].parent
        children.setdefault(parent if parent in found else None, []).append(key)
    ordered: list[Member] = []
    waiting = list(reversed(children.get(None, [])))
    while waiting:
        key = waiting.pop()
        ordered.append(found[key])
        waiting += reversed(children.get(key, []))
    return ordered


def _member(ground: Grounds, key: int) -> Member:
    node = ground.near[key]
    parent = ground.near.get(node.parent)
    path = None if parent is None else _path(ground, node, parent)
    bond = _bond(node, parent, path)
    hops = [] if path is None or bond is Bond.AGAIN else hops_of(ground.view, node, path)
    share = ground.shares.get(key)
    noise = math.log(ground.view.explainer.noise(node))
    strength = None if share is None else round(share - noise, _DIGITS)
    size = len(ground.links)
    density = share if parent is None or path else joined_density(ground.view, node, parent, size=size)
    margin, rival = _margin(ground, node, density)
    cause = node.covered_by or (parent.service if parent is not None else "") or None
    return Member(
        node=key,
        parent=None if parent is None else parent.id,
        bond=bond,
        service=node.service,
        alerts=alerts_of(node),
        alerts_total=node.total,
        firing=node.firing,
        onset_at=rfc3339(node.onset_at),
        cause=cause,
        delay_seconds=None if parent is None else (node.onset_at - parent.onset_at) / 1000,
        path=hops,
        silent=[name for name in (path.via if path else "", node.covered_by) if name],
        strength=strength,
        strength_words=wording.strength(strength),
        margin=margin,
        next_best=rival,
        elsewhere=node.incident if node.incident != ground.incident.id else None,
    )


def alerts_of(node: Node) -> list[AlertOf]:
    return [
        AlertOf(
            fingerprint=facet.fingerprint,
            name=facet.name,
            kind=facet.kind,
            severity=facet.severity,
            starts_at=rfc3339(facet.started_at),
            event_id=facet.event_id,
            summary=facet.summary,
        )
        for facet in node.facets[:_ALERTS]
    ]


def _path(ground: Grounds, node: Node, parent: Node) -> Path | None:
    """Return the way from a node's cause to it; None where no known path leads there (any more)."""
    if node.relapse_of == parent.id:
        return Path(node.service, RELAPSE_STRENGTH, 1)
    links = ground.links[node.id]
    if not any(link.cause == parent.id for link in links):
        # What was between may speak by now: seen alone, the two are as they were when they were joined.
        pair = {parent.id: parent, node.id: node}
        links = candidates(pair, ground.view.paths, ground.view.explainer, of=[node.id])[node.id]
    return next((link.path for link in links if link.cause == parent.id), None)


def _bond(node: Node, parent: Node | None, path: Path | None) -> Bond:
    if parent is None:
        return Bond.SILENT_CAUSE if node.covered_by else Bond.KEPT if node.parent else Bond.FAULT
    if path is None:
        return Bond.BEYOND_THE_GRAPH
    return Bond.AGAIN if path.cause == node.service else Bond.CAUSED


def hops_of(view: View, node: Node, path: Path) -> list[Hop]:
    """Return the steps from the victim to its cause."""
    graph = view.graph

    def step(source: str, to: str) -> Hop:
        edge = dict(graph.dependencies(source)).get(to)
        return Hop(source=source, to=to, type=str(edge.type) if edge is not None else "call")

    if path.downward:
        return [step(path.cause, node.service)]
    if path.hops == 2 and path.via:
        return [step(node.service, path.via), step(path.via, path.cause)]
    if not graph.depends(node.service, path.cause) and path.cause in node.mentions:
        return [Hop(source=node.service, to=path.cause, type="text")]
    return [step(node.service, path.cause)]


def _margin(ground: Grounds, node: Node, share: float | None) -> tuple[float | None, str]:
    """Return how much likelier the explanation is than the next best one, and what that is."""
    explainer = ground.view.explainer
    others = {"everyday noise": math.log(explainer.noise(node))}
    if node.parent or node.covered_by:
        others["a fault of its own"] = math.log(explainer.fault(node))
    below = _below(ground.near, node.id)
    for link in ground.links[node.id]:
        if link.cause != node.parent and link.cause not in below:
            name = ground.near[link.cause].service
            others[name] = max(link.log_density, others.get(name, -math.inf))
    best = max(others, key=lambda name: (others[name], name))
    known = share is not None and math.isfinite(share)
    return (round(share - others[best], _DIGITS) if share is not None and known else None), best


def joined_density(view: View, node: Node, cause: Node, *, size: int) -> float:
    """Return the log density by which a node goes with trouble that began with it, though no path is known.

    `size` is how many nodes the incident of the cause has.
    """
    strength = strength_beyond(size, len(view.graph))
    density = view.explainer.by(node, cause, Path(cause.service, strength, 2, unknown=True))
    return math.log(density) if density > 0 else -math.inf


def _below(nodes: Mapping[int, Node], top: int) -> set[int]:
    """Return the nodes that a node explains, directly or not: none of them can be its cause."""
    below: set[int] = set()
    for key in nodes:
        trail, at = [], key
        while at in nodes and at not in trail and at != top and at not in below:
            trail.append(at)
            at = nodes[at].parent
        if trail and (at == top or at in below):
            below.update(trail)
    return below
