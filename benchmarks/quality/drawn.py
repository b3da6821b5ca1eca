"""Systems that nobody chose: size, monitoring, noise and what is known of the graph, drawn at random for each seed.

A preset is one system over and over, and what is true of it may not be true of others. Figures on drawn systems tell
more of one that nobody has seen, and their mean comes with an interval over systems, not over cases.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

#: What is drawn evenly, by the simulator's name for it.
_EVEN = {
    "shape.mean_calls": (2.0, 6.0),
    "shape.services_per_host": (3.0, 12.0),
    "couplings.hard_share": (0.3, 0.6),
    "monitoring.unmonitored_share": (0.0, 0.12),
    "monitoring.missing_rule_share": (0.05, 0.4),
    "monitoring.mesh_share": (0.0, 0.6),
    "faults.overlapping_share": (0.0, 0.35),
    "noise.long_share": (0.05, 0.3),
    "delivery.mention_share": (0.0, 0.7),
    "delivery.wrong_mention_share": (0.0, 0.3),
    "observation.missing_edge_share": (0.0, 0.2),
    "observation.invented_edge_share": (0.0, 0.1),
    "observation.unknown_placement_share": (0.0, 0.5),
}
#: What is drawn evenly by its order of magnitude; of noise, once in five days to six times a day on each service.
_BY_MAGNITUDE = {"shape.services": (12.0, 300.0), "noise.episodes_per_service_day": (0.2, 6.0)}
_ONE_OF = {
    "faults.per_day": (24, 36, 48),
    "monitoring.rule_kinds": (3, 4, 5, 6, 7),
    "warm_up_seconds": (21_600, 43_200, 86_400),
}
_DRAWS = 2000


def drawn_settings(seed: int) -> list[str]:
    """Return settings of a simulation, KEY=VALUE, that a seed draws."""
    source = random.Random(f"drawn system {seed}")
    found: dict[str, float] = {key: round(source.uniform(*bounds), 3) for key, bounds in _EVEN.items()}
    for key, (low, high) in _BY_MAGNITUDE.items():
        found[key] = round(low * (high / low) ** source.random(), 2)
    found["shape.services"] = round(found["shape.services"])
    found |= {key: source.choice(values) for key, values in _ONE_OF.items()}
    return [f"{key}={value}" for key, value in found.items()]


def mean_over_systems(values: Sequence[float | None]) -> tuple[float, float, float] | None:
    """Return the mean of a figure over the systems that have a value of it, and between what nine tenths of its
    bootstrapped means lie; None where none has one."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    source = random.Random(0)
    means = sorted(sum(source.choices(known, k=len(known))) / len(known) for _ in range(_DRAWS))
    return sum(known) / len(known), means[_DRAWS // 20], means[-_DRAWS // 20]
