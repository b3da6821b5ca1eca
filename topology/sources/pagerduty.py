"""PagerDuty: service dependencies, which people declare, and the names and teams behind their ids.

`GET /service_dependencies/technical_services/{id}` knows the neighbours of one service only, so it is asked for each.
`supporting_service` is what `dependent_service` depends on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from correlator.errors import SourceError
from topology.findings import Findings, FoundDependency, FoundService, items, mapping, text
from topology.graph import DependencyType
from topology.sources.decoding import decode_json
from topology.sources.fetching import Get

_PAGE = 100
#: PagerDuty pages no further than 10,000 items.
_MAX_PAGES = 100


async def fetch(get: Get, now: int) -> Findings:
    """Read every service of the account and its neighbours."""
    services = await _listed(get, "services", [("include[]", "teams")])
    business = await _listed(get, "business_services", [])
    answers = []
    for kind, known in (("technical_services", services), ("business_services", business)):
        for service in sorted(known):
            answers.append(await get(f"service_dependencies/{kind}/{service}"))
    return read(answers, known={**business, **services})


async def _listed(get: Get, kind: str, query: list[tuple[str, str]]) -> dict[str, FoundService]:
    found: dict[str, FoundService] = {}
    for page in range(_MAX_PAGES):
        payload = await get(kind, [*query, ("limit", str(_PAGE)), ("offset", str(page * _PAGE))])
        found |= read_services(payload)
        if mapping(decode_json(payload)).get("more") is not True:
            break
    return found


def read_services(payload: bytes) -> dict[str, FoundService]:
    """Read one page of services or business services: id -> service; the id is an alias.

    Raises:
        SourceError: it is none.
    """
    tree = mapping(decode_json(payload))
    listed = tree.get("services", tree.get("business_services"))
    if not isinstance(listed, list):
        raise SourceError("no services of PagerDuty: services is missing")
    found = {}
    for item in listed:
        service = mapping(item)
        key, name = text(service.get("id")), text(service.get("name")) or text(service.get("summary"))
        teams = [mapping(team) for team in items(service.get("teams"))] or [mapping(service.get("team"))]
        owner = next(filter(None, (text(team.get("summary")) or text(team.get("name")) for team in teams)), None)
        if key:
            aliases = (key,) if name and name != key else ()
            found[key] = FoundService(name=name or key, owner=owner, aliases=aliases)
    return found


def read(payloads: Iterable[bytes], *, known: Mapping[str, FoundService] | None = None) -> Findings:
    """Read relationships; where a service is not `known`, its id is its name.

    Raises:
        SourceError: one is no answer of the API.
    """
    known = known or {}
    edges: dict[tuple[str, str, DependencyType], FoundDependency] = {}
    problems = []
    for payload in payloads:
        relationships = mapping(decode_json(payload)).get("relationships")
        if not isinstance(relationships, list):
            raise SourceError("no dependencies of PagerDuty: relationships is missing")
        for position, item in enumerate(relationships):
            ends = [text(mapping(mapping(item).get(end)).get("id"))
                    for end in ("dependent_service", "supporting_service")]  # fmt: skip
            if not all(ends):
                problems.append(f"relationship {position}: an end is missing")
                continue
            source, to = (known[end].name if end in known else end for end in ends)
            if source != to:
                edge = FoundDependency(source=source, to=to, type=DependencyType.DEPENDS_ON)
                edges[edge.key] = edge
    services = {service.name: service for service in known.values()}
    return Findings(
        declared=True, services=tuple(services.values()), dependencies=tuple(edges.values()), problems=tuple(problems)
    )
