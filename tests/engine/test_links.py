"""Links: a page tells where to read more of the alerts at its root, and what is remembered of them has a bound."""

from __future__ import annotations

import msgspec

from correlator.config import EngineConfig
from correlator.domain import AlertEvent, Severity
from correlator.engine import nodes
from correlator.engine.engine import Engine
from tests.engine.drive import event, graph_of, run


def linked(service: str, name: str, second: float, **links: str) -> AlertEvent:
    return msgspec.structs.replace(event(service, name, second), links=links)


def test_a_page_has_the_links_of_the_alerts_at_its_root_of_each_kind_the_first() -> None:
    graph = graph_of({"web": ["db"], "shop": ["db"]})
    told = run(
        [
            linked("web", "HighLatency", 0, runbook="https://r/latency", source="https://m/web"),
            linked("db", "PostgresDown", 1, source="https://m/db"),
            linked("db", "ReplicationLag", 2, runbook="https://r/lag", source="https://m/lag"),
            linked("shop", "HighErrorRate", 3, dashboard="https://d/shop"),
        ],
        graph,
    ).published
    assert {one.root_cause.service for one in told} == {"db"}
    assert [(link.kind, link.url, link.alert) for link in told[-1].links] == [
        ("runbook", "https://r/lag", "ReplicationLag"),
        ("source", "https://m/db", "PostgresDown"),
    ]


def test_of_a_service_with_many_alerts_few_links_are_remembered() -> None:
    engine = Engine(EngineConfig())
    for number in range(100):
        one = linked("db", f"Rule{number}", number / 100, source=f"https://m/{number}")
        engine.on_event(one, one.observed_at)
    (node,) = engine.state.scopes["default"].nodes.values()
    assert len(node.names) > 8
    assert list(node.links) == [f"Rule{number}" for number in range(8)]


def test_a_change_is_told_with_its_link() -> None:
    change = linked("db", "Deployment finished", 0, source="https://ci/220")
    deploy = msgspec.structs.replace(change, severity=Severity.INFO, summary="2.1")
    told = run([deploy, event("db", "PostgresDown", 60)]).published
    assert [(one["summary"], one["url"]) for one in told[0].changes] == [("2.1", "https://ci/220")]


def test_links_go_with_their_alerts_where_a_node_is_divided() -> None:
    engine = Engine(EngineConfig())
    for one in (
        linked("db", "PostgresDown", 0, source="https://m/down"),
        linked("db", "ReplicationLag", 1, source="https://m/lag"),
    ):
        engine.on_event(one, one.observed_at)
    scope = engine.state.scopes["default"]
    (node,) = scope.nodes.values()
    part = nodes.divide(node, {"db/ReplicationLag": scope.alerts["db/ReplicationLag"]}, 7, scope.alerts)
    assert (list(node.links), list(part.links)) == (["PostgresDown"], ["ReplicationLag"])
