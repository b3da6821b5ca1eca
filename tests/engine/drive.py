"""Drive an engine by hand: short ways to make graphs and events, and the laws that everything it says must keep."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import msgspec

from correlator.config import EngineConfig
from correlator.domain import Action, AlertEvent, IncidentEvent, IncidentStatus, Severity, Status
from correlator.engine.decisions import Decision, Output, Verdict
from correlator.engine.engine import Engine
from topology.graph import Dependency, Service, ServiceGraph, TopologyDocument

START = 1_700_000_000_000  # a whole second, like any other
DAY = 86_400


def graph_of(dependencies: Mapping[str, Sequence[str]], owners: Mapping[str, str] | None = None) -> ServiceGraph:
    """Return the graph in which each key depends on each of its values."""
    names = dict.fromkeys([*dependencies, *(callee for callees in dependencies.values() for callee in callees)])
    return ServiceGraph(
        TopologyDocument(
            services=tuple(Service(name=name, owner=(owners or {}).get(name)) for name in names),
            dependencies=tuple(
                Dependency(source=caller, to=callee) for caller, callees in dependencies.items() for callee in callees
            ),
        )
    )


def event(
    service: str,
    name: str,
    second: float = 0,
    status: Status = Status.FIRING,
    *,
    started: float | None = None,
    ends: float | None = None,
    severity: Severity = Severity.CRITICAL,
    scope: str = "default",
    instance: str = "",
    id: str = "",
    summary: str = "",
) -> AlertEvent:
    """Return an event that arrives `second` seconds after the start, by default on an alert that began right then."""
    arrival = START + round(second * 1000)
    return AlertEvent(
        id=id or f"{scope}/{service}/{name}/{instance}@{second:g}{status}",
        status=status,
        name=name,
        service=service,
        fingerprint=f"{service}/{name}",
        starts_at=arrival if started is None else START + round(started * 1000),
        ends_at=None if ends is None else START + round(ends * 1000),
        observed_at=arrival,
        scope=scope,
        severity=severity,
        instance=instance,
        summary=summary,
    )


def resolved(service: str, name: str, second: float, *, started: float, scope: str = "default") -> AlertEvent:
    return event(service, name, second, Status.RESOLVED, started=started, ends=second, scope=scope)


def run(events: Iterable[AlertEvent], graph: ServiceGraph | None = None, config: EngineConfig | None = None) -> Run:
    """Apply the events in their order of arrival, then let time go on until nothing is pending."""
    engine = Engine(config or EngineConfig(), graph=graph)
    said: list[Output] = []
    for one in events:
        said += engine.on_event(one, one.observed_at)
    return Run([*said, *to_the_end(engine)])


def to_the_end(engine: Engine) -> list[Output]:
    """Let time go on until nothing is pending; an engine that never comes to rest is an error, not a hang."""
    said: list[Output] = []
    for _ in range(100_000):
        due = engine.next_due()
        if due is None:
            return said
        said += engine.tick(due)
    raise AssertionError("the engine never comes to rest")


class Run:
    """What an engine said, sorted by what it is about."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        self.outputs = outputs
        self.decisions = [output for output in outputs if isinstance(output, Decision)]
        self.verdicts = [output for output in outputs if isinstance(output, Verdict)]
        self.published = [output for output in outputs if isinstance(output, IncidentEvent)]
        self.histories: dict[str, list[IncidentEvent]] = defaultdict(list)
        for output in self.published:
            self.histories[output.incident_id].append(output)

    @property
    def pages(self) -> int:
        return sum(output.page for output in self.published)

    def encoded(self) -> bytes:
        return msgspec.json.encode(self.outputs)


def broken_laws(run: Run) -> list[str]:
    """Return which laws of an incident's life a finished run broke, in words."""
    found = []
    for incident_id, history in run.histories.items():
        found += [f"{incident_id}: {law}" for law in _broken_by(history)]
    for node, times in Counter((verdict.scope, verdict.node) for verdict in run.verdicts).items():
        if times != 1:
            found.append(f"node {node} has {times} verdicts")
    judged = {(verdict.scope, verdict.node) for verdict in run.verdicts}
    for decision in run.decisions:
        if decision.node and (decision.scope, decision.node) not in judged:
            found.append(f"the node of {decision.event_id} has no verdict")
        if decision.disposition is None and not decision.node:
            found.append(f"nothing will decide on {decision.event_id}")
    for verdict in run.verdicts:
        if verdict.incident_id is not None and verdict.incident_id not in run.histories:
            found.append(f"node {verdict.node} went into {verdict.incident_id}, which was never published")
    for one in run.published:
        if one.merged_into is not None and one.merged_into not in run.histories:
            found.append(f"{one.incident_id} was merged into {one.merged_into}, which was never published")
        if one.split_from is not None and one.split_from not in run.histories:
            found.append(f"{one.incident_id} was split from {one.split_from}, which was never published")
    return found


def _broken_by(history: Sequence[IncidentEvent]) -> Iterable[str]:
    actions = [one.action for one in history]
    if [one.revision for one in history] != list(range(1, len(history) + 1)):
        yield f"revisions {[one.revision for one in history]}"
    if actions[0] is not Action.OPENED or actions.count(Action.OPENED) != 1:
        yield f"actions {actions}: opened first and once"
    for before, after in pairwise(actions):
        if (before in (Action.RESOLVED, Action.MERGED)) != (after is Action.REOPENED):
            yield f"{after} after {before}"
    if actions[-1] not in (Action.RESOLVED, Action.MERGED):
        yield f"it ends {actions[-1]}"
    for one in history:
        ends = one.action in (Action.RESOLVED, Action.MERGED)
        if ends != (one.status is IncidentStatus.RESOLVED) or ends != (one.resolved_at is not None):
            yield f"{one.action} with status {one.status}, resolved at {one.resolved_at}"
        if one.page and one.action not in (Action.OPENED, Action.REOPENED, Action.UPDATED):
            yield f"{one.action} pages"
        if one.action is Action.RESOLVED and one.alerts.firing != 0:
            yield f"{one.alerts.firing} alerts fire when it is resolved"
        if (one.merged_into is not None) != (one.action is Action.MERGED):
            yield f"{one.action} with merged_into {one.merged_into}"
        if one.merged_into == one.incident_id:
            yield "merged into itself"
        if len(one.title) > 200 or len(one.alerts.sample) > 50 or one.alerts.firing > one.alerts.total:
            yield f"out of bounds: {len(one.title)}, {len(one.alerts.sample)}, {one.alerts}"
    times = [one.published_at for one in history]
    if times != sorted(times):
        yield f"published at {times}"
