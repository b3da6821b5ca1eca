"""Equip the vertices with alert rules, each with its own threshold, patience and clock."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from numpy.random import Generator

from correlator.simulator.aspects import Aspect
from correlator.simulator.draws import Streams, chance, hexadecimal, pick, sample, uniform
from correlator.simulator.parameters import Monitoring
from correlator.simulator.rulebook import STYLES, TEMPLATES, WATCHED
from correlator.simulator.system import Bond, System, Vertex, VertexKind

#: Seconds between scrapes of one target and between evaluations of one rule.
_SCRAPE_SECONDS = (15, 15, 30, 60)
_EVALUATION_SECONDS = (15, 30, 30, 60)

#: A rule falls silent only when the level is this share below its threshold: most have none, some do.
_HYSTERESIS = (1.0, 1.0, 0.9, 0.8)

#: A mesh reports on so many of a caller's calls at most; the rest are not worth a rule to anyone.
_MOST_CALL_RULES = 8

#: A replica feels its service's trouble more or less than the service as a whole.
_POD_GAINS = (0.7, 1.1)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One alert rule on a vertex, or on its calls to `callee`.

    The level becomes visible at the next scrape, is judged at every evaluation, and must stay above `threshold` for
    `hold_ms`. `pods` are the series that fire apart, with the gain of each; empty: one series for the service.
    """

    key: str
    vertex: str
    aspect: Aspect
    callee: str | None = None
    name: str
    severity: str
    threshold: float
    release: float
    hold_ms: int
    scrape: tuple[int, int]
    evaluation: tuple[int, int]
    pods: tuple[tuple[str, float], ...] = ()


def rules_of(system: System, monitoring: Monitoring, streams: Streams) -> list[Rule]:
    """Return all rules, by vertex and aspect."""
    rules: list[Rule] = []
    for vertex in system.vertices:
        stream = streams.of("monitored", vertex.name)
        host = vertex.kind is VertexKind.HOST
        if not chance(stream, monitoring.unmonitored_host_share if host else monitoring.unmonitored_share):
            rules += _rules_at(vertex, system, monitoring, streams)
    return rules


def style_of(vertex: Vertex, streams: Streams) -> int:
    """Return the naming style of the vertex's owner; a team keeps one style."""
    return int(streams.of("style", vertex.owner or vertex.name).integers(STYLES))


def change_rule(vertex: Vertex, streams: Streams) -> Rule:
    """Return the pseudo-rule by which deployments of a vertex are announced."""
    return Rule(
        key=f"{vertex.name}/{Aspect.CHANGE}",
        vertex=vertex.name,
        aspect=Aspect.CHANGE,
        name=TEMPLATES[Aspect.CHANGE].names[style_of(vertex, streams)].format(service=vertex.name),
        severity="info",
        threshold=1.0,
        release=1.0,
        hold_ms=0,
        scrape=(1, 0),
        evaluation=(1, 0),
    )


def _rules_at(vertex: Vertex, system: System, monitoring: Monitoring, streams: Streams) -> Iterator[Rule]:
    style = style_of(vertex, streams)
    scrape = _grid(streams.of("scrape", vertex.name), _SCRAPE_SECONDS)
    pods = _pods(vertex, monitoring, streams.of("pods", vertex.name))
    for aspect, callee in _watched(vertex, system, monitoring, streams):
        key = f"{vertex.name}/{aspect}" + (f"/{callee}" if callee else "")
        stream = streams.of("rule", key)
        if chance(stream, monitoring.missing_rule_share):
            continue
        template = TEMPLATES[aspect]
        threshold = uniform(stream, monitoring.threshold_range)
        yield Rule(
            key=key,
            vertex=vertex.name,
            aspect=aspect,
            callee=callee,
            name=template.names[style].format(service=vertex.name),
            severity=pick(stream, template.severities),
            threshold=threshold,
            release=round(threshold * pick(stream, _HYSTERESIS), 4),
            hold_ms=1000 * pick(stream, monitoring.hold_seconds),
            scrape=scrape,
            evaluation=_grid(stream, _EVALUATION_SECONDS),
            pods=pods if template.per_pod and chance(stream, monitoring.per_pod_share) else (),
        )


def _watched(
    vertex: Vertex, system: System, monitoring: Monitoring, streams: Streams
) -> Iterator[tuple[Aspect, str | None]]:
    """Yield what the rules of a vertex may watch; only consumers have a lag, only the meshed know their calls."""
    ties = [system.links[position].tie for position in system.dependencies(vertex.name)]
    consumer = vertex.kind is VertexKind.QUEUE or any(tie.bond is Bond.CONSUMES for tie in ties)
    aspects = [aspect for aspect in WATCHED[vertex.kind] if aspect is not Aspect.LAG or consumer]
    for aspect in sorted(sample(streams.of("watched", vertex.name), aspects, monitoring.rule_kinds)):
        yield aspect, None
    if vertex.kind is not VertexKind.SERVICE or not chance(streams.of("mesh", vertex.name), monitoring.mesh_share):
        return
    callees = [tie.dependency for tie in ties if tie.bond in (Bond.CALLS, Bond.DEPENDS_ON)]
    for callee in callees[:_MOST_CALL_RULES]:
        yield Aspect.CALL_LATENCY, callee
        yield Aspect.CALL_ERRORS, callee


def _grid(stream: Generator, periods: tuple[int, ...]) -> tuple[int, int]:
    """Draw a period and its offset, in milliseconds."""
    period = 1000 * pick(stream, periods)
    return period, int(stream.random() * period)


def _pods(vertex: Vertex, monitoring: Monitoring, stream: Generator) -> tuple[tuple[str, float], ...]:
    if vertex.kind not in (VertexKind.SERVICE, VertexKind.DATASTORE):
        return ()
    count = 1 + int(stream.random() * monitoring.most_pods)
    deployment = f"{vertex.name}-{hexadecimal(stream, 9)}"
    return tuple((f"{deployment}-{hexadecimal(stream, 5)}", uniform(stream, _POD_GAINS)) for _ in range(count))
