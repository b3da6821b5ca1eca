"""The dependency graph as the correlator is given it: some of the truth is missing, some of it invented."""

from __future__ import annotations

from typing import Any

from correlator.simulator.draws import Streams, chance, pick
from correlator.simulator.parameters import Observation
from correlator.simulator.system import Bond, System, Tie, Vertex, VertexKind


def observed(system: System, observation: Observation, streams: Streams) -> dict[str, Any]:
    """Return the topology document (contract `topology.schema.json`), without any strength."""
    kept = [
        link.tie
        for link in system.links
        if not chance(streams.of("observed", link.tie.dependent, link.tie.dependency), _loss(link.tie, observation))
    ]
    ties = sorted([*kept, *_invented(system, observation, streams)], key=lambda tie: (tie.dependent, tie.dependency))
    return {
        "services": [_service(vertex) for vertex in system.vertices],
        "dependencies": [{"from": tie.dependent, "to": tie.dependency, "type": str(tie.bond)} for tie in ties],
    }


def _loss(tie: Tie, observation: Observation) -> float:
    return observation.unknown_placement_share if tie.bond is Bond.RUNS_ON else observation.missing_edge_share


def _invented(system: System, observation: Observation, streams: Streams) -> list[Tie]:
    """Draw calls that nobody makes, a share of the true dependencies other than placements."""
    stream = streams.of("invented")
    callers = [vertex.name for vertex in system.vertices if vertex.kind is VertexKind.SERVICE]
    callees = [vertex.name for vertex in system.vertices if vertex.kind is not VertexKind.HOST]
    true = {(link.tie.dependent, link.tie.dependency) for link in system.links}
    wanted = round(observation.invented_edge_share * sum(link.tie.bond is not Bond.RUNS_ON for link in system.links))
    found: dict[tuple[str, str], Tie] = {}
    for _ in range(20 * wanted if callers else 0):
        pair = pick(stream, callers), pick(stream, callees)
        if pair[0] != pair[1] and pair not in true:
            found.setdefault(pair, Tie(dependent=pair[0], dependency=pair[1]))
        if len(found) == wanted:
            break
    return list(found.values())


def _service(vertex: Vertex) -> dict[str, Any]:
    document: dict[str, Any] = {"name": vertex.name, "kind": str(vertex.kind)}
    if vertex.owner:
        document["owner"] = vertex.owner
    if vertex.tier:
        document["tier"] = vertex.tier
    return document
