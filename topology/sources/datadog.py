"""Datadog: `GET /api/v1/service_dependencies?env=...`, each service with the services that it calls."""

from __future__ import annotations

from correlator.errors import SourceError
from topology.findings import Findings, FoundDependency, FoundService, items, mapping, observed, text
from topology.names import service_name
from topology.sources.decoding import decode_json
from topology.sources.fetching import Get


async def fetch(get: Get, now: int, *, window_seconds: int, environment: str) -> Findings:
    """Ask for the services of one environment; the API wants one."""
    query = [("env", environment), ("start", str(now // 1000 - window_seconds)), ("end", str(now // 1000))]
    return read(await get("api/v1/service_dependencies", query))


def read(payload: bytes) -> Findings:
    """Read the answer.

    Raises:
        SourceError: it is none, or tells of errors.
    """
    tree = decode_json(payload)
    if not isinstance(tree, dict):
        raise SourceError("no dependencies of Datadog: not a mapping of services")
    if isinstance(tree.get("errors"), list):
        raise SourceError(f"Datadog: {tree['errors']}")
    edges, services, problems = [], [], []
    for key, value in tree.items():
        calls = mapping(value).get("calls")
        if not isinstance(calls, list):
            problems.append(f"{key}: calls is not a list")
            continue
        caller = service_name(key)
        if caller:
            services.append(FoundService(name=caller))
        edges += [FoundDependency(source=caller, to=service_name(text(callee))) for callee in items(calls)]
    return observed(edges, services=services, problems=problems)
