"""Whose an incident is: the owner of its root by the graph, else the team that the first alert at the root names."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from correlator.config import EngineConfig
from correlator.domain import AlertEvent, Feedback, FeedbackAction, FeedbackSource, IncidentEvent, rfc3339
from correlator.engine import nodes
from correlator.engine.engine import Engine
from tests.engine.drive import START, event, graph_of, run

DEPENDENCIES = {"web": ["db"], "shop": ["db"]}


def of_team(team: str, service: str, name: str, second: float) -> AlertEvent:
    return msgspec.structs.replace(event(service, name, second), team=team)


def team_of(said: IncidentEvent) -> str | None:
    return said.owner.team if said.owner else None


@pytest.mark.parametrize(
    ("owners", "teams", "owner"),
    [
        ({"db": "data"}, {"db": "storage", "web": "front"}, "data"),
        ({"web": "front"}, {"db": "storage", "web": "front"}, "storage"),
        ({}, {"db": "storage"}, "storage"),
        ({"web": "front"}, {"web": "front"}, None),
    ],
)
def test_the_graph_is_asked_before_the_alerts_at_the_root(
    owners: Mapping[str, str], teams: Mapping[str, str], owner: str | None
) -> None:
    said = run(
        [
            of_team(teams.get("web", ""), "web", "HighErrorRate", 0),
            of_team("", "db", "DiskFull", 1),
            of_team(teams.get("db", ""), "db", "PostgresDown", 2),
            of_team("another", "db", "ReplicationLag", 3),
        ][: 4 if teams.get("db") else 3],
        graph_of(DEPENDENCIES, owners),
    ).published
    assert {one.root_cause.service for one in said} == {"db"}
    assert {team_of(one) for one in said} == {owner}


def test_a_root_that_no_graph_knows_has_the_team_of_its_alert() -> None:
    said = run([of_team("storage", "db", "PostgresDown", 0)]).published
    assert [team_of(one) for one in said] == ["storage", "storage"]


def test_whoever_is_given_the_incident_has_it_and_it_stays_where_it_was_told() -> None:
    engine = Engine(EngineConfig())
    said = [*engine.on_event(of_team("storage", "db", "PostgresDown", 0), START), *engine.tick(START + 120_000)]
    (opened,) = (one for one in said if isinstance(one, IncidentEvent))
    word = Feedback(
        incident_id=opened.incident_id, action=FeedbackAction.REASSIGN, at=rfc3339(START + 130_000),
        source=FeedbackSource.PAGERDUTY, id="1", to="Ann", to_person=True,
    )  # fmt: skip
    (given,) = (one for one in engine.on_feedback(word, START + 130_000) if isinstance(one, IncidentEvent))
    assert given.owner is not None and (given.owner.team, given.owner.route) == ("Ann", "storage")


def test_both_parts_of_a_node_keep_the_team() -> None:
    engine = Engine(EngineConfig())
    for one in (of_team("storage", "db", "PostgresDown", 0), of_team("", "db", "ReplicationLag", 1)):
        engine.on_event(one, one.observed_at)
    scope = engine.state.scopes["default"]
    (node,) = scope.nodes.values()
    part = nodes.divide(node, {"db/ReplicationLag": scope.alerts["db/ReplicationLag"]}, 7, scope.alerts)
    assert (node.team, part.team) == ("storage", "storage")
