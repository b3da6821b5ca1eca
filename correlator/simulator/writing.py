"""Write a simulation as the three files that a replay and a scorer read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from correlator.simulator.simulation import Simulation
from correlator.simulator.truth import truth_of

ALERTS, TOPOLOGY, TRUTH = "alerts.jsonl", "topology.json", "truth.json"


def write(simulation: Simulation, folder: Path) -> None:
    """Write `alerts.jsonl`, `topology.json` and `truth.json` into a folder, made where it is missing.

    Events are built one at a time, so that a long stream is never in memory as text.
    """
    folder.mkdir(parents=True, exist_ok=True)
    encoder = msgspec.json.Encoder()
    with (folder / ALERTS).open("wb") as file:
        for event in simulation.events():
            file.write(encoder.encode(event) + b"\n")
    _write_document(folder / TOPOLOGY, simulation.topology)
    _write_document(folder / TRUTH, truth_of(simulation))


def _write_document(path: Path, document: dict[str, Any]) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
