"""What an engine knows of one scope at one moment, and how it judges: for whoever explains its decisions."""

from __future__ import annotations

import msgspec

from correlator.config import EngineConfig
from correlator.engine.causes import Explainer, Paths
from correlator.engine.ranking import Ranker
from correlator.engine.state import Incident, Node, Scope
from topology.graph import ServiceGraph


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The engine's own state, not a copy: valid until the engine goes on."""

    scope: Scope
    graph: ServiceGraph
    paths: Paths
    explainer: Explainer
    ranker: Ranker
    config: EngineConfig
    now: int

    def members(self, incident: Incident) -> list[Node]:
        """Return the nodes of an incident, the first trouble first."""
        nodes = (self.scope.nodes[key] for key in incident.nodes if key in self.scope.nodes)
        return sorted(nodes, key=lambda node: (node.onset_at, node.id))
