"""What an incident tells: the event that is published, its title, its evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from correlator.domain import (
    Action,
    AlertCounts,
    AlertSample,
    Candidate,
    Evidence,
    IncidentEvent,
    Link,
    Owner,
    RootCause,
    Status,
    Versions,
    rfc3339,
)
from correlator.engine import skew
from correlator.engine.roots import Root
from correlator.engine.state import Alert, Facet, Incident, Node, Scope
from topology.graph import ServiceGraph

_SAMPLE = 50
_BLAST_RADIUS = 50
_SERVICES = 500


def event(
    incident: Incident,
    action: Action,
    page: bool,
    scope: Scope,
    graph: ServiceGraph,
    versions: Versions,
    now: int,
) -> IncidentEvent:
    """Write the whole current state of an incident."""
    members = members_of(incident, scope)
    alerts = _alerts(members, scope, incident)
    services = incident.told_services
    root = _root_cause(incident, members)
    return IncidentEvent(
        incident_id=incident.id,
        revision=incident.revision,
        action=action,
        page=page,
        status=incident.status,
        severity=incident.severity,
        title=_merged_title(root, incident) if action is Action.MERGED else _title(root, alerts.total, len(services)),
        summary=_summary(root, services) + (f" {incident.note}" if incident.note else "") + skew.told(scope, members),
        scope=scope.name,
        root_cause=root,
        owner=owner(incident, graph, members),
        services=services[:_SERVICES],
        blast_radius=graph.blast_radius(root.service, limit=_BLAST_RADIUS),
        alerts=alerts,
        changes=_changes(scope, [root.service, *services]),
        links=_links([node for node in members if node.service == root.service]),
        merged_into=incident.merged_into if action is Action.MERGED else None,
        split_from=incident.split_from or None,
        started_at=rfc3339(incident.started_at),
        opened_at=rfc3339(incident.opened_at),
        resolved_at=rfc3339(incident.resolved_at) if incident.resolved_at else None,
        published_at=rfc3339(now),
        versions=versions,
    )


def members_of(incident: Incident, scope: Scope) -> list[Node]:
    """Return the nodes of an incident, the earliest first."""
    return sorted((scope.nodes[key] for key in incident.nodes), key=lambda node: (node.onset_at, node.id))


def candidate(root: Root, chance: float, nodes: Mapping[int, Node]) -> Candidate:
    """Return a candidate among the services of some nodes, or behind them."""
    own = [node for node in nodes.values() if node.service == root.service]
    found = evidence(root, own, len({node.service for node in nodes.values()}))
    return Candidate(service=root.service, probability=chance, evidence=found)


def evidence(root: Root, own: Sequence[Node], services: int) -> list[Evidence]:
    """Say what speaks for a candidate."""
    found = []
    if own:
        first = min(own, key=lambda node: (node.onset_at, node.id))
        names = list(dict.fromkeys(facet.name for node in own for facet in node.facets))
        found.append(
            Evidence(
                kind="own_alerts", text=f"{', '.join(names[:5])} since {rfc3339(first.onset_at)}", path=[root.service]
            )
        )
        callers = list(dict.fromkeys(name for node in own for name in node.callers))
        if callers:
            found.append(Evidence(kind="accused_by", text=f"calls to it go wrong, say {', '.join(callers[:5])}"))
    else:
        found.append(Evidence(kind="silent", text="no alert of its own; common dependency of services in trouble"))
    if root.explains:
        text = f"explains {', '.join(root.explains[:8])}" + (" and more" if len(root.explains) > 8 else "")
        found.append(Evidence(kind="explains", text=text, weight=round(len(root.explains) / max(services, 1), 3)))
    return found


def named(service: str, found: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates with the one first that an operator named; the others are ruled out by that."""
    own = next((known.evidence for known in found if known.service == service), [])
    said = Evidence(kind="operator", text="named by an operator", path=[service])
    others = [Candidate(service=known.service, probability=0.0, evidence=known.evidence) for known in found]
    first = Candidate(service=service, probability=1.0, evidence=[said, *own])
    return [first, *(known for known in others if known.service != service)][:10]


def _alerts(members: Sequence[Node], scope: Scope, incident: Incident) -> AlertCounts:
    several = len(members) > 1
    fingerprints: dict[str, None] = {}
    if several:
        for node in members:
            fingerprints.update(node.members)
    total = max(len(fingerprints), max((node.total for node in members), default=0))
    shares = max(1, _SAMPLE // max(len(members), 1))
    chosen = [(node, facet) for node in members for facet in node.facets[:shares]][:_SAMPLE]
    return AlertCounts(
        firing=sum(node.firing for node in members),
        total=total,
        events=sum(node.events for node in members),
        sample=[_sample(node, facet, scope.alerts.get(facet.fingerprint), scope, incident) for node, facet in chosen],
    )


def _sample(node: Node, facet: Facet, alert: Alert | None, scope: Scope, incident: Incident) -> AlertSample:
    firing = alert is not None and alert.firing and alert.node == node.id
    return AlertSample(
        fingerprint=facet.fingerprint,
        name=facet.name,
        service=node.service,
        entity=facet.entity,
        severity=facet.severity,
        status=Status.FIRING if firing else Status.RESOLVED,
        starts_at=rfc3339(facet.started_at),
        why=_why(node, scope, incident),
    )


def _why(node: Node, scope: Scope, incident: Incident) -> str:
    if node.service == incident.root:
        return "at the root cause"
    parent = scope.nodes.get(node.parent)
    if parent is None or (parent.incident != node.incident and node.pin):
        return f"in doubt: with {incident.root}"
    if parent.service == node.service:
        return "the same service, a little earlier"
    offset = (node.onset_at - parent.onset_at) / 1000
    when = f"{offset:.0f} s after" if offset >= 0 else f"{-offset:.0f} s before"
    return f"explained by {parent.service}, {when} it"


def _root_cause(incident: Incident, members: Sequence[Node]) -> RootCause:
    best = incident.last_roots[0]
    own = [node for node in members if node.service == best.service]
    first = own[0].facets[0] if own else None
    return RootCause(
        service=best.service,
        entity=first.entity if first else None,
        alert=first.name if first else None,
        silent=not own,
        confidence=best.probability,
        candidates=incident.last_roots,
    )


def _links(own: Sequence[Node]) -> list[Link]:
    """Return the first link of each kind among the alerts at the root cause, which is told by the first of them."""
    found: dict[str, Link] = {}
    for node in own:
        for name, links in node.links.items():
            for kind, url in links.items():
                found.setdefault(kind, Link(kind=kind, url=url, alert=name))
    return [found[kind] for kind in sorted(found)]


def _title(root: RootCause, alerts: int, services: int) -> str:
    what = root.alert or "no alert of its own"
    count = f"{alerts} alert{'s' * (alerts != 1)} on {services} service{'s' * (services != 1)}"
    title = f"{root.service}: {what} (root cause of {count})"
    return title if len(title) <= 200 else f"{title[:199]}…"


def _merged_title(root: RootCause, incident: Incident) -> str:
    return f"{root.service[:140]}: merged into {incident.merged_into}"


def _summary(root: RootCause, services: Sequence[str]) -> str:
    others = [name for name in services if name != root.service]
    sure = f"{root.service} is the likeliest cause ({root.confidence:.0%})"
    rival = ""
    if len(root.candidates) > 1 and root.candidates[1].probability > 0.15:
        second = root.candidates[1]
        rival = f" Possible second cause: {second.service} ({second.probability:.0%})."
    reach = f" Also in trouble: {', '.join(others[:10])}{' and more' if len(others) > 10 else ''}." if others else ""
    return f"{sure}.{rival}{reach}"


def owner(incident: Incident, graph: ServiceGraph, members: Iterable[Node]) -> Owner | None:
    """Return whose incident it is: whom an operator gave it to, the owner of its root, the team its alerts name."""
    if incident.team:
        return Owner(team=incident.team, route=incident.route or None)
    known = graph.service(incident.root)
    if known is not None and known.owner:
        return Owner(team=known.owner)
    team = next((node.team for node in members if node.team and node.service == incident.root), "")
    return Owner(team=team) if team else None


def _changes(scope: Scope, services: Sequence[str]) -> list[dict[str, str]]:
    found = {
        (change.started_at, name, change.name): {
            "service": name,
            "name": change.name,
            "summary": change.summary,
            "at": rfc3339(change.started_at),
        }
        | ({"url": change.url} if change.url else {})
        for name in services
        for change in scope.changes.get(name, ())
    }
    return [found[key] for key in sorted(found, reverse=True)][:10]
