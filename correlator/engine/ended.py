"""Incidents after their end: what still pages of those that operators ended, and the ids that no other may have."""

from __future__ import annotations

from collections.abc import Sequence

from correlator.domain import Severity, rfc3339
from correlator.engine.state import Incident, Node, Scope
from topology.graph import ServiceGraph

#: Incidents of a scope that are over and remembered by their ids.
_MAX_ENDED = 1_000


def why_page(incident: Incident, members: Sequence[Node], *, patience_seconds: float, now: int) -> str:
    """Say why an incident pages again that an operator had ended; empty while it does not."""
    firing = [node for node in members if node.firing]
    worse = any(node.ended_severity is None or node.severity.rank > node.ended_severity.rank for node in firing)
    stands = now >= page_at(incident, members, patience_seconds=patience_seconds) > 0
    if not worse and not stands:
        return ""
    return f"It was resolved by hand at {rfc3339(incident.resolved_at)} and {'got worse' if worse else 'still fires'}."


def page_at(incident: Incident, members: Sequence[Node], *, patience_seconds: float) -> int:
    """Return when what fires on pages again though it gets no worse; 0 where nothing of it is so severe."""
    severe = any(node.firing and node.severity.rank >= Severity.ERROR.rank for node in members)
    return incident.resolved_at + round(1000 * patience_seconds) if severe else 0


def what_it_follows(incident: Incident, scope: Scope, graph: ServiceGraph) -> str:
    """Say whether a new incident comes near what an operator has ended while its alerts fire on."""
    for other in scope.incidents.values():
        if other.ended_by_hand:
            near = {other.root, *other.told_services}
            reached = {caller for service in sorted(near) for caller in graph.dependents(service)}
            if not (near | reached).isdisjoint((incident.root, *incident.told_services)):
                return f"It began or went on after {other.id} was resolved by hand."
    return ""


def remember(incident: Incident, scope: Scope, now: int) -> None:
    """Remember that an incident is over, if anybody was told of it."""
    if not incident.revision:
        return
    if len(scope.ended) >= _MAX_ENDED:
        del scope.ended[next(iter(scope.ended))]
    scope.ended[incident.id] = now
