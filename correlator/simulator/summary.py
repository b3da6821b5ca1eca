"""What a simulation holds, in figures."""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec

from correlator.simulator.simulation import Simulation, is_change, overlapping
from correlator.simulator.system import VertexKind


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Figures over the whole stream; shares are of visible cases, but for `overlapping_share`, which is of all."""

    services: int
    hosts: int
    dependencies: int
    rules: int
    events: int
    alert_episodes: int
    noise_episodes: int
    noise_episodes_per_day: float
    deployments: int
    cases: int
    visible_cases: int
    visible_cases_per_day: float
    silent_root_share: float
    single_service_share: float
    overlapping_share: float


def summarise(simulation: Simulation) -> Summary:
    """Count what a simulation holds."""
    parameters = simulation.parameters
    days = (parameters.end_at - parameters.start_at) / 86_400_000
    fault_days = days if parameters.faults.during_warm_up else (parameters.end_at - parameters.scored_from) / 86_400_000
    kinds = Counter(vertex.kind for vertex in simulation.system.vertices)
    touched: defaultdict[int, set[str]] = defaultdict(set)
    for firing in simulation.firings:
        if firing.fault is not None:
            touched[firing.fault].add(firing.rule.vertex)
    visible = len(touched)
    noise = sum(firing.fault is None and not is_change(firing) for firing in simulation.firings)
    return Summary(
        services=sum(kinds.values()) - kinds[VertexKind.HOST],
        hosts=kinds[VertexKind.HOST],
        dependencies=len(simulation.system.links),
        rules=len(simulation.rules),
        events=len(simulation.dispatches),
        alert_episodes=sum(firing.fault is not None for firing in simulation.firings),
        noise_episodes=noise,
        noise_episodes_per_day=round(noise / days, 1),
        deployments=sum(is_change(firing) for firing in simulation.firings),
        cases=len(simulation.faults),
        visible_cases=visible,
        visible_cases_per_day=round(visible / fault_days, 1),
        silent_root_share=_share(
            sum(simulation.faults[number].root not in names for number, names in touched.items()), visible
        ),
        single_service_share=_share(sum(len(names) == 1 for names in touched.values()), visible),
        overlapping_share=_share(
            sum(bool(overlapping(simulation, fault)) for fault in simulation.faults), len(simulation.faults)
        ),
    )


def _share(part: int, whole: int) -> float:
    return round(part / whole, 3) if whole else 0.0
