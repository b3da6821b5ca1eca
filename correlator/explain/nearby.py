"""Other trouble of the time that is not in the incident, and why not."""

from __future__ import annotations

import math
from collections.abc import Iterable

from correlator.domain import rfc3339
from correlator.engine.causes import Path
from correlator.engine.forest import Link, candidates
from correlator.engine.nodes import is_live
from correlator.engine.state import Node
from correlator.engine.view import View
from correlator.explain import wording
from correlator.explain.tree import Grounds, joined_density
from correlator.explain.values import Neighbour

_MOST = 10
_DIGITS = 4


def neighbours(ground: Grounds) -> list[Neighbour]:
    """Return live nodes of other incidents that began within a window of a member, the nearest miss first."""
    view, own = ground.view, ground.incident
    window_ms = view.explainer.window_ms
    inside = {key: node for key, node in ground.near.items() if node.incident == own.id}
    if not inside:
        return []
    onsets = [node.onset_at for node in inside.values()]
    others = {
        key: node
        for key, node in ground.near.items()
        if key not in inside
        and is_live(node, view.now, window_ms)
        and min(onsets) - window_ms <= node.onset_at <= max(onsets) + window_ms
    }
    links = candidates(ground.near, view.paths, view.explainer, of=others)
    found = [(_miss(ground, node, links[key], inside), node) for key, node in others.items()]
    found.sort(key=lambda pair: (pair[0][0], pair[1].onset_at, pair[1].id))
    return [_neighbour(ground, node, miss, inside.values()) for miss, node in found[:_MOST]]


#: By how much it falls short, the member it comes closest to, and whether over a known path.
_Miss = tuple[float, Node | None, Path | None]


def _miss(ground: Grounds, node: Node, links: Iterable[Link], inside: dict[int, Node]) -> _Miss:
    view = ground.view
    best = max(
        (link for link in links if link.cause in inside),
        key=lambda link: (link.log_density, -link.cause),
        default=None,
    )
    taken = _taken(view, node, links)
    if best is not None:
        return taken - best.log_density, inside[best.cause], best.path
    if node.service not in view.graph:
        return math.inf, None, None
    known = [member for member in inside.values() if member.service in view.graph]
    joined = [(joined_density(view, node, member, size=len(known)), -member.id, member) for member in known]
    density, _, member = max(joined, key=lambda found: found[:2], default=(-math.inf, 0, None))
    return taken - density, member if math.isfinite(density) else None, None


def _taken(view: View, node: Node, links: Iterable[Link]) -> float:
    """Return the log density of what explains the node now."""
    alone = max(math.log(view.explainer.fault(node)), math.log(view.explainer.noise(node)))
    return next((link.log_density for link in links if node.parent and link.cause == node.parent), alone)


def _neighbour(ground: Grounds, node: Node, miss: _Miss, inside: Iterable[Node]) -> Neighbour:
    view = ground.view
    short_by, member, path = miss
    nearest = min(inside, key=lambda other: (abs(node.onset_at - other.onset_at), other.id))
    incident = view.scope.incidents.get(node.incident)
    explained = _explained_by(view, node)
    return Neighbour(
        service=node.service,
        alerts=list(node.names)[:5],
        onset_at=rfc3339(node.onset_at),
        offset_seconds=(node.onset_at - nearest.onset_at) / 1000,
        incident_id=incident.id if incident is not None else None,
        published=incident is not None and incident.revision > 0,
        explained_by=explained,
        short_by=round(short_by, _DIGITS) if math.isfinite(short_by) else None,
        why=_why(view, node, short_by, member, path, explained),
    )


def _explained_by(view: View, node: Node) -> str:
    if node.covered_by:
        return f"{node.covered_by}, which says nothing"
    parent = view.scope.nodes.get(node.parent)
    if parent is not None:
        return parent.service
    return "a fault of its own" if view.explainer.fault(node) > view.explainer.noise(node) else "everyday noise"


def _why(view: View, node: Node, short_by: float, member: Node | None, path: Path | None, explained: str) -> str:
    if member is None:
        if node.service not in view.graph:
            return f"{node.service} is not in the graph: no path leads to it, and in doubt it stands alone"
        return "no path of the graph that its kind of trouble travels reaches it from here within the window"
    way = f"as caused by {member.service}" if path is not None else f"with {member.service}, to which no path is known"
    if short_by > 0:
        return f"{explained} explains it better than {way}: by {short_by:.1f} nats ({wording.strength(short_by)})"
    if node.frozen:
        return f"its place was settled before; {way} would be likelier by {-short_by:.1f} nats now"
    return f"what was told of it is kept: {way} is likelier by {-short_by:.1f} nats, too little to tell another story"
