"""Merging: one graph out of what all sources say, with what they contradict each other in.

A function of its arguments: neither the order within a source nor that of the answers changes it. Of sources that
disagree, the declared ones stand above the observed ones, then the one that is configured first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from topology.findings import Findings, FoundDependency, FoundService
from topology.graph import Dependency, DependencyType, Service, ServiceKind, TopologyDocument
from topology.identities import Identities, identities

#: One call is enough, one that nobody but the caller tells of is not: (1 + 1) / (1 + 2) against .8 of that.
MIN_CONFIDENCE = 0.6


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where a dependency comes from.

    Args:
        confidence: probability that it is one, all observers together; 1 where it is declared.
        calls: the most that one source counted; None where none did.
        last_seen_at: when an observer saw it last, in milliseconds; None where none did.
    """

    source: str
    to: str
    type: DependencyType
    declared_by: tuple[str, ...]
    observed_by: tuple[str, ...]
    confidence: float
    calls: float | None = None
    last_seen_at: int | None = None

    @property
    def key(self) -> tuple[str, str, DependencyType]:
        return self.source, self.to, self.type


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """The graph with its story.

    Args:
        weak: observed dependencies that were left out, below the least confidence.
        conflicts: what sources contradict each other in, and how it was settled.
        problems: what could not be used of a source.
    """

    document: TopologyDocument
    provenance: tuple[Provenance, ...]
    weak: tuple[Provenance, ...]
    conflicts: tuple[str, ...]
    problems: tuple[str, ...]


def merge(
    findings: Mapping[str, Findings],
    *,
    aliases: Mapping[str, str] | None = None,
    min_confidence: float = MIN_CONFIDENCE,
) -> Merged:
    """Merge what the sources say.

    Args:
        findings: by the name of the source, the most trusted first.
        aliases: other name -> name, of the user's own.
        min_confidence: observed dependencies below it are left out.
    """
    ordered = [(source, _sorted(found)) for source, found in findings.items()]
    ordered.sort(key=_declared_first)
    known = identities(ordered, aliases or {})
    conflicts = list(known.conflicts)
    edges = _edges(ordered, known)
    provenance = [_provenance(key, claims) for key, claims in sorted(edges.items())]
    strong = [edge for edge in provenance if _holds(edge, min_confidence)]
    names = {known.canonical(service.name) for _, found in ordered for service in found.services if found.declared}
    names |= {end for edge in strong for end in (edge.source, edge.to)}
    services = _services(names, ordered, known, conflicts)
    instances = _instances(ordered, known, names, conflicts)
    dependencies = tuple(
        Dependency(source=edge.source, to=edge.to, type=edge.type, strength=_strength(edges[edge.key]))
        for edge in strong
    )
    return Merged(
        document=TopologyDocument(services=services, dependencies=dependencies, instances=instances),
        provenance=tuple(strong),
        weak=tuple(edge for edge in provenance if not _holds(edge, min_confidence)),
        conflicts=tuple(dict.fromkeys(conflicts)),
        problems=tuple(f"{source}: {problem}" for source, found in ordered for problem in found.problems),
    )


def _holds(edge: Provenance, min_confidence: float) -> bool:
    return bool(edge.declared_by) or edge.confidence >= min_confidence


def _sorted(found: Findings) -> Findings:
    return msgspec.structs.replace(
        found,
        services=tuple(sorted(found.services, key=_whole)),
        dependencies=tuple(sorted(found.dependencies, key=_whole)),
    )


def _whole(item: FoundService | FoundDependency) -> bytes:
    """Return a key that no two different items share."""
    return msgspec.json.encode(item)


def _declared_first(source: tuple[str, Findings]) -> bool:
    return not source[1].declared


Claim = tuple[str, bool, FoundDependency]


def _edges(
    ordered: Sequence[tuple[str, Findings]], known: Identities
) -> dict[tuple[str, str, DependencyType], list[Claim]]:
    """Return who says what of each dependency, by canonical names."""
    claims: dict[tuple[str, str, DependencyType], list[Claim]] = {}
    for source, found in ordered:
        for edge in found.dependencies:
            first, second = known.canonical(edge.source), known.canonical(edge.to)
            if first != second:
                claims.setdefault((first, second, edge.type), []).append((source, found.declared, edge))
    # `depends_on` says least: where another type is known of the same two, that is the same dependency.
    vague = [key for key in claims if key[2] is DependencyType.DEPENDS_ON]
    for source, to, _ in vague:
        types = [type_ for type_ in (DependencyType.CALLS, DependencyType.CONSUMES, DependencyType.RUNS_ON)
                 if (source, to, type_) in claims]  # fmt: skip
        if types:
            claims[source, to, types[0]] += claims.pop((source, to, DependencyType.DEPENDS_ON))
    return claims


def _provenance(key: tuple[str, str, DependencyType], claims: Sequence[Claim]) -> Provenance:
    source, to, type_ = key
    declared = sorted({by for by, is_declared, _ in claims if is_declared})
    seen: dict[str, float] = {}
    for by, is_declared, edge in claims:
        if not is_declared:
            seen[by] = max(seen.get(by, 0.0), edge.confidence)
    doubt = 1.0
    for by in sorted(seen):
        # Sources are wrong independently of each other.
        doubt *= 1 - seen[by]
    sightings = [edge for _, is_declared, edge in claims if not is_declared]
    counted = [edge.calls for edge in sightings if edge.calls is not None]
    seen_at = [edge.last_seen_at for edge in sightings if edge.last_seen_at is not None]
    return Provenance(
        source=source,
        to=to,
        type=type_,
        declared_by=tuple(declared),
        observed_by=tuple(sorted(seen)),
        confidence=1.0 if declared else 1 - doubt,
        calls=max(counted, default=None),
        last_seen_at=max(seen_at, default=None),
    )


def _strength(claims: Sequence[Claim]) -> float | None:
    return next((edge.strength for _, _, edge in claims if edge.strength is not None), None)


def _services(
    names: Iterable[str],
    ordered: Sequence[tuple[str, Findings]],
    known: Identities,
    conflicts: list[str],
) -> tuple[Service, ...]:
    said: dict[str, list[tuple[str, FoundService]]] = {}
    for source, found in ordered:
        for service in found.services:
            said.setdefault(known.canonical(service.name), []).append((source, service))
    others = known.others()
    made = []
    for name in sorted(names):
        claims = said.get(name, [])
        conflicts += _namespace_conflicts(name, claims)
        made.append(
            Service(
                name=name,
                kind=_settled(name, "kind", claims, conflicts) or ServiceKind.SERVICE,
                owner=_settled(name, "owner", claims, conflicts),
                tier=_settled(name, "tier", claims, conflicts),
                system=_settled(name, "system", claims, conflicts),
                aliases=tuple(others.get(name, ())),
            )
        )
    return tuple(made)


def _settled(name: str, field: str, claims: Sequence[tuple[str, FoundService]], conflicts: list[str]) -> Any:
    """Return the first value that a source gives; report who gives another."""
    values = [(source, value) for source, service in claims if (value := getattr(service, field)) is not None]
    differing = [f"{source} says {value}" for source, value in values if value != values[0][1]]
    if differing:
        told = "; ".join([f"{values[0][0]} says {values[0][1]}, which stands", *dict.fromkeys(differing)])
        conflicts.append(f"{name}: {field}: {told}")
    return values[0][1] if values else None


def _namespace_conflicts(name: str, claims: Sequence[tuple[str, FoundService]]) -> Iterator[str]:
    """Report services of one source that only their namespace keeps apart: the graph takes them for one."""
    by_source: dict[str, set[str]] = {}
    for source, service in claims:
        if service.namespace:
            by_source.setdefault(source, set()).add(service.namespace)
    for source, namespaces in by_source.items():
        if len(namespaces) > 1:
            yield f"{name}: {source} has one in each of the namespaces {', '.join(sorted(namespaces))}; taken for one"


def _instances(
    ordered: Sequence[tuple[str, Findings]], known: Identities, names: set[str], conflicts: list[str]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for source, findings in ordered:
        for instance, service in sorted(findings.instances.items()):
            canonical = known.canonical(service)
            if canonical not in names:
                continue
            settled = found.setdefault(instance, canonical)
            if settled != canonical:
                conflicts.append(f"instance {instance}: is of {settled}; {source} says of {canonical}")
    return dict(sorted(found.items()))
