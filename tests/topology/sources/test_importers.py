"""The smaller importers, each with the trap of its format; and that no bytes make any of them fail otherwise."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.errors import SourceError
from tests.topology.sources.payloads import FOLDER, edges, payload
from topology.findings import Findings
from topology.graph import ServiceKind
from topology.sources import (
    backstage,
    datadog,
    jaeger,
    keep,
    kiali,
    kubernetes,
    otlp,
    pagerduty,
    prometheus,
    xray,
    zipkin,
)


def test_both_apis_of_jaeger_say_the_same_though_one_counts_in_strings() -> None:
    v3, legacy = (
        jaeger.read(payload("jaeger_api_v3_dependencies.json")),
        jaeger.read(payload("jaeger_api_dependencies.json")),
    )
    assert v3 == legacy
    assert edges(v3) == {"frontend -> checkout", "checkout -> payments"}
    assert [edge.calls for edge in v3.dependencies] == [1203, 990]


@pytest.mark.parametrize("body", [b'{"dependencies":[%s]}', b'{"data":[%s]}'])
@pytest.mark.parametrize("count", [b"1203", b'"1203"'])
def test_a_count_of_jaeger_is_a_number_whether_or_not_it_is_written_as_one(body: bytes, count: bytes) -> None:
    (edge,) = jaeger.read(body % (b'{"parent":"a","child":"b","callCount":%s}' % count)).dependencies
    assert (edge.source, edge.to, edge.calls) == ("a", "b", 1203)


@pytest.mark.parametrize("count", ['"18446744073709551615"', "3", '"x"', "null", "-1", "true", "1e999"])
def test_no_count_makes_a_link_unusable(count: str) -> None:
    body = b'{"dependencies":[{"parent":"a","child":"b","callCount":%s}]}' % count.encode()
    if count == "1e999":
        with pytest.raises(SourceError):
            jaeger.read(body)
        return
    (edge,) = jaeger.read(body).dependencies
    assert edge.calls is None or edge.calls >= 3


async def test_each_api_of_jaeger_is_asked_in_its_own_units() -> None:
    asked: list[tuple[str, dict[str, str]]] = []

    async def get(path: str, query: Sequence[tuple[str, str]] = ()) -> bytes:
        asked.append((path, dict(query)))
        return b'{"dependencies":[]}'

    await jaeger.fetch(get, 1_700_000_000_500, window_seconds=60)
    await jaeger.fetch(get, 1_700_000_000_500, window_seconds=60, legacy=True)
    await zipkin.fetch(_answering(asked, b"[]"), 1_700_000_000_500, window_seconds=60)
    window = {"startTime": "2023-11-14T22:12:20.500Z", "endTime": "2023-11-14T22:13:20.500Z"}
    milliseconds = {"endTs": "1700000000500", "lookback": "60000"}
    assert asked == [
        ("api/v3/dependencies", window),
        ("api/dependencies", milliseconds),
        ("api/v2/dependencies", milliseconds),
    ]


def _answering(asked: list[tuple[str, dict[str, str]]], body: bytes) -> Any:
    async def get(path: str, query: Sequence[tuple[str, str]] = ()) -> bytes:
        asked.append((path, dict(query)))
        return body

    return get


def test_an_empty_jaeger_has_no_dependencies_and_no_problem() -> None:
    assert jaeger.read(b"{}") == jaeger.read(b'{"data":null,"errors":null}') == jaeger.read(b'{"dependencies":[]}')
    with pytest.raises(SourceError, match="storage"):
        jaeger.read(b'{"data":null,"errors":[{"msg":"no storage"}]}')


def test_zipkin_links_go_from_parent_to_child() -> None:
    findings = zipkin.read(payload("zipkin_api_v2_dependencies.json"))
    assert edges(findings) == {"frontend -> backend"}
    assert zipkin.read(b'[{"parent":"a"}]').problems == ("link 0: has no parent and child",)


def test_the_nodes_of_kiali_are_resolved_and_unknown_ones_dropped() -> None:
    services, workloads = (
        kiali.read(payload("kiali_service_graph.json")),
        kiali.read(payload("kiali_workload_graph.json")),
    )
    # Three versions of reviews are one service; calls of a service to itself are none.
    assert edges(services) == edges(workloads) == {
        "ingressgateway -> productpage", "ingressgateway -> tcp", "productpage -> details", "productpage -> reviews",
        "productpage -> tcp", "reviews -> deposit", "reviews -> pricing", "reviews -> ratings",
    }  # fmt: skip
    calls = {(edge.source, edge.to): edge.calls for edge in workloads.dependencies}
    assert calls["productpage", "details"] == 80 * 600  # a rate, as a string, over ten minutes


def kiali_graph(kind: str) -> bytes:
    nodes = [
        {"id": "1", "nodeType": "app", "app": "web"},
        {"id": "2", "nodeType": "service", "service": "api-svc"},
        {"id": "3", "nodeType": "app", "app": "api"},
        {
            "id": "4",
            "nodeType": "service",
            "service": "ext.example.org",
            "isServiceEntry": {"location": "MESH_EXTERNAL"},
        },
    ]
    links = [("1", "2"), ("2", "3"), ("1", "4"), ("1", "9")]
    elements = {"nodes": [{"data": node} for node in nodes],
                "edges": [{"data": {"source": source, "target": to}} for source, to in links]}  # fmt: skip
    return json.dumps({"graphType": kind, "elements": elements}).encode()


def test_a_service_that_kiali_put_between_two_apps_is_contracted() -> None:
    findings = kiali.read(kiali_graph("versionedApp"))
    assert edges(findings) == {"web -> api", "web -> ext.example.org"}
    assert findings.services[0].kind is ServiceKind.EXTERNAL
    assert findings.problems == ("edge 3: no such node",)
    assert edges(kiali.read(kiali_graph("service"))) == {"web -> api-svc", "api-svc -> api", "web -> ext.example.org"}


def test_what_supports_is_what_is_depended_on() -> None:
    findings = pagerduty.read([payload("pagerduty_service_dependencies.json")])
    assert edges(findings) == {"P99DJ6 -> P7AD56 (depends_on)", "P7AD56 -> R87DK4 (depends_on)"}


async def test_every_service_of_pagerduty_is_asked_for_its_neighbours_by_name() -> None:
    async def get(path: str, query: Sequence[tuple[str, str]] = ()) -> bytes:
        offset = dict(query).get("offset")
        if path == "services":
            team = {"teams": [{"id": "T1", "summary": "Payments"}]}
            page = [{"id": f"P{offset}", "name": f"service {offset}", **team}]
            return json.dumps({"services": page, "more": offset == "0"}).encode()
        if path == "business_services":
            return json.dumps(
                {"business_services": [{"id": "B", "name": "Shop", "team": None}], "more": False}
            ).encode()
        ends = {"service_dependencies/technical_services/P0": ("P0", "P100"),
                "service_dependencies/business_services/B": ("B", "P0")}.get(path)  # fmt: skip
        pairs = [{"dependent_service": {"id": ends[0]}, "supporting_service": {"id": ends[1]}}] if ends else []
        return json.dumps({"relationships": pairs}).encode()

    findings = await pagerduty.fetch(get, 0)
    assert edges(findings) == {"Shop -> service 0 (depends_on)", "service 0 -> service 100 (depends_on)"}
    owners = {service.name: (service.owner, service.aliases) for service in findings.services}
    assert owners == {
        "Shop": (None, ("B",)),
        "service 0": ("Payments", ("P0",)),
        "service 100": ("Payments", ("P100",)),
    }


def test_datadog_lists_what_each_service_calls() -> None:
    findings = datadog.read(payload("datadog_service_dependencies.json"))
    assert edges(findings) == {
        "service-a -> service-b", "service-a -> service-c", "service-b -> service-o", "service-c -> service-o"
    }  # fmt: skip
    with pytest.raises(SourceError, match="Forbidden"):
        datadog.read(b'{"errors":["Forbidden"]}')


def test_xray_edges_go_by_reference_and_one_name_is_one_service() -> None:
    findings = xray.read(payload("aws_xray_get_service_graph.json"))
    table = "awseb-e-cmpzepijzr-stack-StartupSignupsTable"
    # The client of the site and the instance behind it have one name: no call between them.
    assert edges(findings) == {f"xray-sample.elasticbeanstalk.com -> {table}"}
    assert {service.name: service.kind for service in findings.services}[table] is ServiceKind.DATASTORE


def test_keep_names_what_a_service_calls_in_three_forms() -> None:
    written = keep.read(payload("keep_topology_service_in.json"))
    assert edges(written) == {"checkout -> cart", "checkout -> payments-db"}
    assert (written.services[0].owner, written.services[0].tier) == ("payments", 1)
    given = keep.read(
        b'[{"id":"1","service":"a","dependencies":[{"serviceId":"2","serviceName":"b","protocol":"HTTP"}]}]'
    )
    exported = keep.read(
        b"services: [{id: 1, service: a}, {id: 2, service: b}]\n"
        b"dependencies: [{service_id: 1, depends_on_service_id: 2}]"
    )
    assert edges(given) == edges(exported) == {"a -> b"}


def test_kubernetes_labels_say_who_owns_what() -> None:
    findings = kubernetes.read(payload("kubernetes_ownership_labels.json"))
    (service,) = findings.services
    assert (service.name, service.owner, service.system) == ("checkout", "payments", "shop")
    assert findings.dependencies == ()


def test_kubernetes_pods_are_instances_that_run_on_hosts() -> None:
    labels = {"app": "web", "team": "shop"}
    listed = {"kind": "List", "items": [
        {"kind": "Deployment", "metadata": {"name": "web-main", "labels": labels}},
        {"kind": "Pod", "metadata": {"name": "web-main-7d9f-abcde", "labels": labels, "ownerReferences": []},
         "spec": {"nodeName": "node-1"}},
        {"kind": "Pod", "metadata": {"name": "bare"}},
    ]}  # fmt: skip
    findings = kubernetes.read(json.dumps(listed).encode())
    assert edges(findings) == {"web -> node-1 (runs_on)"}
    assert findings.instances == {"web-main-7d9f-abcde": "web"}
    assert findings.services[0].aliases == ("web-main",)
    assert len(findings.problems) == 1


#: Which source reads each example, and how many dependencies are in it.
EXAMPLES: dict[str, tuple[Callable[[bytes], Findings], int]] = {
    "aws_xray_get_service_graph.json": (xray.read, 1),
    "backstage_catalog_info_artist_lookup.yaml": (backstage.read, 2),
    "backstage_entities_by_query.json": (backstage.read, 2),
    "datadog_service_dependencies.json": (datadog.read, 4),
    "jaeger_api_dependencies.json": (jaeger.read, 2),
    "jaeger_api_v3_dependencies.json": (jaeger.read, 2),
    "keep_topology_service_in.json": (keep.read, 2),
    "kiali_service_graph.json": (kiali.read, 8),
    "kiali_workload_graph.json": (kiali.read, 8),
    "kubernetes_ownership_labels.json": (kubernetes.read, 0),
    "otlp_trace_example_spec.json": (otlp.read, 0),
    "otlp_traces_client_server_db.binpb": (otlp.read, 2),
    "otlp_traces_client_server_db.json": (otlp.read, 2),
    "pagerduty_service_dependencies.json": (lambda data: pagerduty.read([data]), 2),
    "zipkin_api_v2_dependencies.json": (zipkin.read, 1),
}
#: Metrics as they are exposed; what is asked is Prometheus, of which tests/topology/sources/test_prometheus.py.
EXPOSED = "prometheus_servicegraph.prom"


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_read_without_a_problem(name: str) -> None:
    read, count = EXAMPLES[name]
    findings = read(payload(name))
    assert (len(findings.dependencies), findings.problems) == (count, ())


def test_no_example_is_left_unread() -> None:
    payload(EXPOSED)  # they lie beside the repository, or not
    assert {path.name for path in FOLDER.iterdir()} == {EXPOSED, *EXAMPLES}


READERS: list[Callable[[bytes], Any]] = [
    backstage.read, backstage.read_page, datadog.read, jaeger.read, keep.read, kiali.read, kubernetes.read, otlp.read,
    otlp.spans, lambda data: pagerduty.read([data]), pagerduty.read_services, prometheus.read_vector, xray.read,
    zipkin.read,
]  # fmt: skip

_KEYS = re.split(
    r"\s+",
    "items kind metadata name labels annotations spec relations type targetRef parent child callCount data elements "
    "dependencies nodes edges id source target traffic rates relationships supporting_service dependent_service "
    "services service calls Services ReferenceId Name Edges resourceSpans resource attributes key value stringValue "
    "scopeSpans spans traceId spanId parentSpanId links status result resultType metric owner system",
)
_WORDS = ["a", "b", "component:x/y", "success", "vector", "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174", ""]
_leaf = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from([*_WORDS, "Component"])
_tree = st.recursive(
    _leaf,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=5),
    max_leaves=25,
)


@given(_tree)
def test_no_tree_makes_a_reader_fail_otherwise(tree: Any) -> None:
    _all_total(json.dumps(tree).encode())


@given(st.binary(max_size=200))
def test_no_bytes_make_a_reader_fail_otherwise(data: bytes) -> None:
    _all_total(data)


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b"{" * 100_000, b'{"items":' * 50_000, b"a: &a [*a]", b"!!python/name:os"]
)
def test_hostile_documents_are_refused_or_empty(data: bytes) -> None:
    _all_total(data)


def _all_total(data: bytes) -> None:
    for read in READERS:
        try:
            found = read(data)
        except SourceError:
            continue
        if isinstance(found, Findings):
            assert msgspec.json.decode(msgspec.json.encode(found), type=Findings) == found
            assert all(edge.source and edge.to and edge.source != edge.to for edge in found.dependencies)


def test_half_a_character_in_an_escape_is_refused_before_anything_has_to_write_it() -> None:
    with pytest.raises(SourceError):
        backstage.read(b'[{"kind": "Component", "metadata": {"name": "a", "namespace": "\\uD800"}, "spec": {}}]')
    whole = backstage.read(
        b'[{"kind": "Component", "metadata": {"name": "\\ud83d\\ude00"}, "spec": {"type": "service"}}]'
    )
    assert [service.name for service in whole.services] == ["\N{GRINNING FACE}"]
