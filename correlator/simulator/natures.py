"""The natures of faults: what each does to its own vertex, what travels from it, how it rises and how long it lasts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from correlator.simulator.aspects import Aspect as A
from correlator.simulator.system import VertexKind as K


class Nature(msgspec.Struct, frozen=True, kw_only=True):
    """One way to fail.

    `own` are the levels at the root for a fault of severity 1; `hosted` those at what runs on a failing host.
    `latency` and `errors` say how the degradation that travels shows at dependents. `at` weighs the kinds of vertex
    that fail this way. Spans are medians or bounds, in seconds.
    """

    name: str
    own: dict[A, float]
    latency: float
    errors: float
    rise_seconds: tuple[float, float]
    lasting_seconds: float
    at: dict[K, float]
    hosted: dict[A, float] = {}
    change_share: float = 0.0


NATURES = (
    Nature(
        name="crash",
        own={A.DOWN: 1.0, A.PROBE: 0.9, A.ERRORS: 0.8, A.BUDGET: 0.8, A.TRAFFIC: 0.6},
        latency=0.35,
        errors=1.0,
        rise_seconds=(0, 5),
        lasting_seconds=720,
        at={K.SERVICE: 1.0, K.DATASTORE: 0.7, K.QUEUE: 0.5},
    ),
    Nature(
        name="cpu",
        own={A.CPU: 1.0, A.LATENCY: 0.85, A.TAIL: 1.0, A.ERRORS: 0.35, A.POOL: 0.5, A.BUDGET: 0.6},
        latency=1.0,
        errors=0.4,
        rise_seconds=(20, 120),
        lasting_seconds=1200,
        at={K.SERVICE: 1.0, K.DATASTORE: 0.7, K.QUEUE: 0.2, K.HOST: 0.4},
        hosted={A.CPU: 0.8, A.LATENCY: 0.7, A.TAIL: 0.9},
    ),
    Nature(
        name="memory_leak",
        own={A.MEMORY: 1.0, A.TAIL: 0.6, A.LATENCY: 0.45, A.ERRORS: 0.4, A.DOWN: 0.5},
        latency=0.6,
        errors=0.5,
        rise_seconds=(900, 3600),
        lasting_seconds=4200,
        at={K.SERVICE: 0.9, K.DATASTORE: 0.4},
    ),
    Nature(
        name="disk_full",
        own={A.DISK: 1.0, A.ERRORS: 0.8, A.LATENCY: 0.3, A.PROBE: 0.3},
        latency=0.35,
        errors=0.9,
        rise_seconds=(600, 2400),
        lasting_seconds=3000,
        at={K.DATASTORE: 1.2, K.QUEUE: 0.6, K.SERVICE: 0.15, K.HOST: 0.3},
        hosted={A.DISK: 0.9, A.ERRORS: 0.5},
    ),
    Nature(
        name="bad_deploy",
        own={A.ERRORS: 0.9, A.BUDGET: 0.9, A.LATENCY: 0.5, A.TAIL: 0.6, A.DOWN: 0.4},
        latency=0.5,
        errors=0.9,
        rise_seconds=(5, 60),
        lasting_seconds=1080,
        at={K.SERVICE: 1.5},
        change_share=1.0,
    ),
    Nature(
        name="config_error",
        own={A.ERRORS: 1.0, A.BUDGET: 1.0, A.PROBE: 0.4},
        latency=0.2,
        errors=1.0,
        rise_seconds=(0, 30),
        lasting_seconds=1200,
        at={K.SERVICE: 0.8, K.DATASTORE: 0.2},
        change_share=0.5,
    ),
    Nature(
        name="network_delay",
        own={A.NETWORK: 1.0, A.PROBE: 0.4},
        latency=1.0,
        errors=0.3,
        rise_seconds=(0, 20),
        lasting_seconds=1200,
        at={K.HOST: 1.0},
        hosted={A.LATENCY: 0.9, A.TAIL: 1.0, A.ERRORS: 0.3},
    ),
    Nature(
        name="dependency_timeout",
        own={A.LATENCY: 0.9, A.TAIL: 1.0, A.POOL: 0.8, A.ERRORS: 0.6, A.BUDGET: 0.7},
        latency=1.0,
        errors=0.6,
        rise_seconds=(5, 60),
        lasting_seconds=1200,
        at={K.SERVICE: 0.9, K.EXTERNAL: 1.0},
    ),
    Nature(
        name="queue_backlog",
        own={A.LAG: 1.0, A.MEMORY: 0.4, A.LATENCY: 0.3},
        latency=0.6,
        errors=0.2,
        rise_seconds=(120, 600),
        lasting_seconds=2400,
        at={K.QUEUE: 2.0},
    ),
    Nature(
        name="cert_expiry",
        own={A.ERRORS: 1.0, A.PROBE: 0.8, A.BUDGET: 1.0},
        latency=0.1,
        errors=1.0,
        rise_seconds=(0, 1),
        lasting_seconds=2400,
        at={K.SERVICE: 0.3, K.DATASTORE: 0.2, K.EXTERNAL: 0.3},
    ),
    Nature(
        name="host_down",
        own={A.DOWN: 1.0, A.NETWORK: 0.8, A.PROBE: 0.8},
        latency=0.4,
        errors=1.0,
        rise_seconds=(0, 5),
        lasting_seconds=1500,
        at={K.HOST: 1.0},
        hosted={A.DOWN: 1.0, A.PROBE: 1.0, A.ERRORS: 0.8, A.TRAFFIC: 0.7},
    ),
)

BY_NAME = {nature.name: nature for nature in NATURES}

#: How often each kind of vertex is a root, relative to the others and per vertex.
ROOT_WEIGHTS = {K.SERVICE: 1.0, K.DATASTORE: 1.0, K.QUEUE: 0.8, K.HOST: 0.6, K.EXTERNAL: 0.4}


def fitting(kind: K, allowed: Sequence[str]) -> tuple[Nature, ...]:
    """Return the natures that a vertex of this kind can have; `allowed` restricts them unless empty."""
    return tuple(nature for nature in NATURES if nature.at.get(kind, 0) > 0 and (not allowed or nature.name in allowed))
