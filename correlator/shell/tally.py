"""Counts what the engines say: every event once, under what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from correlator.domain import Action, Disposition, IncidentEvent, IncidentStatus, Severity
from correlator.engine.decisions import Decision, Heard, Output, Reason, Verdict
from correlator.engine.state import State
from correlator.shell.metrics import NO_TEAM, Metrics


class Tally:
    """Turns the outputs of one partition's engine into counters.

    What became of a firing is known with the verdict on its node; until then it counts as pending.
    """

    def __init__(self, metrics: Metrics, state: State) -> None:
        self._metrics = metrics
        self._state = state
        self._pending: Counter[tuple[str, int]] = Counter()
        self._settled: Counter[tuple[Disposition, Reason]] = Counter()
        self._applied = 0
        self._flapping = 0

    @property
    def pending(self) -> int:
        return self._pending.total()

    def count(self, output: Output) -> None:
        """Count one output, before the next is asked for: an incident's figures are of its own time."""
        if isinstance(output, Decision):
            self._applied += 1
            self._flapping += output.reason is Reason.FLAPPING
            if output.disposition is None:
                self._pending[output.scope, output.node] += 1
            else:
                self._settled[output.disposition, output.reason] += 1
        elif isinstance(output, Verdict):
            self._verdict(output)
        elif isinstance(output, Heard):
            self._metrics.feedback_heard.labels(output.action, output.outcome).inc()
        else:
            self._incident(output)

    def _verdict(self, verdict: Verdict) -> None:
        count = self._pending.pop((verdict.scope, verdict.node), 0)
        if count and verdict.opening_event is not None:
            self._settled[Disposition.OPENED, verdict.reason] += 1
            count -= 1
        self._settled[verdict.disposition, verdict.reason] += count

    def show(self) -> None:
        """Add to the metrics what was counted since the last time: one step a batch, not one an event."""
        for fate, count in self._settled.items():
            self._metrics.events.labels(*fate).inc(count)
        self._settled.clear()
        self._metrics.events_applied.inc(self._applied)
        self._metrics.flapping.inc(self._flapping)
        self._applied = self._flapping = 0

    def _incident(self, event: IncidentEvent) -> None:
        team = self._metrics.team_word(event.owner.team) if event.owner else NO_TEAM
        if event.page:
            self._metrics.pages.labels(team, event.severity).inc()
        if event.action is Action.OPENED:
            self._metrics.opened.labels(team, event.severity).inc()
            self._metrics.detection.observe(_seconds(event.started_at, event.opened_at))
            scope = self._state.scopes.get(event.scope)
            incident = scope.incidents.get(event.incident_id) if scope else None
            if incident is not None:
                self._metrics.delay.observe(max(0, incident.published_at - incident.created_at) / 1000)
        elif event.action in (Action.RESOLVED, Action.MERGED):
            self._metrics.incident_alerts.observe(event.alerts.total)
            if event.action is Action.RESOLVED:
                self._metrics.duration.observe(_seconds(event.opened_at, event.published_at))


def _seconds(begin: str, end: str) -> float:
    """Return the time from one instant to another; a sender's clock may be ahead of ours."""
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds())


def open_incidents(states: Iterable[State]) -> Counter[Severity]:
    """Count the published incidents that are not resolved."""
    return Counter(
        incident.severity
        for state in states
        for scope in state.scopes.values()
        for incident in scope.incidents.values()
        if incident.revision and incident.status is not IncidentStatus.RESOLVED
    )
