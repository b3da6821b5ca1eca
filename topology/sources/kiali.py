"""Kiali: the traffic graph of namespaces, with the ids of its nodes resolved.

`GET /api/namespaces/graph`, as cytoscape.js elements. A node may be an app, a workload or a service, and a service may
be injected between two workloads: what it passes on belongs to the workload that called it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from correlator.errors import SourceError
from topology.findings import Findings, FoundDependency, FoundService, count, items, mapping, observed, text
from topology.graph import ServiceKind
from topology.names import service_name
from topology.sources.decoding import decode_json
from topology.sources.fetching import Get

Node = Mapping[str, object]
#: Ids of caller and callee, calls.
Link = tuple[str, str, float | None]


async def fetch(get: Get, now: int, *, window_seconds: int, namespaces: Collection[str]) -> Findings:
    """Ask for the graph of apps within the window that ends now."""
    query = [
        ("namespaces", ",".join(namespaces)),
        ("graphType", "app"),
        ("injectServiceNodes", "false"),
        ("duration", f"{window_seconds}s"),
        ("queryTime", str(now // 1000)),
    ]
    return read(await get("api/namespaces/graph", query))


def read(payload: bytes) -> Findings:
    """Read a graph of any type.

    Raises:
        SourceError: it is none.
    """
    tree = mapping(decode_json(payload))
    elements = mapping(tree.get("elements"))
    if not isinstance(elements.get("nodes"), list):
        raise SourceError("no graph of Kiali: elements.nodes is missing")
    nodes = [mapping(mapping(node).get("data")) for node in items(elements["nodes"])]
    by_id = {text(node.get("id")): node for node in nodes if text(node.get("id"))}
    links: list[Link] = []
    problems = []
    for position, item in enumerate(items(elements.get("edges"))):
        edge = mapping(mapping(item).get("data"))
        source, to = text(edge.get("source")), text(edge.get("target"))
        if source in by_id and to in by_id:
            links.append((source, to, _calls(edge, count(tree.get("duration")) or 0)))
        else:
            problems.append(f"edge {position}: no such node")
    if tree.get("graphType") != "service":
        links = _contracted(links, by_id)
    edges = [
        FoundDependency(source=_name(by_id[source]), to=_name(by_id[to]), calls=calls) for source, to, calls in links
    ]
    outside = {_name(node) for node in nodes if node.get("isServiceEntry")} - {""}
    services = [FoundService(name=name, kind=ServiceKind.EXTERNAL) for name in sorted(outside)]
    return observed(edges, services=services, problems=problems)


def _contracted(links: list[Link], by_id: Mapping[str, Node]) -> list[Link]:
    """Let callers of a service node call what it passes on to; one that passes nothing on is the callee itself."""
    passes_on: dict[str, list[str]] = {}
    for source, to, _ in links:
        if text(by_id[source].get("nodeType")) == "service":
            passes_on.setdefault(source, []).append(to)
    return [
        (source, target, calls)
        for source, to, calls in links
        if source not in passes_on
        for target in passes_on.get(to, [to])
    ]


def _name(node: Node) -> str:
    """Return the service of a node: the versions of one app are one, as are a service and its app."""
    if text(node.get("nodeType")) == "box":
        return ""
    for key in ("app", "service", "aggregateValue", "workload"):
        if name := service_name(text(node.get(key))):
            return name
    return ""


def _calls(edge: Node, duration_seconds: float) -> float | None:
    """Return how many calls the rate of an edge makes; bytes of TCP only tell that there were some."""
    traffic = mapping(edge.get("traffic"))
    protocol = text(traffic.get("protocol"))
    rate = count(mapping(traffic.get("rates")).get(protocol))
    if rate is None or (protocol == "tcp" and rate > 0):
        return None
    return rate * duration_seconds
