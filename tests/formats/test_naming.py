"""Naming: the service, scope, severity and identity of an event, by configuration and graph alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.config import NamingConfig
from correlator.domain import AlertEvent, Edge, Severity
from correlator.errors import InputError
from correlator.formats.canonical import parse
from correlator.formats.naming import Namer
from topology.graph import Service, ServiceGraph, TopologyDocument

AT = 1_714_557_600_000
GRAPH = ServiceGraph(
    TopologyDocument(
        services=(
            Service(name="cart", aliases=("shopping-cart", "cart.v2")),
            Service(name="db"),
            Service(name="web"),
            Service(name="kube-proxy"),
        ),
        dependencies=(),
        instances={"10.0.0.7:5432": "db", "ip-10-0-0-9": "db"},
    )
)


def named(config: NamingConfig | None = None, graph: ServiceGraph = GRAPH, at: int = AT, **fields: Any) -> AlertEvent:
    alert = {"status": "firing", "name": "HighLatency", "starts_at": "2024-05-01T10:00:00Z", **fields}
    return Namer(config or NamingConfig(), graph).name(parse(json.dumps(alert).encode()), event_id="e1", observed_at=at)


# -- the service ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "service", "known"),
    [
        ({"service": "cart"}, "cart", True),
        ({"service": "shopping-cart"}, "cart", True),
        ({"service": "billing"}, "billing", False),
        ({"service": "billing", "labels": {"app": "cart"}}, "billing", False),
        ({"service": "cart-7d9c6b5f4-x2x9z"}, "cart", True),
        ({"service": "cart.shop.svc.cluster.local"}, "cart", True),
        ({"labels": {"service": "cart"}}, "cart", True),
        ({"labels": {"app": "shopping-cart"}}, "cart", True),
        ({"labels": {"app_kubernetes_io_name": "cart", "job": "kubelet"}}, "cart", True),
        ({"labels": {"backstage_io_kubernetes_id": "shopping-cart", "app_kubernetes_io_name": "thing"}}, "cart", True),
        ({"labels": {"k8s-app": "thing", "job": "kubelet"}}, "thing", False),
        ({"labels": {"service": "cart", "app": "db"}}, "cart", True),
        ({"labels": {"job": "db", "service": "cart"}}, "cart", True),
        ({"labels": {"service": "exporter", "app": "db"}}, "db", True),
        ({"labels": {"service": "exporter", "app": "thing"}}, "exporter", False),
        ({"labels": {"service": "exporter-7d9c6b5f4-x2x9z"}}, "exporter", False),
        ({"labels": {"pod": "cart-7d9c6b5f4-x2x9z"}}, "cart", True),
        ({"labels": {"instance": "10.0.0.7:5432"}}, "db", True),
        ({"labels": {"instance": "db:9187"}}, "db", True),
        ({"entity": "ip-10-0-0-9"}, "db", True),
        ({"entity": "cart-7d9c6b5f4-x2x9z"}, "cart", True),
        ({"entity": "web->cart"}, "cart", True),
        ({"labels": {"source": "web", "destination": "shopping-cart"}}, "cart", True),
        ({"labels": {"app": "kube-proxy"}}, "kube-proxy", True),
        ({"entity": "stray-7d9c6b5f4-x2x9z"}, "unknown:stray", False),
        ({}, "unknown:HighLatency", False),
    ],
)
def test_the_service_is_found_in_the_order_of_the_rules(fields: dict[str, Any], service: str, known: bool) -> None:
    event = named(**fields)
    assert (event.service, event.known_service) == (service, known)


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"service": "billing", "labels": {"app": "cart"}}, "sender"),
        ({"labels": {"service": "exporter", "app": "db"}}, "label:app"),
        ({"labels": {"service": "exporter", "app": "thing"}}, "label:service"),
        ({"labels": {"service": "exporter", "source": "web", "destination": "shopping-cart"}}, "call"),
        ({"entity": "web->cart"}, "call"),
        ({"labels": {"service": "exporter", "instance": "10.0.0.7:5432"}}, "entity"),
        ({"labels": {"pod": "cart-7d9c6b5f4-x2x9z"}}, "entity"),
        ({"entity": "stray-7d9c6b5f4-x2x9z"}, "nothing"),
        ({}, "nothing"),
    ],
)
def test_which_rule_named_the_service_is_told(fields: dict[str, Any], rule: str) -> None:
    assert named(**fields).named_by == rule


def test_the_configured_labels_are_asked_in_their_order() -> None:
    labels = {"team_service": "db", "service": "cart"}
    assert named(NamingConfig(service_labels=("team_service", "service")), labels=labels).service == "db"
    assert named(NamingConfig(service_labels=("service", "team_service")), labels=labels).service == "cart"


def test_without_a_graph_the_labels_still_name_the_service() -> None:
    event = named(graph=ServiceGraph.empty(), labels={"app": "cart", "pod": "cart-7d9c6b5f4-x2x9z"})
    assert (event.service, event.known_service, event.entity) == ("cart", False, "cart-7d9c6b5f4-x2x9z")


def test_both_ends_of_a_call_have_their_names_in_the_graph() -> None:
    assert named(entity="web->shopping-cart").edge == Edge(caller="web", callee="cart")
    assert named(labels={"caller": "web", "callee": "cart.v2"}).edge == Edge(caller="web", callee="cart")


# -- identity ------------------------------------------------------------------------------------------------------


def fingerprint(**fields: Any) -> str:
    return named(**fields).fingerprint


@pytest.mark.parametrize("label", NamingConfig().volatile_labels)
def test_a_volatile_label_is_no_part_of_the_identity(label: str) -> None:
    one, other = ({"service": "cart", label: value} for value in ("x", "y"))
    assert fingerprint(labels=one) == fingerprint(labels=other)


def test_a_volatile_label_tells_apart_the_instances_of_one_alert() -> None:
    one, other = (named(service="cart", labels={"replica": value}) for value in ("a", "b"))
    assert one.fingerprint == other.fingerprint and one.instance != other.instance


def test_a_restarted_pod_has_the_same_alert() -> None:
    one, other = (
        named(service="cart", entity=pod, labels={"pod": pod})
        for pod in ("cart-7d9c6b5f4-x2x9z", "cart-6b8f7c9d8-aaaaa")
    )
    assert one.fingerprint == other.fingerprint and one.instance != other.instance


def test_an_address_is_no_part_of_the_identity() -> None:
    assert fingerprint(service="db", entity="10.0.0.1:9090") == fingerprint(service="db", entity="10.0.0.2:9090")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "HighErrorRate"},
        {"service": "db"},
        {"labels": {"endpoint": "/b"}},
        {"labels": {"endpoint": "/a", "method": "GET"}},
        {"labels": {}},
        {"entity": "queue-b"},
        {"edge": {"caller": "web", "callee": "cart"}},
    ],
)
def test_whatever_identifies_an_alert_changes_its_fingerprint(change: dict[str, Any]) -> None:
    fields = {"service": "cart", "entity": "queue-a", "labels": {"endpoint": "/a"}}
    assert fingerprint(**fields) != fingerprint(**{**fields, **change})


def test_what_does_not_identify_an_alert_leaves_its_fingerprint() -> None:
    fields = {"service": "cart", "labels": {"endpoint": "/a"}}
    for change in ({"summary": "other"}, {"value": 3.5}, {"severity": "critical"}, {"status": "resolved"}, {"id": "z"}):
        assert fingerprint(**fields) == fingerprint(**fields, **change)


@given(st.dictionaries(st.text(min_size=1, max_size=4), st.text(max_size=4), max_size=6), st.randoms())
def test_the_order_of_labels_is_no_part_of_the_identity(labels: dict[str, str], shuffle: Any) -> None:
    items = list(labels.items())
    shuffle.shuffle(items)
    fields = {"labels": labels, "service": "cart"}
    assert _bytes_safe(fields) == _bytes_safe({**fields, "labels": dict(items)})


def _bytes_safe(fields: dict[str, Any]) -> str | None:
    try:
        return fingerprint(**fields)
    except InputError:
        return None


def test_a_senders_own_fingerprint_is_taken_as_it_is() -> None:
    event = named(service="cart", fingerprint="abc", labels={"replica": "a"})
    assert (event.fingerprint, event.instance) == ("abc", "")


def test_the_cache_changes_nothing() -> None:
    namer = Namer(NamingConfig(), GRAPH)
    fresh = [named(labels={"app": "cart", "n": str(number % 7)}) for number in range(20)]
    data = [{"status": "firing", "name": "HighLatency", "starts_at": "2024-05-01T10:00:00Z",
             "labels": {"app": "cart", "n": str(number % 7)}} for number in range(20)]  # fmt: skip
    assert [namer.name(parse(json.dumps(one).encode()), event_id="e1", observed_at=AT) for one in data] == fresh


# -- severity and scope --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("critical", Severity.CRITICAL), ("page", Severity.CRITICAL), ("P1", Severity.CRITICAL),
        ("disaster", Severity.CRITICAL), ("error", Severity.ERROR), ("HIGH", Severity.ERROR), ("p2", Severity.ERROR),
        ("warning", Severity.WARNING), ("ticket", Severity.WARNING), ("Average", Severity.WARNING),
        ("info", Severity.INFO), ("none", Severity.INFO), ("low", Severity.INFO), ("P5", Severity.INFO),
        ("whatever", Severity.UNKNOWN), ("", Severity.UNKNOWN),
    ],
)  # fmt: skip
def test_the_words_of_the_field_are_severities(word: str, severity: Severity) -> None:
    assert named(labels={"severity": word}).severity is severity


def test_a_stated_severity_outranks_the_labels() -> None:
    assert named(severity="info", labels={"severity": "critical"}).severity is Severity.INFO
    assert named(labels={"priority": "P1"}).severity is Severity.CRITICAL
    assert named().severity is Severity.UNKNOWN


def test_words_for_severities_may_be_added_and_changed() -> None:
    config = NamingConfig(severities={"Blocker": "critical", "sev3": "info"})
    words = {word: named(config, labels={"severity": word}).severity for word in ("BLOCKER", "Sev3", "high", "odd")}
    assert words == {
        "BLOCKER": Severity.CRITICAL, "Sev3": Severity.INFO, "high": Severity.ERROR, "odd": Severity.UNKNOWN
    }  # fmt: skip


def test_a_label_without_a_word_for_a_severity_leaves_it_to_the_next() -> None:
    labels = {"severity": "odd", "priority": "P1"}
    assert named(labels=labels).severity is Severity.CRITICAL
    assert named(NamingConfig(severities={"odd": "unknown"}), labels=labels).severity is Severity.UNKNOWN


def test_the_team_comes_from_the_configured_labels() -> None:
    assert named(labels={"team": "storage", "owner": "ann"}).team == "storage"
    assert named(NamingConfig(team_labels=("squad", "owner")), labels={"team": "x", "owner": "core"}).team == "core"
    assert named(labels={"owner": "core"}).team == named().team == ""
    assert len(named(labels={"team": "x" * 1000}).team) == 100


def test_the_scope_is_stated_or_comes_from_the_configured_labels() -> None:
    config = NamingConfig(scope_labels=("tenant", "region"))
    assert named(config, labels={"region": "eu", "tenant": "acme"}).scope == "acme/eu"
    assert named(config, labels={"region": "eu"}).scope == "eu"
    assert named(config, scope="own", labels={"region": "eu"}).scope == "own"
    assert named(config).scope == named(labels={"region": "eu"}).scope == "default"


# -- clocks --------------------------------------------------------------------------------------------------------


def test_a_start_in_the_future_is_taken_as_now() -> None:
    assert named(at=AT - 60_000).starts_at == AT - 60_000
    assert named(at=AT + 60_000).starts_at == AT


def test_a_start_days_in_the_future_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        named(at=AT - 2 * 86_400_000)
    assert caught.value.reason == "bad_timestamp"


def test_a_long_text_is_cut_for_the_event() -> None:
    assert len(named(summary="x" * 10_000).summary) == 500
