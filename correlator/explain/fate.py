"""Explain what became of one alert, and what it would have needed to page."""

from __future__ import annotations

import msgspec

from correlator.domain import AlertEvent, Disposition, Severity, rfc3339
from correlator.engine.decisions import Decision, Verdict
from correlator.engine.engine import Engine
from correlator.engine.state import Node
from correlator.engine.view import View
from correlator.explain import paging, wording
from correlator.explain.course import Course, Said
from correlator.explain.tree import grounds, members
from correlator.explain.values import Fate, Judgement, Member, Need

_PENDING = "pending"


class _Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the alert's node when its fate is told."""

    reason: str
    disposition: Disposition | None
    incident_id: str | None
    judgement: Judgement | None
    member: Member | None
    node: Node
    at: int
    neighbours: list[str]


class AlertListener:
    """Listen for one alert, by its event's id or its fingerprint; of several episodes the last one counts."""

    def __init__(self, alert: str) -> None:
        self._alert = alert
        self._decision: Decision | None = None
        self._partition = 0
        self._settled: dict[tuple[str, int], _Settled] = {}
        self._nodes: set[tuple[str, int]] = set()

    def __call__(self, said: Said) -> None:
        output = said.output
        if isinstance(output, Decision) and self._alert in (output.event_id, output.fingerprint):
            # A repeat or an end of a later time says less than the firing that it is about.
            if output.disposition is None or self._decision is None or output.event_id == self._alert:
                self._decision, self._partition = output, said.partition
            self._nodes.add((output.scope, output.node))
        elif isinstance(output, Verdict) and (output.scope, output.node) in self._nodes:
            self._settled[output.scope, output.node] = _settled(said.engine, output.scope, output.node, output)

    def finish(self, course: Course, *, try_changes: bool) -> Fate | None:
        """Return the alert's fate, None where it never came."""
        decision = self._decision
        if decision is None:
            return None
        event = next(
            item.what
            for item in course.items
            if isinstance(item.what, AlertEvent) and item.what.id == decision.event_id
        )
        settled = self._settled.get((decision.scope, decision.node)) or self._pending(course, decision)
        if settled is None:
            return _fate(event, decision, None, [])
        suppressed = settled.incident_id is None and settled.judgement is not None
        needs = _needs(course, self._partition, event, settled) if suppressed and try_changes else []
        return _fate(event, decision, settled, needs)

    def why_not(self) -> str:
        """Say why there is nothing to explain."""
        return f"no alert {self._alert} is in this input: give the id of an event, or a fingerprint"

    def _pending(self, course: Course, decision: Decision) -> _Settled | None:
        """Return what is known of an alert that nothing was decided on at the end of the input."""
        engine = dict(course.numbered())[self._partition]
        scope = engine.state.scopes[decision.scope]
        return _settled(engine, decision.scope, decision.node, None) if decision.node in scope.nodes else None


def _settled(engine: Engine, scope: str, key: int, verdict: Verdict | None) -> _Settled:
    view = engine.view(scope)
    node = view.scope.nodes[key]
    incident = view.scope.incidents.get(node.incident)
    published = incident is not None and incident.revision > 0
    judged = paging.judgement(view, incident) if incident is not None and not published else None
    tree = members(grounds(view, incident)) if incident is not None and published else []
    reason = verdict.reason if verdict is not None else (incident.why_not if incident and not published else "")
    return _Settled(
        reason=str(reason) or _PENDING,
        disposition=verdict.disposition if verdict is not None else None,
        incident_id=incident.id if incident is not None and published else None,
        judgement=judged,
        member=next((member for member in tree if member.node == key), None),
        # The engine goes on with its own.
        node=msgspec.msgpack.decode(msgspec.msgpack.encode(node), type=Node),
        at=view.now,
        neighbours=_neighbours(view, node.service),
    )


def _neighbours(view: View, service: str) -> list[str]:
    """Return who would be likely to alert with a service in trouble: dependents first, then what it depends on."""
    below = [name for name, _ in view.graph.dependencies(service)]
    return list(dict.fromkeys([*view.graph.dependents(service), *below]))


def _needs(course: Course, partition: int, event: AlertEvent, settled: _Settled) -> list[Need]:
    since = settled.node.arrived_at
    reach = since + 1000 * paging.REACH_SECONDS
    until = next((place for place, item in enumerate(course.items) if item.at > max(reach, settled.at)), None)
    stretch = course.stretch(partition, event.scope, since, len(course.items) if until is None else until)
    case = paging.Case(stretch, settled.node, settled.at, settled.neighbours)
    return [] if case.as_it_was().pages else case.needs()


def _fate(event: AlertEvent, decision: Decision, settled: _Settled | None, needs: list[Need]) -> Fate:
    final = decision.disposition if decision.disposition is not None or settled is None else settled.disposition
    if final is Disposition.SUPPRESSED and decision.disposition is None and settled is not None:
        reason = settled.reason
    else:
        reason = str(decision.reason) if decision.disposition is not None or settled is None else settled.reason
    return Fate(
        event_id=event.id,
        fingerprint=event.fingerprint,
        name=event.name,
        service=event.service,
        scope=event.scope,
        severity=Severity(event.severity),
        arrived_at=rfc3339(event.observed_at),
        disposition=final,
        reason=reason,
        words=wording.reason(reason)
        if settled is None or decision.disposition is not None
        else paging.sentence(reason, settled.judgement),
        incident_id=None if settled is None else settled.incident_id,
        member=None if settled is None else settled.member,
        judgement=None if settled is None else settled.judgement,
        needs=needs,
    )
