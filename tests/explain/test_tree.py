"""The explained tree is the engine's own: the same root, the same members, strengths that sum to its gain."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings

from correlator.config import Config
from correlator.domain import Action, IncidentEvent
from correlator.engine.engine import Engine
from correlator.explain.course import Said
from correlator.explain.incident import see
from correlator.explain.values import Bond, Explanation
from tests.engine.histories import History, histories
from tests.explain.stage import SCENARIOS, Stage, run_events

STORIES = sorted(path.stem for path in SCENARIOS.glob("*.yaml"))


class Checks:
    """Hold each explanation beside the engine at the moment of publication."""

    def __init__(self) -> None:
        self.found: list[Explanation] = []

    def __call__(self, said: Said) -> None:
        event = said.output
        if isinstance(event, IncidentEvent) and event.action is not Action.MERGED:
            explanation = see(said, event).explanation
            self.found.append(explanation)
            check(explanation, event, said.engine)


def check(found: Explanation, event: IncidentEvent, engine: Engine) -> None:
    view = engine.view(event.scope)
    incident = view.scope.incidents[event.incident_id]
    assert (found.root, found.confidence) == (event.root_cause.service, event.root_cause.confidence)
    told = [(one.service, one.probability, one.evidence) for one in event.root_cause.candidates]
    assert [(one.service, one.probability, one.evidence) for one in found.suspects] == told
    assert sorted(one.node for one in found.members if one.elsewhere is None) == sorted(incident.nodes)
    noise = sum(math.log(view.explainer.noise(view.scope.nodes[key])) for key in incident.weighed)
    strengths = [one.strength for one in found.members if one.strength is not None]
    assert sum(strengths) == pytest.approx(incident.weight - noise, abs=1e-3 * (1 + len(strengths)))
    assert found.faults_of_late == pytest.approx(view.explainer.fault_odds, abs=1e-3)
    assert found.gain == pytest.approx(incident.weight - noise + found.faults_of_late, abs=2e-3)
    for member in found.members:
        node = view.scope.nodes[member.node]
        assert member.parent == (node.parent if node.parent in view.scope.nodes else None)
        assert (member.parent is None) == (member.bond in (Bond.FAULT, Bond.SILENT_CAUSE, Bond.KEPT))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories())
def test_every_explanation_says_what_the_engine_holds(history: History) -> None:
    run_events(history.events, history.graph, Config(reopen_window_seconds=900), Checks())


@pytest.mark.parametrize("model", ["default", "none"])
@pytest.mark.parametrize("name", STORIES)
def test_every_revision_of_a_story_is_explained_as_it_was_published(name: str, model: str) -> None:
    stage = Stage.of_story(name, model)
    checks = Checks()
    published = [one for one in stage.published() if one.action is not Action.MERGED]
    course = stage._course(checks)
    from_lines(stage, course)
    assert [(one.incident_id, one.revision) for one in checks.found] == [
        (one.incident_id, one.revision) for one in published
    ]
    for event in published[:1]:
        assert stage.explain(event.incident_id, event.revision, try_changes=False).as_published


def test_a_cascade_hangs_together_over_the_dependencies_that_the_graph_has() -> None:
    stage = Stage.of_story("cascade-symptoms-first")
    found = stage.explain(stage.published()[-1].incident_id, try_changes=False)
    assert found.members[0].service == found.root == "db" and found.members[0].bond is Bond.FAULT
    assert {member.service for member in found.members} == {"db", "catalog", "orders", "users", "stock", "web", "admin"}
    depends = {(edge["from"], edge["to"]) for edge in stage.topology["dependencies"]}
    for member in found.members[1:]:
        assert member.bond is Bond.CAUSED
        assert {(hop.source, hop.to) for hop in member.path} <= depends
        assert all(hop.type == "calls" for hop in member.path)
    stock = next(member for member in found.members if member.service == "stock")
    assert stock.cause == "db" and stock.delay_seconds == -135.0


def test_a_rival_is_set_apart_by_the_log_of_the_odds_that_the_weights_gave() -> None:
    stage = Stage.of_story("cascade-symptoms-first", "default")
    found = stage.explain(stage.published()[0].incident_id, 1, try_changes=False)
    first = found.suspects[0]
    for rival in found.rivals:
        beside = next(one for one in found.suspects if one.service == rival.service)
        assert rival.lead == pytest.approx(math.log(first.weighed / beside.weighed), abs=0.05)
        assert sum(abs(factor.nats) for factor in rival.factors) > 0


def test_what_is_left_out_although_it_is_near_is_told_with_the_reason() -> None:
    stage = Stage.of_story("two-unrelated-failures")
    first = stage.published()[0]
    found = stage.explain(first.incident_id, 1, try_changes=False)
    assert found.neighbours
    assert {one.service for one in found.neighbours}.isdisjoint(member.service for member in found.members)
    assert all(one.why for one in found.neighbours)
    assert all(one.short_by is None or one.short_by > 0 for one in found.neighbours)


def test_a_deploy_before_the_failure_is_weighed_for_the_service_that_it_changed() -> None:
    stage = Stage.of_story("deploy-before-failure")
    found = stage.explain(stage.published()[0].incident_id, try_changes=False)
    change = found.changes[0]
    assert (change.service, change.name) == ("checkout", "CheckoutDeployed")
    assert change.seconds_before_onset == 120 and 0 < change.raises <= math.log(20)


def from_lines(stage: Stage, course: object) -> None:
    import io

    from correlator.explain.course import Course
    from correlator.explain.sources import from_alerts

    assert isinstance(course, Course)
    course.run(from_alerts(stage.config, stage.graph, io.BytesIO(b"\n".join(stage.lines))), sealed=True)
