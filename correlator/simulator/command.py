"""The body of `correlator simulate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from correlator.errors import ConfigError
from correlator.simulator.parameters import overridden
from correlator.simulator.presets import preset
from correlator.simulator.simulation import simulate
from correlator.simulator.summary import Summary, summarise
from correlator.simulator.system import Blueprint, Bond, Tie, Vertex, VertexKind
from correlator.simulator.writing import write
from topology.graph import ServiceGraph
from topology.sources import file as topology_file


def run(preset_name: str, seed: int, out: Path, topology: Path | None, overrides: Sequence[str]) -> Summary:
    """Simulate a preset, on the user's own topology if given, write the files and say what is in them.

    Raises:
        ConfigError: an unknown preset or setting, a topology that is none, or a folder that cannot be written.
    """
    if seed < 0:
        raise ConfigError("seed", [f"must not be negative, is {seed}"])
    parameters = overridden(preset(preset_name), overrides)
    blueprint = None if topology is None else drawn_from(topology_file.load(topology))
    simulation = simulate(parameters, seed, blueprint)
    try:
        write(simulation, out)
    except OSError as error:
        raise ConfigError(str(out), [error.strerror or str(error)]) from error
    return summarise(simulation)


def drawn_from(graph: ServiceGraph) -> Blueprint:
    """Return a user's graph as a blueprint; the strengths it states are not used, the hidden ones are drawn."""
    document = graph.document
    if not document.services:
        raise ConfigError("topology", ["has no services"])
    ties = {
        (edge.source, edge.to): Tie(dependent=edge.source, dependency=edge.to, bond=Bond(edge.type))
        for edge in document.dependencies
        if edge.source != edge.to
    }
    vertices = [
        Vertex(name=service.name, kind=VertexKind(service.kind), owner=service.owner, tier=service.tier)
        for service in document.services
    ]
    return Blueprint(vertices=tuple(vertices), ties=tuple(ties[key] for key in sorted(ties)))


def written(summary: Summary) -> str:
    """Return a summary as text, one figure a line."""
    figures = msgspec.structs.asdict(summary)
    return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in figures.items())
