"""Service graphs in Prometheus: who reports a call, which way a message travels, what stands for nobody."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import pytest

from correlator.errors import SourceError
from tests.topology.sources.payloads import edges, payload
from topology.graph import ServiceKind
from topology.sources import prometheus
from topology.sources.prometheus import Dialect, Sample

_LINE = re.compile(r"^(\w+)\{(.*)\} (\S+)$")


def exposed(metric: str) -> list[Sample]:
    """Return the samples of one metric of the example in exposition format."""
    samples: list[Sample] = []
    for line in payload("prometheus_servicegraph.prom").decode().splitlines():
        match = _LINE.match(line)
        if match and match[1] == metric:
            samples.append((dict(re.findall(r'(\w+)="([^"]*)"', match[2])), float(match[3])))
    assert samples
    return samples


def test_a_service_graph_knows_databases_and_turns_messages_round() -> None:
    findings = prometheus.read_servicegraph(exposed("traces_service_graph_request_total"))
    assert edges(findings) == {
        "frontend -> checkout",
        "checkout -> payments",
        "payments -> payments-db",
        "orders-consumer -> checkout (consumes)",
    }
    assert [(service.name, service.kind) for service in findings.services] == [("payments-db", ServiceKind.DATASTORE)]


def test_who_reads_messages_depends_on_who_sends_them() -> None:
    labels = {"client": "checkout", "server": "mailer"}
    call, message = (
        prometheus.read_servicegraph([({**labels, "connection_type": kind}, 3)]) for kind in ("", "messaging_system")
    )
    assert (edges(call), edges(message)) == ({"checkout -> mailer"}, {"mailer -> checkout (consumes)"})


def test_istio_and_linkerd_name_the_same_call_alike() -> None:
    assert edges(prometheus.read_istio(exposed("istio_requests_total"))) == {"checkout -> payments"}
    assert edges(prometheus.read_linkerd(exposed("response_total"))) == {"checkout -> payments"}


def istio(reporter: str, source: str, to: str, calls: float, **labels: str) -> Sample:
    return {
        "reporter": reporter,
        "source_canonical_service": source,
        "destination_canonical_service": to,
        **labels,
    }, calls


def test_a_call_that_both_proxies_report_counts_once() -> None:
    findings = prometheus.read_istio(
        [istio("source", "a", "b", 10, response_code="200"), istio("destination", "a", "b", 9),
         istio("source", "a", "b", 5, response_code="500"), istio("destination", "a", "c", 7)]
    )  # fmt: skip
    calls = {edge.to: edge.calls for edge in findings.dependencies}
    assert calls == {"b": 15, "c": 7}


def test_what_istio_does_not_know_is_no_service() -> None:
    findings = prometheus.read_istio(
        [
            istio("destination", "unknown", "b", 3),
            istio("source", "a", "unknown", 3, destination_service_name="PassthroughCluster"),
            istio("source", "a", "unknown", 3, destination_service_name="api.stripe.com"),
            istio("source", "unknown", "b", 3, source_workload="batch"),
        ]
    )
    assert edges(findings) == {"a -> api.stripe.com", "batch -> b"}
    assert [(service.name, service.kind) for service in findings.services] == [("api.stripe.com", ServiceKind.EXTERNAL)]


def test_only_callers_of_the_wanted_namespaces_count() -> None:
    samples = [istio("source", "a", "b", 1, source_workload_namespace="shop"),
               istio("source", "x", "y", 1, source_workload_namespace="staging")]  # fmt: skip
    assert edges(prometheus.read_istio(samples, ["shop"])) == {"a -> b"}


def test_linkerd_falls_back_on_the_address_of_what_is_not_in_the_mesh() -> None:
    findings = prometheus.read_linkerd(
        [
            ({"statefulset": "cart", "dst_service": "redis"}, 4),
            ({"deployment": "cart", "authority": "api.example.org:443"}, 4),
            ({"deployment": "cart", "authority": "10.1.2.3:80"}, 4),
            ({"dst_deployment": "lonely"}, 4),
        ]
    )
    assert edges(findings) == {"cart -> redis", "cart -> api.example.org"}


def test_routes_of_linkerd_count_for_callers_of_which_nothing_else_tells() -> None:
    def route(source: str, parent: str, **backend: str) -> Sample:
        return {"deployment": source, "namespace": "shop", "parent_name": parent, **backend}, 3

    samples = [
        ({"deployment": "web", "dst_deployment": "cart-main"}, 9),
        route("web", "cart", backend_kind="Service", backend_name="cart"),
        route("batch", "cart", backend_kind="Service", backend_name="cart-canary"),
        route("batch", "cart", backend_kind="default", backend_name="service"),
        route("", "cart", backend_kind="Service", backend_name="cart"),
    ]
    assert edges(prometheus.read_linkerd(samples)) == {"web -> cart-main", "batch -> cart-canary", "batch -> cart"}
    assert edges(prometheus.read_linkerd(samples[2:], ["staging"])) == set()


def answer(*samples: Sample) -> bytes:
    result = [{"metric": labels, "value": [1.5, str(value)], "extra": 1} for labels, value in samples]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


async def test_every_dialect_is_asked_for_at_the_given_time() -> None:
    asked: list[dict[str, str]] = []

    async def get(path: str, query: Sequence[tuple[str, str]] = ()) -> bytes:
        assert path == "api/v1/query"
        asked.append(dict(query))
        if "traces_service_graph" in asked[-1]["query"]:
            return answer(({"client": "a", "server": "b", "connection_type": ""}, 3), ({"client": "a"}, 1))
        return answer(istio("source", "a", "b", 4)) if "istio_requests" in asked[-1]["query"] else answer()

    findings = await prometheus.fetch(get, 1_500, window_seconds=600, prefix="otel_")
    assert {query["time"] for query in asked} == {"1.500"}
    assert all("[600s]" in query["query"] and "otel_" in query["query"] for query in asked)
    assert len(asked) == 6 and len(set(Dialect)) == 3
    (edge,) = findings.dependencies
    assert edge.calls == 7 and not findings.declared


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"{}",
        b"[1]",
        b'{"status":"error","error":"bad query"}',
        b'{"status":"success","data":{"resultType":"matrix"}}',
    ],
)
def test_what_is_no_vector_is_refused(bad: bytes) -> None:
    with pytest.raises(SourceError):
        prometheus.read_vector(bad)


def test_samples_without_a_number_and_of_no_calls_are_left_out() -> None:
    tree = {"status": "success", "data": {"resultType": "vector", "result": [
        {"metric": {"client": "a"}, "value": [0, "NaN"]}, {"metric": {"client": "a"}, "value": [0, "0"]},
        {"metric": {"client": "a"}, "value": []}, 3, {"value": [0, "2"]},
        {"metric": {"client": "b"}, "value": [0, "+Inf"]},
    ]}}  # fmt: skip
    assert prometheus.read_vector(json.dumps(tree).encode()) == [({}, 2.0)]
