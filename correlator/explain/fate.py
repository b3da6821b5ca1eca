"""Explain what became of one alert, and what it would have needed to page."""

from __future__ import annotations

import msgspec

from correlator.domain import AlertEvent, Disposition, IncidentEvent, Severity, rfc3339
from correlator.engine.decisions import Decision, Verdict
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
        self._places: dict[tuple[str, int], Member] = {}
        self._nodes: set[tuple[str, int]] = set()

    def __call__(self, said: Said) -> None:
        output = said.output
        if isinstance(output, Decision) and self._alert in (output.event_id, output.fingerprint):
            # A repeat or an end of a later time says less than the firing that it is about.
            if output.disposition is None or self._decision is None or output.event_id == self._alert:
                self._decision, self._partition = output, said.partition
            self._nodes.add((output.scope, output.node))
        elif isinstance(output, IncidentEvent):
            self._note_places(said.engine.view(output.scope), output.incident_id)
        elif isinstance(output, Verdict):
            self._note_verdict(said.engine.view(output.scope), output)

    def _note_places(self, view: View, incident_id: str) -> None:
        """Remember the places of the alert's nodes in an incident, as it was last told."""
        incident = view.scope.incidents[incident_id]
        watched = [key for key in incident.nodes if (view.scope.name, key) in self._nodes]
        if watched:
            for member in members(grounds(view, incident)):
                if member.node in watched:
                    self._places[view.scope.name, member.node] = member

    def _note_verdict(self, view: View, verdict: Verdict) -> None:
        """Remember what an incident was judged by, before any of its nodes is gone, and the fate of the alert's own."""
        scope = verdict.scope
        incident = view.scope.incidents[view.scope.nodes[verdict.node].incident]
        for key in incident.nodes:
            if (scope, key) in self._nodes and key in view.scope.nodes and (scope, key) not in self._settled:
                self._settled[scope, key] = _settled(view, key)
        if (scope, verdict.node) in self._nodes:
            known = self._settled[scope, verdict.node]
            self._settled[scope, verdict.node] = msgspec.structs.replace(
                known,
                reason=str(verdict.reason),
                disposition=verdict.disposition,
                member=self._places.get((scope, verdict.node)),
            )

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
        view = dict(course.numbered())[self._partition].view(decision.scope)
        if decision.node not in view.scope.nodes:
            return None
        place = self._places.get((decision.scope, decision.node))
        return msgspec.structs.replace(_settled(view, decision.node), member=place)


def _settled(view: View, key: int) -> _Settled:
    node = view.scope.nodes[key]
    incident = view.scope.incidents.get(node.incident)
    published = incident is not None and incident.revision > 0
    return _Settled(
        reason=(incident.why_not if incident is not None and not published else "") or _PENDING,
        disposition=None,
        incident_id=incident.id if incident is not None and published else None,
        judgement=paging.judgement(view, incident) if incident is not None and not published else None,
        member=None,
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
