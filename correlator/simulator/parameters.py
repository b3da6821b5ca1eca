"""What a simulation can be told; every default is documented in docs/simulator.md.

Shares are probabilities in [0, 1]; ranges are inclusive bounds of a uniform draw. The defaults describe the preset
`day`. They were fixed before any engine was tuned on their streams, and stay.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_type_hints

import msgspec

from correlator.errors import ConfigError

Range = tuple[float, float]

#: Monday 2 March 2026, 00:00 UTC.
DEFAULT_START = 1_772_409_600_000


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The generated system; `services` counts services, datastores, caches, queues and externals, not hosts."""

    known: Literal["", "shop"] = ""
    services: int = 400
    services_per_host: float = 10.0
    hub_share: float = 0.01
    hub_call_share: float = 0.2
    mean_calls: float = 5.0
    cycle_share: float = 0.01


@dataclass(frozen=True, kw_only=True)
class Couplings:
    """The hidden strength of dependencies; what is neither hard nor soft is asynchronous."""

    hard_share: float = 0.55
    soft_share: float = 0.35
    hard_range: Range = (0.55, 1.0)
    soft_range: Range = (0.05, 0.3)
    async_range: Range = (0.2, 0.7)
    delay_seconds_range: Range = (0.0, 5.0)
    async_delay_seconds_range: Range = (45.0, 240.0)
    load_share: float = 0.06


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    """Who has alert rules, and how touchy they are."""

    unmonitored_share: float = 0.10
    unmonitored_host_share: float = 0.15
    rule_kinds: int = 4
    missing_rule_share: float = 0.35
    mesh_share: float = 0.3
    threshold_range: Range = (0.15, 0.6)
    hold_seconds: tuple[int, ...] = (0, 0, 30, 60, 60, 120, 180, 300)
    per_pod_share: float = 0.3
    most_pods: int = 3


@dataclass(frozen=True, kw_only=True)
class ScriptedFault:
    """A fault at a given moment, minutes after the warm-up, for a stream that tells a story."""

    at_minutes: float
    root: str
    nature: str
    minutes: float
    severity: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Faults:
    """How often what breaks, and how far it may spread."""

    per_day: float = 48.0
    #: Instead of a rate: exactly so many.
    count: int | None = None
    script: tuple[ScriptedFault, ...] = ()
    during_warm_up: bool = True
    root_pick: Literal["any", "hub", "deepest"] = "any"
    #: Restrict the kinds of fault to these; empty: all.
    natures: tuple[str, ...] = ()
    silence_roots: bool = False
    overlapping_share: float = 0.35
    overlap_seconds: float = 300.0
    near_share: float = 0.5
    same_service_share: float = 0.15
    contained_share: float = 0.0
    hit_beta: tuple[float, float] = (2.0, 1.0)
    severity_range: Range = (0.6, 1.0)
    duration_scale: float = 1.0
    duration_sigma: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Alerts without a fault: episodes a service and day, split over blips, flapping and cron jobs."""

    episodes_per_service_day: float = 4.0
    tail_sigma: float = 1.8
    long_share: float = 0.15
    blip_mean_seconds: float = 80.0
    long_minutes_range: Range = (5.0, 30.0)
    flap_share: float = 0.15
    cron_share: float = 0.15
    hourly_cron_share: float = 0.5
    cron_services_range: tuple[int, int] = (5, 15)
    deploys_per_service_day: float = 0.15
    deploy_blip_share: float = 0.2


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What happens to an alert on its way."""

    twin_share: float = 0.35
    leased_share: float = 0.6
    repeat_seconds: int = 60
    lease_seconds: int = 240
    transit_mean_seconds: float = 0.6
    late_share: float = 0.01
    late_seconds_range: Range = (10.0, 120.0)
    skew_seconds: float = 2.0
    skewed_source_share: float = 0.05
    skewed_source_seconds: float = 30.0
    lost_resolve_share: float = 0.03
    mention_share: float = 0.5
    wrong_mention_share: float = 0.2
    labels_only_share: float = 0.08
    unknown_service_share: float = 0.02


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What the correlator is told of the dependency graph; invented edges as a share of the true ones."""

    missing_edge_share: float = 0.08
    invented_edge_share: float = 0.04
    unknown_placement_share: float = 0.20


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """All of a simulation but its seed."""

    name: str = "custom"
    start_at: int = DEFAULT_START
    warm_up_seconds: int = 0
    seconds: int = 86_400
    shape: Shape = field(default_factory=Shape)
    couplings: Couplings = field(default_factory=Couplings)
    monitoring: Monitoring = field(default_factory=Monitoring)
    faults: Faults = field(default_factory=Faults)
    noise: Noise = field(default_factory=Noise)
    delivery: Delivery = field(default_factory=Delivery)
    observation: Observation = field(default_factory=Observation)

    @property
    def scored_from(self) -> int:
        """The instant at which the warm-up ends."""
        return self.start_at + 1000 * self.warm_up_seconds

    @property
    def end_at(self) -> int:
        """The instant after which no new trouble starts; what is open then still runs to its end."""
        return self.scored_from + 1000 * self.seconds


def overridden(parameters: Parameters, settings: Sequence[str]) -> Parameters:
    """Apply settings of the form `group.key=value`, or `key=value` for one outside a group.

    Lists and ranges are written with commas: `couplings.hard_range=0.5,0.9`.

    Raises:
        ConfigError: naming every setting that is unknown or no value of its key.
    """
    problems: list[str] = []
    for setting in settings:
        path, separator, text = setting.partition("=")
        group, _, key = path.strip().rpartition(".")
        owner = getattr(parameters, group, None) if group else parameters
        keys = _keys(owner) if owner is not None and dataclasses.is_dataclass(owner) else {}
        if not separator or key not in keys:
            problems.append(f"{setting}: no such parameter; say group.key=value")
            continue
        try:
            value = msgspec.convert(_parts(text.strip(), keys[key]), keys[key], strict=False)
        except msgspec.ValidationError as error:
            problems.append(f"{path}: {error}")
            continue
        changed: Any = dataclasses.replace(owner, **{key: value})  # type: ignore[type-var]
        parameters = dataclasses.replace(parameters, **{group: changed}) if group else changed
    problems += _problems(parameters)
    if problems:
        raise ConfigError("simulation", problems)
    return parameters


def _keys(owner: Any) -> dict[str, Any]:
    hints = get_type_hints(type(owner))
    return {
        item.name: hints[item.name]
        for item in dataclasses.fields(owner)
        if item.name != "script" and not dataclasses.is_dataclass(getattr(owner, item.name))
    }


def _parts(text: str, kind: Any) -> Any:
    if "tuple" not in str(kind):
        return text
    return [part.strip() for part in text.split(",") if part.strip()]


def _problems(parameters: Parameters) -> Iterator[str]:
    for name, value in _flat(parameters):
        lowest = min(value) if isinstance(value, tuple) and value else value
        if isinstance(lowest, (int, float)) and lowest < 0:
            yield f"{name}: must not be negative"
        elif name.endswith("_share") and isinstance(value, float) and value > 1:
            yield f"{name}: must be at most 1, is {value}"
        elif name.endswith("_range") and isinstance(value, tuple) and value[0] > value[1]:
            yield f"{name}: the lower bound {value[0]} lies above {value[1]}"
    if not 10 <= parameters.shape.services <= 10_000:
        yield f"shape.services: must be 10 to 10000, is {parameters.shape.services}"
    if not parameters.monitoring.hold_seconds:
        yield "monitoring.hold_seconds: must name at least one duration"
    for name, least in (
        ("seconds", parameters.seconds),
        ("delivery.repeat_seconds", parameters.delivery.repeat_seconds),
        ("monitoring.rule_kinds", parameters.monitoring.rule_kinds),
        ("monitoring.most_pods", parameters.monitoring.most_pods),
        ("faults.hit_beta", min(parameters.faults.hit_beta)),
        ("faults.duration_scale", parameters.faults.duration_scale),
        ("shape.services_per_host", parameters.shape.services_per_host),
    ):
        if least <= 0:
            yield f"{name}: must be above 0"
    if parameters.couplings.hard_share + parameters.couplings.soft_share > 1:
        yield "couplings: hard_share and soft_share are together above 1"
    if parameters.noise.flap_share + parameters.noise.cron_share > 1:
        yield "noise: flap_share and cron_share are together above 1"


def _flat(owner: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for item in dataclasses.fields(owner):
        value = getattr(owner, item.name)
        if item.name == "script":
            continue
        if dataclasses.is_dataclass(value):
            yield from _flat(value, f"{item.name}.")
        else:
            yield prefix + item.name, value
