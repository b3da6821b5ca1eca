"""What operators say of an incident, and what comes of it.

Their word is taken, but never at the price of a page: what is resolved by hand is silent only as long as nothing new
and nothing worse comes, and whatever cannot be done as it was said is kept without any effect.
"""

from __future__ import annotations

from collections.abc import Callable

from correlator.domain import Action, Feedback, FeedbackAction, FeedbackSource, IncidentStatus, rfc3339
from correlator.engine import report
from correlator.engine.decisions import Outcome, Output
from correlator.engine.incidents import Lifecycle
from correlator.engine.lifecycle import Trigger
from correlator.engine.nodes import divide
from correlator.engine.state import Incident, Node, State
from correlator.engine.timers import Due

#: Deliveries remembered by their ids. A sender repeats for two days at most (PagerDuty's webhooks), and the operators
#: of one partition do not say so much in so long.
_MAX_HEARD = 10_000

Result = tuple[Outcome, list[Output]]


def is_repeat(state: State, delivery: str) -> bool:
    """Tell whether a delivery was heard before, and remember it."""
    if delivery in state.heard:
        return True
    if len(state.heard) >= _MAX_HEARD:
        del state.heard[next(iter(state.heard))]
    state.heard[delivery] = state.now
    return False


def act(life: Lifecycle, incident: Incident, feedback: Feedback) -> Result:
    """Do what an operator says of an incident that somebody was told of."""
    if feedback.action not in _ACTS:
        return Outcome.KEPT, []
    if incident.status is IncidentStatus.RESOLVED and not (
        feedback.action is FeedbackAction.REOPEN and incident.ended_by_hand
    ):
        return Outcome.ENDED, []
    if feedback.action in _STANDINGS:
        said_at = feedback.said_at
        if said_at < incident.said_at:
            return Outcome.LATE, []
        incident.said_at = said_at
    return _ACTS[feedback.action](life, incident, feedback)


def _acknowledge(life: Lifecycle, incident: Incident, feedback: Feedback) -> Result:
    if incident.status is IncidentStatus.ACKNOWLEDGED:
        return Outcome.KEPT, []
    incident.status = IncidentStatus.ACKNOWLEDGED
    return Outcome.ACTED, [life.publish(incident, Action.ACKNOWLEDGED, page=False)]


def _unacknowledge(life: Lifecycle, incident: Incident, feedback: Feedback) -> Result:
    if incident.status is not IncidentStatus.ACKNOWLEDGED:
        return Outcome.KEPT, []
    incident.status = IncidentStatus.TRIGGERED
    return Outcome.ACTED, [life.publish(incident, Action.UPDATED, page=False)]


def _resolve(life: Lifecycle, incident: Incident, feedback: Feedback) -> Result:
    """End the incident for whoever was paged; its nodes stay with it and take nothing new."""
    said = list(life.step(incident, Trigger.ENDED_BY_HAND))
    for node in life.members(incident):
        node.ended_severity = node.severity
        if life.scope.current.get(node.service) == node.id:
            del life.scope.current[node.service]
    life.due(incident, life.now + 1000)
    return Outcome.ACTED, said


def _reopen(life: Lifecycle, incident: Incident, feedback: Feedback) -> Result:
    """Take back that an operator resolved it: it pages, since whoever was paged was told that it is over."""
    if not incident.ended_by_hand:
        return Outcome.KEPT, []
    incident.note = f"It was resolved by hand at {rfc3339(incident.resolved_at)} and reopened by hand."
    said = list(life.step(incident, Trigger.PAGES_AGAIN))
    life.due(incident, life.now + 1000)
    return Outcome.ACTED, said


def _reassign(life: Lifecycle, incident: Incident, feedback: Feedback) -> Result:
    """Give the incident to somebody else, who is paged where that is for us to do.

    PagerDuty pages whom it assigns an incident to, a person of its own whom no route of ours leads to.
    """
    known = report.owner(incident, life.paths.graph, report.members_of(incident, life.scope))
    team = feedback.to or ""
    if not team or (known is not None and known.team == team):
        return Outcome.KEPT, []
    ours = feedback.source is not FeedbackSource.PAGERDUTY
    incident.team = team
    if ours:
        incident.route = ""
        incident.status = IncidentStatus.TRIGGERED
    elif known is not None:
        incident.route = known.route or known.team
    return Outcome.ACTED, [life.publish(incident, Action.UPDATED, page=ours)]


def _name_root(life: Lifecycle, incident: Incident, feedback: Feedback) -> Result:
    root = life.paths.graph.resolve(feedback.root or "") or feedback.root
    if not root or root == incident.root:
        return Outcome.KEPT, []
    incident.root_said = root
    return Outcome.ACTED, [life.publish(incident, Action.UPDATED, page=False)]


def _merge(life: Lifecycle, incident: Incident, feedback: Feedback) -> Result:
    """Let an incident go on in another one."""
    name = feedback.into or ""
    into = life.scope.incidents.get(name)
    if into is None or into is incident or not into.revision or into.status is IncidentStatus.RESOLVED:
        others = [scope for scope in life.state.scopes.values() if scope is not life.scope]
        elsewhere = any(name in scope.incidents or name in scope.ended for scope in others)
        return (Outcome.OTHER_SCOPE if elsewhere else Outcome.NO_SUCH_INCIDENT), []
    _move(life, life.members(incident), incident, into)
    for node in life.members(into):
        node.pin = into.id
    incident.merged_into = into.id
    return Outcome.ACTED, [*life.vanish(incident), life.publish(into, Action.UPDATED, page=False)]


def _split(life: Lifecycle, incident: Incident, feedback: Feedback) -> Result:
    """Make some alerts an incident of their own. It pages: whoever it is for has not heard of it as such."""
    graph = life.paths.graph
    services = {graph.resolve(name) or name for name in feedback.services}
    chosen = {node.id: _chosen(life, node, services, frozenset(feedback.alerts)) for node in life.members(incident)}
    if not any(chosen.values()):
        return (Outcome.NO_SUCH_SERVICE if services else Outcome.NO_SUCH_ALERT), []
    if all(len(chosen[node.id]) == len(node.members) for node in life.members(incident)):
        return Outcome.NOTHING_LEFT, []
    leaving = [_leave(life, incident, node, chosen[node.id]) for node in life.members(incident) if chosen[node.id]]
    other = life.begin(node.id for node in leaving)
    other.real = 1.0
    other.split_from = incident.id
    other.note = f"An operator took it out of {incident.id}."
    _move(life, leaving, incident, other)
    for each in (incident, other):
        for node in life.members(each):
            node.pin = each.id
    # What is left may be over for so long that no solving looks at it any more.
    life.due(incident, life.now + 1000)
    opened = list(life.step(other, Trigger.WORTH_A_PAGE))
    return Outcome.ACTED, [*opened, life.publish(incident, Action.UPDATED, page=False)]


def _chosen(life: Lifecycle, node: Node, services: set[str], alerts: frozenset[str]) -> list[str]:
    """Return the members of a node that are to leave; of single alerts those of which it is the current episode."""
    if node.service in services:
        return list(node.members)
    known = life.scope.alerts
    return [name for name in node.members if name in alerts and name in known and known[name].node == node.id]


def _leave(life: Lifecycle, incident: Incident, node: Node, chosen: list[str]) -> Node:
    """Return what leaves of a node: the whole of it, or a part that was made a node."""
    if len(chosen) == len(node.members):
        return node
    scope, key = life.scope, life.state.next_node
    life.state.next_node += 1
    part = scope.nodes[key] = divide(node, {name: scope.alerts[name] for name in chosen}, key, scope.alerts)
    incident.nodes.append(key)
    if part.due_at:
        part.due_at = life.timers.add(part.due_at, Due.NODE, scope.name, str(key))
    return part


def _move(life: Lifecycle, nodes: list[Node], old: Incident, new: Incident) -> None:
    for node in nodes:
        old.nodes.remove(node.id)
        new.nodes.append(node.id)
        node.incident = new.id
    new.grown_at = life.now
    for each in (old, new):
        since = min((node.onset_at for node in life.members(each)), default=0)
        for node in life.members(each):
            node.since = since


_ACTS: dict[FeedbackAction, Callable[[Lifecycle, Incident, Feedback], Result]] = {
    FeedbackAction.ACKNOWLEDGE: _acknowledge,
    FeedbackAction.UNACKNOWLEDGE: _unacknowledge,
    FeedbackAction.RESOLVE: _resolve,
    FeedbackAction.REOPEN: _reopen,
    FeedbackAction.REASSIGN: _reassign,
    FeedbackAction.WRONG_ROOT: _name_root,
    FeedbackAction.MERGE: _merge,
    FeedbackAction.SPLIT: _split,
}
#: How an incident stands is what was said last, in whatever order it is heard.
_STANDINGS = (
    FeedbackAction.ACKNOWLEDGE,
    FeedbackAction.UNACKNOWLEDGE,
    FeedbackAction.RESOLVE,
    FeedbackAction.REOPEN,
)
