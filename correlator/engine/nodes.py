"""Nodes: alerts of one service close in time are one observation with many facets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from correlator.domain import AlertEvent
from correlator.engine.state import Alert, ChangeEvent, Facet, Habit, Node, Scope

K = TypeVar("K")

_MAX_FACETS = 50  # a sample for humans
_MAX_MEMBERS = 20_000
_MAX_WORDS = 32  # of names, mentions and callers of one node
_MAX_LINKED = 8  # names of one node whose links are kept: a page shows those of one or two
_MAX_NAMES = 10_000  # of rules and of changed services in a scope; the oldest go first
_MAX_CHANGES = 5  # remembered for a service
_CHANGE_MEMORY_MS = 3_600_000
_TOKEN = re.compile(r"[A-Za-z0-9_.\-]+")


def current(scope: Scope, event: AlertEvent, now: int, window_ms: int) -> Node | None:
    """Return the node of the event's service that it belongs to, if one is open to it."""
    node = scope.nodes.get(scope.current.get(event.service, 0))
    if node is None or now - node.last_new_at > window_ms // 3 or now - node.arrived_at > window_ms:
        return None
    return node if abs(event.starts_at - node.onset_at) <= window_ms else None


def begin(scope: Scope, key: int, event: AlertEvent, now: int) -> Node:
    node = Node(
        id=key,
        service=event.service,
        onset_at=event.starts_at,
        arrived_at=now,
        last_new_at=now,
        names={},
        kinds={},
        members={},
        facets=[],
        severity=event.severity,
        scheduled=[],
        mentions=[],
        callers={},
    )
    scope.nodes[key] = node
    scope.current[event.service] = key
    return node


def add(node: Node, alert: Alert, event: AlertEvent, *, flapping: bool, mentions: Iterable[str]) -> None:
    """Make a newly firing alert a member."""
    node.events += 1
    node.firing += 1
    if not flapping:
        node.steady += 1
        node.last_new_at = max(node.last_new_at, event.observed_at)
    if event.severity.rank > node.severity.rank:
        node.severity = event.severity
    if alert.fingerprint in node.members:
        return
    node.total += 1
    node.onset_at = min(node.onset_at, event.starts_at)
    if len(node.members) < _MAX_MEMBERS:
        node.members[alert.fingerprint] = None
    node.team = node.team or event.team
    _count(node.names, alert.name)
    _count(node.kinds, alert.kind)
    if event.links and alert.name not in node.links and len(node.links) < _MAX_LINKED:
        node.links[alert.name] = event.links
    if event.edge is not None and event.edge.callee == node.service:
        _count(node.callers, event.edge.caller)
    node.mentions += [name for name in mentions if name not in node.mentions][: _MAX_WORDS - len(node.mentions)]
    if len(node.facets) < _MAX_FACETS:
        node.facets.append(
            Facet(
                fingerprint=alert.fingerprint,
                name=alert.name,
                kind=alert.kind,
                severity=event.severity,
                entity=event.entity,
                edge=event.edge,
                started_at=event.starts_at,
                event_id=event.id,
                summary=event.summary,
            )
        )


def schedule(node: Node, name: str) -> None:
    """Note that one of the node's alerts fires by a clock at this time."""
    if name not in node.scheduled and len(node.scheduled) < _MAX_WORDS:
        node.scheduled.append(name)


def leave(node: Node, at: int) -> None:
    """Let one member stop firing."""
    node.firing = max(0, node.firing - 1)
    node.ended_at = max(node.ended_at, at)


def divide(node: Node, leaving: Mapping[str, Alert], key: int, alerts: Mapping[str, Alert]) -> Node:
    """Make some members of a node a node of their own, and return it; at least one other stays.

    What the texts of its alerts mention is not known alert by alert, so both keep it, and of how it stood in time what
    only the whole knows.
    """
    facets = [facet for facet in node.facets if facet.fingerprint in leaving]
    part = Node(
        id=key,
        service=node.service,
        onset_at=0,
        arrived_at=node.arrived_at,
        last_new_at=node.last_new_at,
        names={},
        kinds={},
        members=dict.fromkeys(leaving),
        facets=facets or [_facet_of(next(iter(leaving.values())))],
        severity=max((alert.severity for alert in leaving.values()), key=lambda severity: severity.rank),
        total=len(leaving),
        firing=sum(alert.firing for alert in leaving.values()),
        events=len(leaving),
        ended_at=max(alert.ended_at for alert in leaving.values()),
        steady=min(node.steady, len(leaving)),
        mentions=list(node.mentions),
        callers={},
        team=node.team,
        incident=node.incident,
        frozen=node.frozen,
        due_at=node.due_at,
    )
    part.onset_at = min(facet.started_at for facet in part.facets)
    for fingerprint, alert in leaving.items():
        del node.members[fingerprint]
        alert.node = key
        _move(node.names, part.names, alert.name)
        _move(node.kinds, part.kinds, alert.kind)
        if alert.edge is not None and alert.edge.callee == node.service:
            _move(node.callers, part.callers, alert.edge.caller)
    # Never without one, for it names an incident: of those that stay there may be none among the sample.
    node.facets = [facet for facet in node.facets if facet.fingerprint not in leaving] or node.facets[:1]
    node.total -= part.total
    node.firing = max(0, node.firing - part.firing)
    node.events = max(1, node.events - part.events)
    node.steady = node.steady and max(1, node.steady - part.steady)
    if len(node.facets) == node.total:
        node.onset_at = min(facet.started_at for facet in node.facets)
    left = [facet.severity for facet in node.facets]
    left += [alerts[known].severity for known in node.members if known in alerts]
    node.severity = max(left, key=lambda severity: severity.rank)
    # Beyond a bound words are not counted, so what stays may have lost all of them.
    node.names = node.names or {node.facets[0].name: 1}
    node.kinds = node.kinds or {node.facets[0].kind: 1}
    part.scheduled = [name for name in node.scheduled if name in part.names]
    node.scheduled = [name for name in node.scheduled if name in node.names]
    part.links = {name: links for name, links in node.links.items() if name in part.names}
    node.links = {name: links for name, links in node.links.items() if name in node.names}
    return part


def _facet_of(alert: Alert) -> Facet:
    """Return a member as a sample, where it was not one: of the event that brought it nothing is known any more."""
    return Facet(
        fingerprint=alert.fingerprint,
        name=alert.name,
        kind=alert.kind,
        severity=alert.severity,
        entity=alert.entity,
        edge=alert.edge,
        started_at=alert.started_at,
        event_id="",
        summary="",
    )


def is_live(node: Node, now: int, window_ms: int) -> bool:
    """Tell whether the node can still explain or be explained."""
    return node.firing > 0 or not node.frozen or node.ended_at > now - 2 * window_ms


def words(text: str) -> Iterable[str]:
    """Yield the words of a text that could be names of services, each once."""
    return dict.fromkeys(word.strip(".-") for word in _TOKEN.findall(text))


def habit(scope: Scope, name: str) -> Habit:
    """Return how the senders of a rule behave, as far as seen."""
    known = scope.habits.get(name)
    if known is None:
        if len(scope.habits) >= _MAX_NAMES:
            del scope.habits[next(iter(scope.habits))]
        known = scope.habits[name] = Habit()
    return known


def note_change(scope: Scope, event: AlertEvent) -> None:
    """Remember a deploy or the like; once per fingerprint and start."""
    known = scope.changes.setdefault(event.service, [])
    if any(change.started_at == event.starts_at and change.name == event.name for change in known):
        return
    known.append(_change_of(event))
    if len(scope.changes) > _MAX_NAMES:
        del scope.changes[next(iter(scope.changes))]
    horizon = event.observed_at - _CHANGE_MEMORY_MS
    scope.changes[event.service] = [change for change in known if change.started_at > horizon][-_MAX_CHANGES:]


def _change_of(event: AlertEvent) -> ChangeEvent:
    return ChangeEvent(
        name=event.name, summary=event.summary, started_at=event.starts_at, url=event.links.get("source", "")
    )


def changed_at(scope: Scope, service: str) -> int:
    """Return when the service was last changed, 0 if it was not of late."""
    changes = scope.changes.get(service)
    return max(change.started_at for change in changes) if changes else 0


def _count(counts: dict[K, int], key: K) -> None:
    if key in counts or len(counts) < _MAX_WORDS:
        counts[key] = counts.get(key, 0) + 1


def _move(old: dict[K, int], new: dict[K, int], key: K) -> None:
    _count(new, key)
    if (left := old.pop(key, 0)) > 1:
        old[key] = left - 1
