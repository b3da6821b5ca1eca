"""Prometheus: service graphs that others already count, asked for over its HTTP API.

The OpenTelemetry servicegraph connector and Grafana Tempo (`traces_service_graph_*`), Istio (`istio_*`), Linkerd
(`response_total`, and `outbound_*_route_*` for whom that tells nothing). Calls that were not made within the window are
not there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import StrEnum

from correlator.errors import SourceError
from topology.findings import Findings, FoundDependency, FoundService, count, items, mapping, observed, text
from topology.graph import DependencyType, ServiceKind
from topology.names import is_outside, service_name
from topology.sources.decoding import decode_json
from topology.sources.fetching import Get

Labels = Mapping[str, str]
Sample = tuple[Labels, float]


class Dialect(StrEnum):
    SERVICEGRAPH = "servicegraph"
    ISTIO = "istio"
    LINKERD = "linkerd"


_ISTIO_BY = (
    "reporter,source_canonical_service,source_workload,source_workload_namespace,"
    "destination_canonical_service,destination_workload,destination_service_name,destination_service_namespace"
)
_LINKERD_WORKLOADS = ("deployment", "statefulset", "daemonset", "replicaset", "k8s_job", "workload")
_LINKERD_BY = ",".join([*(f"{side}{kind}" for side in ("", "dst_") for kind in _LINKERD_WORKLOADS),
                        "namespace", "dst_namespace", "dst_service", "authority"])  # fmt: skip
_LINKERD_ROUTE_BY = ",".join([*_LINKERD_WORKLOADS, "namespace", "parent_name", "backend_kind", "backend_name"])


def queries(dialect: Dialect, *, window_seconds: int, prefix: str = "") -> list[str]:
    """Return the queries of a dialect; `prefix` is what the exporter puts before the names of metrics."""

    def used(by: str, selector: str) -> str:
        return f"sum by ({by}) (increase({prefix}{selector}[{window_seconds}s])) > 0"

    match dialect:
        case Dialect.SERVICEGRAPH:
            by = "client,server,connection_type,client_service_namespace,server_service_namespace"
            return [used(by, "traces_service_graph_request_total")]
        case Dialect.ISTIO:
            return [used(_ISTIO_BY, "istio_requests_total"), used(_ISTIO_BY, "istio_tcp_connections_opened_total")]
        case Dialect.LINKERD:
            # A network outside has a route as well, which tells of no host there.
            routes = 'outbound_{}_route_backend_response_statuses_total{{parent_kind="Service"}}'
            return [
                used(_LINKERD_BY, 'response_total{direction="outbound"}'),
                *(used(_LINKERD_ROUTE_BY, routes.format(protocol)) for protocol in ("http", "grpc")),
            ]


async def fetch(
    get: Get,
    now: int,
    *,
    window_seconds: int,
    dialects: Collection[Dialect] = tuple(Dialect),
    prefix: str = "",
    namespaces: Collection[str] = (),
) -> Findings:
    """Ask for every dialect; a Prometheus that knows none of a dialect's metrics answers with nothing.

    Args:
        now: milliseconds; the end of the window.
        namespaces: only callers in these; all if empty.
    """
    found: list[Findings] = []
    for dialect in sorted(dialects):
        samples: list[Sample] = []
        for query in queries(dialect, window_seconds=window_seconds, prefix=prefix):
            parameters = [("query", query), ("time", f"{now / 1000:.3f}")]
            samples += read_vector(await get("api/v1/query", parameters))
        found.append(READERS[dialect](samples, namespaces))
    return observed(
        (edge for findings in found for edge in findings.dependencies),
        services=[service for findings in found for service in findings.services],
        problems=[problem for findings in found for problem in findings.problems],
    )


def read_vector(payload: bytes) -> list[Sample]:
    """Return the samples of an instant query's answer that are above zero.

    Raises:
        SourceError: it is none, or tells of an error.
    """
    tree = mapping(decode_json(payload))
    if tree.get("status") != "success":
        raise SourceError(f"Prometheus: {text(tree.get('error')) or 'no answer of its query API'}")
    data = mapping(tree.get("data"))
    if data.get("resultType") != "vector":
        raise SourceError(f"Prometheus answers with a {data.get('resultType')}, not with a vector")
    samples: list[Sample] = []
    for item in items(data.get("result")):
        sample = mapping(item)
        value = items(sample.get("value"))
        calls = count(value[1]) if len(value) == 2 else None
        if calls:
            labels = {key: text(label) for key, label in mapping(sample.get("metric")).items()}
            samples.append((labels, calls))
    return samples


def read_servicegraph(samples: Iterable[Sample], namespaces: Collection[str] = ()) -> Findings:
    """Read the graph that spans were paired into.

    With `messaging_system` the client is the producer: the server depends on what it sends, not the other way round.
    A `virtual_node` stands for a side that sends no spans, `user` for callers from outside.
    """
    edges, services = [], []
    for labels, calls in samples:
        client, server = service_name(labels.get("client", "")), service_name(labels.get("server", ""))
        kind = labels.get("connection_type", "")
        if not client or not server or (kind == "virtual_node" and client == "user"):
            continue
        if not _within(labels.get("client_service_namespace", ""), namespaces):
            continue
        if kind == "messaging_system":
            edges.append(FoundDependency(source=server, to=client, type=DependencyType.CONSUMES, calls=calls))
            continue
        edges.append(FoundDependency(source=client, to=server, calls=calls, one_sided=kind == "virtual_node"))
        if kind == "database":
            services.append(FoundService(name=server, kind=ServiceKind.DATASTORE))
        elif kind == "virtual_node" and is_outside(server):
            services.append(FoundService(name=server, kind=ServiceKind.EXTERNAL))
    return observed(edges, services=_unique(services))


#: The proxy of the caller sees also what never arrived; a waypoint stands between; the callee's comes last.
_REPORTERS = ("source", "waypoint", "destination")
#: Where Istio sends what it has no service for.
_NO_SERVICES = frozenset({"PassthroughCluster", "BlackHoleCluster", "InboundPassthroughClusterIpv4"})


def read_istio(samples: Iterable[Sample], namespaces: Collection[str] = ()) -> Findings:
    """Read the calls that proxies counted: both sides count the same call, so one side counts."""
    counted: dict[tuple[str, str], dict[str, float]] = {}
    outside: set[str] = set()
    for labels, calls in samples:
        source = service_name(labels.get("source_canonical_service", "")) or service_name(
            labels.get("source_workload", "")
        )
        to = service_name(labels.get("destination_canonical_service", ""))
        if not to:
            to = service_name(labels.get("destination_service_name", ""))
            to = to or service_name(labels.get("destination_workload", ""))
            if is_outside(to):
                outside.add(to)
        if not source or not to or to in _NO_SERVICES:
            continue
        if not _within(labels.get("source_workload_namespace", ""), namespaces):
            continue
        sides = counted.setdefault((source, to), {})
        reporter = labels.get("reporter", "")
        sides[reporter] = sides.get(reporter, 0) + calls
    edges = []
    for (source, to), sides in counted.items():
        side = next((name for name in _REPORTERS if name in sides), None)
        edges.append(FoundDependency(source=source, to=to, calls=sides[side] if side else sum(sides.values())))
    used = {edge.to for edge in edges}
    services = [FoundService(name=name, kind=ServiceKind.EXTERNAL) for name in sorted(outside & used)]
    return observed(edges, services=services)


def read_linkerd(samples: Iterable[Sample], namespaces: Collection[str] = ()) -> Findings:
    """Read the calls that outbound proxies counted, workload to workload.

    By routes (Linkerd 2.13 and later) they are counted again, from workload to Kubernetes service, whose name may be
    another than the workload's: they count for callers of which nothing else tells.
    """
    edges, routes, services = [], [], []
    for labels, calls in samples:
        source = _first(labels, _LINKERD_WORKLOADS)
        if labels.get("parent_name"):
            # Without a backend of its own a route leads to what it is attached to.
            own = labels.get("backend_name", "") if labels.get("backend_kind") != "default" else ""
            to = service_name(own) or service_name(labels["parent_name"])
            if source and _within(labels.get("namespace", ""), namespaces):
                routes.append(FoundDependency(source=source, to=to, calls=calls, one_sided=True))
            continue
        to = _first(labels, [f"dst_{kind}" for kind in _LINKERD_WORKLOADS])
        # What is not in the mesh has no workload: its service, else the address it was called by.
        to = to or service_name(labels.get("dst_service", ""))
        meshed = bool(to)
        to = to or service_name(labels.get("authority", ""))
        if not source or not to or not _within(labels.get("namespace", ""), namespaces):
            continue
        edges.append(FoundDependency(source=source, to=to, calls=calls, one_sided=not meshed))
        if not meshed and is_outside(to):
            services.append(FoundService(name=to, kind=ServiceKind.EXTERNAL))
    told = {edge.source for edge in edges if not edge.one_sided}
    return observed([*edges, *(route for route in routes if route.source not in told)], services=_unique(services))


READERS: dict[Dialect, Callable[[Iterable[Sample], Collection[str]], Findings]] = {
    Dialect.SERVICEGRAPH: read_servicegraph,
    Dialect.ISTIO: read_istio,
    Dialect.LINKERD: read_linkerd,
}


def _within(namespace: str, namespaces: Collection[str]) -> bool:
    return not namespaces or namespace in namespaces


def _first(labels: Labels, keys: Iterable[str]) -> str:
    return next((name for key in keys if (name := service_name(labels.get(key, "")))), "")


def _unique(services: Iterable[FoundService]) -> Iterator[FoundService]:
    yield from {service.name: service for service in services}.values()
