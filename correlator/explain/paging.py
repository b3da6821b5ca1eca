"""Why an alert's incident did not page, and what it would have needed: each change is applied and watched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from correlator.domain import AlertEvent, IncidentEvent, Severity, Status
from correlator.engine import background, worth
from correlator.engine.decisions import Output
from correlator.engine.engine import Engine
from correlator.engine.state import Incident, Node
from correlator.engine.view import View
from correlator.explain import edits, wording
from correlator.explain.course import Stretch
from correlator.explain.edits import Edit
from correlator.explain.turning import least
from correlator.explain.values import Judgement, Need

_LONGEST_SECONDS = 7200
_AFTERWARDS_SECONDS = 900  # for a hold and a lease
#: For so long after its first arrival an alert's course is gone through.
REACH_SECONDS = _LONGEST_SECONDS + _AFTERWARDS_SECONDS
_MOST_TIMES_RARER = 1000
_COMPANIONS = 3
_RANKED = (Severity.WARNING, Severity.ERROR, Severity.CRITICAL)
_DAY_SECONDS = 86_400
_DIGITS = 4


def judgement(view: View, incident: Incident) -> Judgement:
    """Return what an incident that has not paged is judged by now."""
    members = view.members(incident)
    explainer = view.explainer
    severity = max((node.severity for node in members), key=lambda severity: severity.rank)
    expected = background.expected(view.scope.background, view.config.correlation_window_seconds, view.now)
    return Judgement(
        severity=severity,
        services=list(dict.fromkeys(node.service for node in members)),
        gain=round(worth.odds(incident, view.scope.nodes, explainer, view.config), _DIGITS),
        faults_of_late=round(explainer.fault_odds, _DIGITS),
        real=incident.real,
        threshold=worth.needed(members, explainer, view.config, expected),
        firing=any(node.firing for node in members),
        lasted_seconds=max(explainer.age_ms(node) for node in members) / 1000,
        firings_per_day={
            f"{node.service}: {name}": round(_DAY_SECONDS * explainer.background(node.service, name), _DIGITS)
            for node in members
            for name in node.names
        },
    )


class Case:
    """One node that did not page, to be gone through again with something changed."""

    def __init__(self, stretch: Stretch, node: Node, judged_at: int, neighbours: Sequence[str]) -> None:
        self._stretch = stretch
        self._node = node
        self._judged_at = judged_at
        self._fingerprints = list(node.members)
        self._neighbours = neighbours

    def needs(self) -> list[Need]:
        """Return changes and whether the node's incident pages with them; those that find the least, by search."""
        found = [self._need(edit) for edit in self._simple()]
        for need in (self._longer(), self._rarer()):
            if need is not None:
                found.append(need)
        return sorted(found, key=lambda need: not need.pages)

    def as_it_was(self) -> Need:
        return self._need(edits.NOTHING)

    def _need(self, edit: Edit, seconds: int = 0) -> Need:
        after = self._paged_after(edit, seconds)
        return Need(change=edit.words, pages=after is not None, after_seconds=after)

    def _paged_after(self, edit: Edit, seconds: int) -> float | None:
        """Return how long after the node's first arrival its incident pages, None where it does not."""
        paged_at: list[int] = []

        def witness(engine: Engine, output: Output) -> None:
            if isinstance(output, IncidentEvent) and output.page and self._holds(engine, output.incident_id):
                paged_at.append(engine.now)

        until = max(self._judged_at, self._node.onset_at + 1000 * seconds) + 1000 * _AFTERWARDS_SECONDS
        self._stretch.again(edit, until, witness)
        return (min(paged_at) - self._node.arrived_at) / 1000 if paged_at else None

    def _holds(self, engine: Engine, incident_id: str) -> bool:
        scope = engine.state.scopes[self._stretch.scope]
        alerts = (scope.alerts.get(name) for name in self._fingerprints)
        nodes = (scope.nodes.get(alert.node) for alert in alerts if alert is not None)
        return any(node is not None and node.incident == incident_id for node in nodes)

    def _simple(self) -> Iterator[Edit]:
        for severity in _RANKED:
            if severity.rank > self._node.severity.rank:
                yield edits.graver(self._fingerprints, severity)
        service = self._node.service
        kind = "HighErrorRate" if not any("Error" in name for name in self._node.names) else "HighLatency"
        yield edits.also(f"if {service} had also reported {kind} then", self._event(service, kind))
        for name in self._neighbours[:_COMPANIONS]:
            yield edits.also(f"if {name} had reported HighErrorRate too", self._event(name, "HighErrorRate"))

    def _event(self, service: str, name: str) -> AlertEvent:
        node = self._node
        return AlertEvent(
            id=f"added:{service}/{name}",
            status=Status.FIRING,
            name=name,
            service=service,
            fingerprint=f"added:{service}/{name}",
            starts_at=node.onset_at,
            observed_at=node.arrived_at,
            scope=self._stretch.scope,
            severity=node.severity,
        )

    def _longer(self) -> Need | None:
        """Find for how long it would have had to fire."""

        def edit(seconds: int) -> Edit:
            return edits.lasting(self._fingerprints, self._node.onset_at, seconds)

        lasted = max(0, round((self._node.ended_at - self._node.onset_at) / 1000)) if not self._node.firing else 0
        if lasted >= _LONGEST_SECONDS:
            return None
        seconds = least(lasted, _LONGEST_SECONDS, lambda seconds: self._need(edit(seconds), seconds).pages)
        return self._need(edit(seconds or _LONGEST_SECONDS), seconds or _LONGEST_SECONDS)

    def _rarer(self) -> Need | None:
        """Find how many times rarer its rules would have to be, by what was learned."""
        node = self._node
        scope_rates = self._learned()
        if not scope_rates:
            return None

        def edit(factor: int) -> Edit:
            words = f"if {' and '.join(scope_rates)} had fired {factor} times as seldom on {node.service} before"
            return edits.rarer(node.service, scope_rates, factor, words)

        factor = least(1, _MOST_TIMES_RARER, lambda factor: self._need(edit(factor)).pages)
        return self._need(edit(factor or _MOST_TIMES_RARER))

    def _learned(self) -> list[str]:
        """Return those of the node's rules that fired on its service before."""
        return self._stretch.fired_before(self._node.service, list(self._node.names))


def sentence(reason: str, judged: Judgement | None) -> str:
    """Say why in one sentence, with its numbers."""
    words = wording.reason(reason)
    if judged is None or reason not in ("background", "transient"):
        return words
    rates = "; ".join(f"{name} {rate:g} a day" for name, rate in judged.firings_per_day.items())
    odds = f"{judged.real:.0%} that it is a fault, {judged.threshold:.0%} needed at severity {judged.severity}"
    late = wording.faults_of_late(judged.faults_of_late)
    lasted = f"it lasted {wording.duration(judged.lasted_seconds)}"
    return "; ".join([f"{words}: {odds}", lasted, f"by noise alone: {rates}", *([late] if late else [])])
