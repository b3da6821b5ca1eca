"""The truth of a simulation: its cases, whose alert is whose, and how things really depend on each other."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from correlator.domain import rfc3339
from correlator.simulator.faults import Fault
from correlator.simulator.simulation import Simulation, overlapping
from correlator.simulator.system import Link


def truth_of(simulation: Simulation) -> dict[str, Any]:
    """Return the truth document; an event without a label is background."""
    at_root, elsewhere = _entities(simulation)
    labels: dict[str, str] = {}
    changes: defaultdict[str, list[str]] = defaultdict(list)
    for place, dispatch in enumerate(simulation.dispatches):
        fault = simulation.firings[dispatch.firing].fault
        if fault is not None:
            labels[simulation.event_id(place)] = simulation.faults[fault].case
        elif dispatch.firing in simulation.changes:
            changes[simulation.changes[dispatch.firing]].append(simulation.event_id(place))
    return {
        "scored_from": rfc3339(simulation.parameters.scored_from),
        "cases": [
            _case(simulation, fault, at_root.get(number, []), bool(elsewhere.get(number)), changes[fault.case])
            for number, fault in enumerate(simulation.faults)
        ],
        "labels": labels,
        "true_dependencies": [_dependency(link) for link in simulation.system.links],
    }


def _entities(simulation: Simulation) -> tuple[dict[int, list[str | None]], dict[int, bool]]:
    """Return by fault what fires at its root (pods, or None for the service), and whether anything fires elsewhere."""
    at_root: defaultdict[int, list[str | None]] = defaultdict(list)
    elsewhere: dict[int, bool] = {}
    for firing in simulation.firings:
        if firing.fault is None:
            continue
        if firing.rule.vertex == simulation.faults[firing.fault].root:
            at_root[firing.fault].append(firing.pod)
        else:
            elsewhere[firing.fault] = True
    return at_root, elsewhere


def _case(
    simulation: Simulation, fault: Fault, at_root: list[str | None], elsewhere: bool, changes: list[str]
) -> dict[str, Any]:
    pods = sorted({pod for pod in at_root if pod is not None})
    return {
        "case": fault.case,
        "start": rfc3339(fault.start_at),
        "end": rfc3339(fault.end_at),
        "fault_type": fault.nature.name,
        "roots": [fault.root],
        "root_entity": pods[0] if len(pods) == 1 else None,
        "silent_root": not at_root,
        "visible": bool(at_root) or elsewhere,
        "overlaps": overlapping(simulation, fault),
        "changes": changes,
    }


def _dependency(link: Link) -> dict[str, Any]:
    document: dict[str, Any] = {
        "from": link.tie.dependent,
        "to": link.tie.dependency,
        "type": str(link.tie.bond),
        "coupling": str(link.coupling),
        "weight": link.weight,
        "delay_seconds": round(link.delay_ms / 1000, 3),
    }
    if link.load is not None:
        document |= {"load": str(link.load), "load_weight": link.load_weight}
    return document
