"""Keep: its topology, from the API (`GET /topology`) or its YAML export.

A service calls what stands in its `dependencies`: as a mapping of service to protocol where it was written, as a list
where the API gives it, and as pairs of ids in an export.
"""

from __future__ import annotations

from collections.abc import Iterator

from correlator.errors import SourceError
from topology.findings import Findings, FoundDependency, FoundService, items, mapping, text, tier
from topology.graph import DependencyType
from topology.sources.decoding import decode_documents
from topology.sources.fetching import Get


async def fetch(get: Get, now: int) -> Findings:
    """Read the topology of a tenant."""
    return read(await get("topology"))


def read(payload: bytes) -> Findings:
    """Read any of the three forms.

    Raises:
        SourceError: it is none.
    """
    documents = decode_documents(payload)
    tree = documents[0] if len(documents) == 1 else None
    listed = tree if isinstance(tree, list) else mapping(tree).get("services")
    if not isinstance(listed, list):
        raise SourceError("no topology of Keep: neither a list of services nor services in it")
    by_id: dict[str, str] = {}
    services: dict[str, FoundService] = {}
    edges: dict[tuple[str, str, DependencyType], FoundDependency] = {}
    problems = []
    for position, item in enumerate(listed):
        service = mapping(item)
        name = text(service.get("service"))
        if not name:
            problems.append(f"service {position}: has no service")
            continue
        by_id[str(service.get("id"))] = name
        services.setdefault(name, _found(service, name))
        for callee in _callees(service.get("dependencies")):
            _add(edges, name, callee)
    for position, item in enumerate(items(mapping(tree).get("dependencies"))):
        pair = mapping(item)
        ends = [by_id.get(str(pair.get(key)), "") for key in ("service_id", "depends_on_service_id")]
        if not all(ends):
            problems.append(f"dependency {position}: names no service")
        _add(edges, *ends)
    return Findings(
        declared=True,
        services=tuple(services.values()),
        dependencies=tuple(edges.values()),
        problems=tuple(problems),
    )


def _add(edges: dict[tuple[str, str, DependencyType], FoundDependency], source: str, to: str) -> None:
    if source and to and source != to:
        edge = FoundDependency(source=source, to=to)
        edges[edge.key] = edge


def _callees(dependencies: object) -> Iterator[str]:
    if isinstance(dependencies, list):
        yield from (text(mapping(item).get("serviceName")) for item in dependencies)
    else:
        yield from (key.strip() for key in mapping(dependencies))


def _found(service: object, name: str) -> FoundService:
    tree = mapping(service)
    display = text(tree.get("display_name"))
    return FoundService(
        name=name,
        owner=text(tree.get("team")) or None,
        tier=tier(tree.get("tags")),
        aliases=(display,) if display and display != name else (),
        namespace=text(tree.get("environment")) or None,
    )
