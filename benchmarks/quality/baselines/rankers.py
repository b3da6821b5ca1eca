"""Root rankers as simple as one can name them: which of the alerting services is the cause.

Each takes the sightings of an incident in arrival order and returns services, likeliest first. Ties are broken by what
the ranker knows, then by the order of first appearance, as a person reading the list of alerts would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import networkx as nx

from topology.graph import ServiceGraph


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """An alert of a service began at an instant."""

    service: str
    at: int


Ranker = Callable[[Sequence[Sighting], ServiceGraph], tuple[str, ...]]


def most_alerts(sightings: Sequence[Sighting], graph: ServiceGraph) -> tuple[str, ...]:
    """Blame the service with most alerts; of equals, who appeared first."""
    return tuple(service for service, _ in _counts(sightings).most_common())


def earliest_alert(sightings: Sequence[Sighting], graph: ServiceGraph) -> tuple[str, ...]:
    """Blame the service that alerted first; of equals, who has most alerts, then the name."""
    counts = _counts(sightings)
    first: dict[str, int] = {}
    for sighting in sightings:
        first[sighting.service] = min(first.get(sighting.service, sighting.at), sighting.at)
    return tuple(sorted(counts, key=lambda service: (first[service], -counts[service], service)))


def topological(sightings: Sequence[Sighting], graph: ServiceGraph) -> tuple[str, ...]:
    """Blame an alerting service none of whose dependencies alert; of equals, who has most alerts, then appeared first.

    The others follow in the same order, so that a circle of alerting services still gets a name.
    """
    ranked = most_alerts(sightings, graph)
    alerting = set(ranked)
    excused = {service for service in ranked if any(to in alerting for to, _ in graph.dependencies(service))}
    return tuple(sorted(ranked, key=lambda service: service in excused))


def pagerank(sightings: Sequence[Sighting], graph: ServiceGraph) -> tuple[str, ...]:
    """Blame where a random walk from the alerts along dependencies stays longest (damping 0.85).

    It walks among the alerting services and what they directly depend on, and restarts at a service as often as that
    has alerts.
    """
    counts = _counts(sightings)
    if len(counts) == 1:
        return tuple(counts)
    walk: nx.DiGraph[str] = nx.DiGraph()
    walk.add_nodes_from(counts)
    walk.add_edges_from((service, to) for service in counts for to, _ in graph.dependencies(service))
    scores: dict[str, float] = nx.pagerank(walk, alpha=0.85, personalization=dict(counts))
    # Rounded: the last bits differ between machines and must not decide.
    return tuple(sorted(scores, key=lambda service: (-round(scores[service], 9), service)))


RANKERS: dict[str, Ranker] = {
    "most alerts": most_alerts,
    "earliest alert": earliest_alert,
    "topological": topological,
    "personalised PageRank": pagerank,
}


def _counts(sightings: Sequence[Sighting]) -> Counter[str]:
    return Counter(sighting.service for sighting in sightings)
