"""What an alert says of itself: labels, service or not, and a summary of template, numbers, ids and blame."""

from __future__ import annotations

import math

import msgspec
from numpy.random import Generator

from correlator.simulator.aspects import Aspect
from correlator.simulator.draws import Streams, chance, hexadecimal, pick
from correlator.simulator.firing import Firing
from correlator.simulator.parameters import Delivery
from correlator.simulator.rulebook import TEMPLATES, Template
from correlator.simulator.spread import Spread
from correlator.simulator.system import Bond, System, Vertex, VertexKind

_BLAMING = frozenset(
    {Aspect.LATENCY, Aspect.TAIL, Aspect.ERRORS, Aspect.BUDGET, Aspect.POOL, Aspect.CALL_LATENCY, Aspect.CALL_ERRORS}
)
_PHRASES = ("calls to {callee} failing", "timeout talking to {callee}", "upstream {callee} slow")
_TRACES = ("trace {id}", "request id {id}", "sample {id}")
_CHANGES = ("{service} rolled out build {id}", "{service} released {id}", "flag toggled on {service}, change {id}")


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """All that the events of one firing have in common."""

    name: str
    service: str | None
    entity: str | None
    severity: str | None
    labels: dict[str, str]
    edge: dict[str, str] | None
    summary: str
    value: float
    threshold: float


class Wording:
    """The words of every firing."""

    def __init__(self, system: System, delivery: Delivery, streams: Streams) -> None:
        self._system = system
        self._delivery = delivery
        self._streams = streams
        self._places: dict[str, _Place] = {}

    def notice(self, firing: Firing, spread: Spread | None) -> Notice:
        """Return what a firing says; `spread` is that of the fault that made it."""
        rule = firing.rule
        stream = self._streams.of("words", rule.key, firing.pod or "", str(firing.start_at))
        template = TEMPLATES[rule.aspect]
        place = self._place(self._system.by_name[rule.vertex])
        limit, value = _figures(template, rule.threshold, stream.random())
        where = firing.pod or rule.vertex
        if rule.aspect is Aspect.CHANGE:
            summary = pick(stream, _CHANGES).format(service=rule.vertex, id=hexadecimal(stream, 7))
        else:
            summary = f"{rule.name}: " + template.text.format(where=where, value=f"{value:g}", limit=f"{limit:g}")
            summary += self._blame(firing, spread, stream) + self._trace(stream)
        host = self._system.by_name[rule.vertex].kind is VertexKind.HOST
        return Notice(
            name=rule.name,
            service=place.service,
            entity=firing.pod or (rule.vertex if host else None),
            severity=None if place.severity_in_labels else rule.severity,
            labels=place.labels | {"severity": rule.severity} | ({"pod": firing.pod} if firing.pod else {}),
            edge={"caller": rule.vertex, "callee": rule.callee} if rule.callee else None,
            summary=summary,
            value=value,
            threshold=limit,
        )

    def _place(self, vertex: Vertex) -> _Place:
        place = self._places.get(vertex.name)
        if place is None:
            place = self._places[vertex.name] = _place(vertex, self._delivery, self._streams.of("place", vertex.name))
        return place

    def _blame(self, firing: Firing, spread: Spread | None, stream: Generator) -> str:
        """Name a failing callee where the alert is of calls; the wrong one as often as people do."""
        others = self._system.callees(firing.rule.vertex)
        if firing.rule.aspect not in _BLAMING or not others or not chance(stream, self._delivery.mention_share):
            return ""
        guilty = firing.rule.callee or self._guilty(firing.rule.vertex, spread)
        innocent = [name for name in others if name != guilty]
        if innocent and (guilty is None or chance(stream, self._delivery.wrong_mention_share)):
            guilty = pick(stream, innocent)
        return "" if guilty is None else "; " + pick(stream, _PHRASES).format(callee=guilty)

    def _guilty(self, vertex: str, spread: Spread | None) -> str | None:
        """Return the dependency through which the fault came; None at its root, below a host, and for noise."""
        reach = spread.troubled.get(vertex) if spread else None
        if reach is None or reach.via is None or reach.downwards:
            return None
        tie = self._system.links[reach.via].tie
        return None if tie.bond is Bond.RUNS_ON else tie.dependency

    def _trace(self, stream: Generator) -> str:
        if not chance(stream, 0.5):
            return ""
        return " (" + pick(stream, _TRACES).format(id=hexadecimal(stream, 16)) + ")"


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    """How the alerts of a vertex say where they are."""

    service: str | None
    severity_in_labels: bool
    labels: dict[str, str]


def _figures(template: Template, threshold: float, excess: float) -> tuple[float, float]:
    """Return a limit and a value above it that a human would believe: counts are whole, shares end at 100 %."""
    limit = template.limit * (0.75 + 0.4 * threshold)
    most = min(100.0, 2 * limit) if template.unit == "%" else 2 * limit
    value = limit + (most - limit) * (0.05 + 0.95 * excess)
    if template.unit == "":
        return float(math.floor(limit)), float(math.floor(limit) + math.ceil(value - limit))
    return round(limit, 2), round(value, 2)


def _place(vertex: Vertex, delivery: Delivery, stream: Generator) -> _Place:
    """Draw how a vertex is named: by the field, by labels alone, or by a name that no graph knows."""
    mark = stream.random()
    labels = {"cluster": "prod", "team": vertex.owner} if vertex.owner else {"cluster": "prod"}
    if vertex.kind is VertexKind.HOST:
        labels["node"] = vertex.name
    if mark < delivery.unknown_service_share:
        return _Place(service=f"{vertex.name}.{vertex.owner or 'ext'}.svc", severity_in_labels=False, labels=labels)
    if mark < delivery.unknown_service_share + delivery.labels_only_share:
        key = pick(stream, ("service", "app", "service_name"))
        return _Place(service=None, severity_in_labels=True, labels=labels | {key: vertex.name})
    return _Place(service=vertex.name, severity_in_labels=False, labels=labels)
