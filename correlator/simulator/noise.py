"""Alerts without a fault, from the same rules: blips, flapping, cron jobs and harmless deployments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec
from numpy.random import Generator

from correlator.simulator.aspects import Aspect
from correlator.simulator.draws import Streams, chance, exponential, lognormal, pick, sample, uniform
from correlator.simulator.monitoring import Rule
from correlator.simulator.parameters import Noise, Parameters
from correlator.simulator.system import System, VertexKind

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000

#: One bout of flapping: how often, and how long it stays up and down, in seconds.
_FLAPS = (6, 20)
_FLAP_UP_SECONDS, _FLAP_DOWN_SECONDS = (20.0, 120.0), (40.0, 180.0)

#: A cron job loads what it touches in these ways, for so many seconds, four times out of five.
_CRON_ASPECTS = (Aspect.CPU, Aspect.DISK, Aspect.LATENCY, Aspect.TAIL, Aspect.POOL, Aspect.LAG)
_CRON_SECONDS = (60.0, 360.0)
_CRON_HITS = 0.8

#: What a rollout disturbs for a moment on its service.
_DEPLOY_ASPECTS = (Aspect.DOWN, Aspect.PROBE, Aspect.TAIL)
_DEPLOY_BLIP_SECONDS = (30.0, 150.0)


class Origin(msgspec.Struct, frozen=True):
    """What made a spell of noise."""

    name: str


BLIP, LONG, FLAP, CRON, DEPLOY = Origin("blip"), Origin("long"), Origin("flap"), Origin("cron"), Origin("deploy")


class Spell(msgspec.Struct, frozen=True, kw_only=True):
    """A rule fires for no fault's sake at `start_at`; `pod_mark` in [0, 1) says which of its series."""

    start_at: int
    lasting_ms: int
    pod_mark: float
    origin: Origin


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    vertex: str
    start_at: int


def spells_of(
    rules: Sequence[Rule], deployments: Sequence[Deployment], system: System, parameters: Parameters, streams: Streams
) -> dict[str, list[Spell]]:
    """Return the spells of noise of every rule, by the rule's key."""
    noise = parameters.noise
    days = (parameters.end_at - parameters.start_at) / _DAY_MS
    wanted = noise.episodes_per_service_day * sum(vertex.kind is not VertexKind.HOST for vertex in system.vertices)
    spells: defaultdict[str, list[Spell]] = defaultdict(list)
    _add_blips(spells, rules, wanted * (1 - noise.flap_share - noise.cron_share) * days, parameters, streams)
    _add_flaps(spells, rules, wanted * noise.flap_share * days, parameters, streams.of("flaps"))
    _add_crons(spells, rules, wanted * noise.cron_share, parameters, streams)
    _add_deploy_blips(spells, rules, deployments, noise, streams.of("deploy blips"))
    return spells


def deployments_of(system: System, parameters: Parameters, streams: Streams) -> list[Deployment]:
    """Return the harmless deployments, some a day for every service."""
    days = (parameters.end_at - parameters.start_at) / _DAY_MS
    found = []
    for vertex in system.vertices:
        if vertex.kind is VertexKind.SERVICE:
            stream = streams.of("deployments", vertex.name)
            for _ in range(int(stream.poisson(parameters.noise.deploys_per_service_day * days))):
                found.append(Deployment(vertex=vertex.name, start_at=_moment(parameters, stream)))
    return found


def _add_blips(
    spells: defaultdict[str, list[Spell]], rules: Sequence[Rule], count: float, parameters: Parameters, streams: Streams
) -> None:
    """Spread blips over the rules by heavy-tailed rates: most rules are quiet, a few never are."""
    noise = parameters.noise
    sources = {rule.key: streams.of("blips", rule.key) for rule in rules}
    rates = {key: lognormal(stream, 1.0, noise.tail_sigma) for key, stream in sources.items()}
    total = sum(rates.values())
    for key, stream in sources.items():
        for _ in range(int(stream.poisson(round(count * rates[key] / total, 6)))):
            start_at = _moment(parameters, stream)
            long = chance(stream, noise.long_share)
            seconds = (
                60 * uniform(stream, noise.long_minutes_range) if long else exponential(stream, noise.blip_mean_seconds)
            )
            spells[key].append(_spell(start_at, seconds, LONG if long else BLIP, stream))


def _add_flaps(
    spells: defaultdict[str, list[Spell]],
    rules: Sequence[Rule],
    count: float,
    parameters: Parameters,
    stream: Generator,
) -> None:
    """Let rules go up and down in bouts until so many spells are had."""
    made = 0
    while rules and made < round(count):
        rule = pick(stream, rules)
        start_at = _moment(parameters, stream)
        for _ in range(int(stream.integers(_FLAPS[0], _FLAPS[1] + 1))):
            if start_at >= parameters.end_at:
                break
            up = uniform(stream, _FLAP_UP_SECONDS)
            spells[rule.key].append(_spell(start_at, up, FLAP, stream, pod_mark=0.0))
            start_at += round(1000 * (up + uniform(stream, _FLAP_DOWN_SECONDS)))
            made += 1


def _add_crons(
    spells: defaultdict[str, list[Spell]],
    rules: Sequence[Rule],
    per_day: float,
    parameters: Parameters,
    streams: Streams,
) -> None:
    """Let cron jobs strike their unrelated victims at the same minute, every hour or every day."""
    noise = parameters.noise
    loaded = [rule for rule in rules if rule.aspect in _CRON_ASPECTS]
    victims = sum(noise.cron_services_range) / 2 * _CRON_HITS
    daily = round(per_day * (1 - noise.hourly_cron_share) / victims)
    hourly = round(per_day * noise.hourly_cron_share / victims / 24)
    for number in range(daily + hourly if loaded else 0):
        stream = streams.of("cron", str(number))
        period = _DAY_MS if number < daily else _HOUR_MS
        low, high = noise.cron_services_range
        chosen = _one_a_vertex(sample(stream, loaded, len(loaded)), int(stream.integers(low, high + 1)))
        start_at = parameters.start_at + 60_000 * int(stream.random() * period / 60_000)
        while start_at < parameters.end_at:
            for rule in chosen:
                if chance(stream, _CRON_HITS):
                    jitter = round(20_000 * stream.random())
                    spells[rule.key].append(_spell(start_at + jitter, uniform(stream, _CRON_SECONDS), CRON, stream))
            start_at += period


def _one_a_vertex(rules: Sequence[Rule], count: int) -> list[Rule]:
    first: dict[str, Rule] = {}
    for rule in rules:
        first.setdefault(rule.vertex, rule)
        if len(first) == count:
            break
    return list(first.values())


def _add_deploy_blips(
    spells: defaultdict[str, list[Spell]],
    rules: Sequence[Rule],
    deployments: Sequence[Deployment],
    noise: Noise,
    stream: Generator,
) -> None:
    touched: defaultdict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        if rule.aspect in _DEPLOY_ASPECTS:
            touched[rule.vertex].append(rule)
    for deployment in deployments:
        if chance(stream, noise.deploy_blip_share) and (choices := touched.get(deployment.vertex)):
            start_at = deployment.start_at + round(1000 * uniform(stream, (5.0, 60.0)))
            seconds = uniform(stream, _DEPLOY_BLIP_SECONDS)
            spells[pick(stream, choices).key].append(_spell(start_at, seconds, DEPLOY, stream))


def _moment(parameters: Parameters, stream: Generator) -> int:
    return parameters.start_at + int(stream.random() * (parameters.end_at - parameters.start_at))


def _spell(start_at: int, seconds: float, origin: Origin, stream: Generator, pod_mark: float | None = None) -> Spell:
    mark = round(stream.random(), 4) if pod_mark is None else pod_mark
    return Spell(start_at=start_at, lasting_ms=max(1000, round(1000 * seconds)), pod_mark=mark, origin=origin)
