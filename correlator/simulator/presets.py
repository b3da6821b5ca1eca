"""The named simulations. Their parameters are fixed: they were chosen before any engine ran on them, and stay."""

from __future__ import annotations

from correlator.errors import ConfigError
from correlator.simulator.parameters import (
    Couplings,
    Delivery,
    Faults,
    Monitoring,
    Noise,
    Observation,
    Parameters,
    ScriptedFault,
    Shape,
)

_HOUR = 3600

DAY = Parameters(name="day", warm_up_seconds=24 * _HOUR, seconds=24 * _HOUR)

#: One root at the bottom of the longest chain, every dependent of it hit.
CASCADE = Parameters(
    name="cascade",
    warm_up_seconds=2 * _HOUR,
    seconds=2 * _HOUR,
    shape=Shape(services=100),
    couplings=Couplings(hard_share=0.9, soft_share=0.05, hard_range=(0.8, 1.0)),
    monitoring=Monitoring(unmonitored_share=0.0, rule_kinds=6),
    faults=Faults(
        count=1,
        during_warm_up=False,
        root_pick="deepest",
        natures=("crash",),
        overlapping_share=0.0,
        hit_beta=(30.0, 1.0),
        severity_range=(1.0, 1.0),
    ),
)

OVERLAPPING_ROOTS = Parameters(
    name="overlapping-roots",
    warm_up_seconds=6 * _HOUR,
    seconds=12 * _HOUR,
    shape=Shape(services=200),
    faults=Faults(count=40, during_warm_up=False, overlapping_share=1.0),
)

SILENT_ROOT = Parameters(
    name="silent-root",
    warm_up_seconds=6 * _HOUR,
    seconds=12 * _HOUR,
    shape=Shape(services=200),
    faults=Faults(
        count=30,
        during_warm_up=False,
        silence_roots=True,
        overlapping_share=0.0,
        hit_beta=(6.0, 1.0),
    ),
)

#: One hub of a thousand services goes down; everybody alerts, twice, every minute, until it is over.
STORM_100K = Parameters(
    name="storm-100k",
    warm_up_seconds=300,
    seconds=1200,
    shape=Shape(services=1000, hub_share=0.002, hub_call_share=0.9),
    couplings=Couplings(hard_share=1.0, soft_share=0.0, hard_range=(0.9, 1.0), async_delay_seconds_range=(45.0, 60.0)),
    monitoring=Monitoring(
        unmonitored_share=0.02,
        rule_kinds=7,
        missing_rule_share=0.1,
        threshold_range=(0.15, 0.35),
        hold_seconds=(0, 30, 60),
        per_pod_share=1.0,
    ),
    faults=Faults(
        count=1,
        during_warm_up=False,
        root_pick="hub",
        natures=("crash",),
        overlapping_share=0.0,
        hit_beta=(1000.0, 1.0),
        severity_range=(1.0, 1.0),
        duration_scale=1.15,
        duration_sigma=0.0,
    ),
    delivery=Delivery(twin_share=0.9, leased_share=1.0, lost_resolve_share=0.0),
)

FLAPPING = Parameters(
    name="flapping",
    warm_up_seconds=6 * _HOUR,
    seconds=12 * _HOUR,
    shape=Shape(services=60),
    faults=Faults(count=12, during_warm_up=False, overlapping_share=0.0),
    noise=Noise(episodes_per_service_day=12.0, flap_share=0.8, cron_share=0.05),
)

CRON_NOISE = Parameters(
    name="cron-noise",
    warm_up_seconds=24 * _HOUR,
    seconds=12 * _HOUR,
    shape=Shape(services=120),
    faults=Faults(count=12, during_warm_up=False, overlapping_share=0.0),
    noise=Noise(episodes_per_service_day=8.0, flap_share=0.05, cron_share=0.8),
)

MISSING_EDGES = Parameters(
    name="missing-edges",
    warm_up_seconds=12 * _HOUR,
    seconds=24 * _HOUR,
    shape=Shape(services=200),
    faults=Faults(per_day=40.0),
    observation=Observation(missing_edge_share=0.30, invented_edge_share=0.10, unknown_placement_share=0.40),
)

#: An hour of everyday noise, then forty minutes of a bad day in a web shop, to be watched by a human.
DEMO = Parameters(
    name="demo",
    warm_up_seconds=_HOUR,
    seconds=40 * 60,
    shape=Shape(known="shop"),
    couplings=Couplings(hard_share=0.85, soft_share=0.1, hard_range=(0.7, 1.0), load_share=0.03),
    monitoring=Monitoring(
        unmonitored_share=0.0,
        unmonitored_host_share=0.0,
        rule_kinds=9,
        missing_rule_share=0.15,
        threshold_range=(0.1, 0.3),
        hold_seconds=(0, 30, 60, 120),
    ),
    faults=Faults(
        script=(
            ScriptedFault(at_minutes=4, root="payments", nature="bad_deploy", minutes=14),
            ScriptedFault(at_minutes=8, root="search-index", nature="cpu", minutes=16, severity=0.9),
            ScriptedFault(at_minutes=11, root="inventory-db", nature="crash", minutes=12),
            ScriptedFault(at_minutes=15, root="auth", nature="cert_expiry", minutes=10),
        ),
    ),
    noise=Noise(episodes_per_service_day=14.0, long_minutes_range=(5.0, 12.0)),
    delivery=Delivery(labels_only_share=0.0, unknown_service_share=0.0, lost_resolve_share=0.0),
)

PRESETS = {
    preset.name: preset
    for preset in (
        CASCADE,
        OVERLAPPING_ROOTS,
        SILENT_ROOT,
        STORM_100K,
        FLAPPING,
        CRON_NOISE,
        MISSING_EDGES,
        DAY,
        DEMO,
    )
}


def preset(name: str) -> Parameters:
    """Return a preset by its name.

    Raises:
        ConfigError: there is no such preset; the message lists those that there are.
    """
    if name not in PRESETS:
        raise ConfigError("preset", [f"{name!r} is not one of {', '.join(PRESETS)}"])
    return PRESETS[name]
