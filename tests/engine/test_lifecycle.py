"""The table of an incident's life: what it promises, its page in docs, and that incidents live by it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from correlator.config import EngineConfig
from correlator.domain import Action, IncidentEvent, Status
from correlator.engine.decisions import Output
from correlator.engine.engine import Engine
from correlator.engine.lifecycle import TABLE, Stage, Trigger, stage_of, take
from correlator.engine.state import Incident
from tests.engine.drive import START, Run, broken_laws, event, graph_of, to_the_end

PAGE = Path(__file__).parents[2] / "docs" / "lifecycle.md"


# -- the table -----------------------------------------------------------------------------------------------------


def test_the_page_in_docs_shows_the_table() -> None:
    row = re.compile(r"^\| `(\w+)` \| `(\w+)`.*? \| `(\w+)` \| (?:`(\w+)`)? ?\| (yes)? ?\|$", re.MULTILINE)
    shown = [
        (stage, trigger, following, action, page == "yes")
        for stage, trigger, following, action, page in row.findall(PAGE.read_text(encoding="utf-8"))
    ]
    assert shown == [
        (str(stage), str(trigger), str(step.stage), str(step.action or ""), step.page)
        for (stage, trigger), step in TABLE.items()
    ]


def test_only_what_is_told_as_new_pages() -> None:
    assert {step.action for step in TABLE.values() if step.page} == {Action.OPENED, Action.REOPENED}


def test_what_was_told_is_never_gone_without_its_end() -> None:
    for (stage, trigger), step in TABLE.items():
        if step.stage is Stage.GONE and stage in (Stage.OPEN, Stage.QUIET):
            assert (trigger, step.action) == (Trigger.EMPTIED, Action.MERGED)
        if step.action in (Action.RESOLVED, Action.MERGED):
            assert step.stage in (Stage.RESOLVED, Stage.ENDED, Stage.GONE)


def test_every_stage_is_reached_and_every_way_ends() -> None:
    reached = {Stage.PENDING}
    ends = {Stage.GONE}
    for _ in Stage:
        reached |= {step.stage for (stage, _), step in TABLE.items() if stage in reached}
        ends |= {stage for (stage, _), step in TABLE.items() if step.stage in ends}
    assert reached == set(Stage) == ends
    assert {trigger for _, trigger in TABLE} == set(Trigger)
    assert all(stage is not Stage.GONE for stage, _ in TABLE)


def test_a_step_that_is_not_in_the_table_is_an_error() -> None:
    incident = Incident(id="i", created_at=START, nodes=[1])
    with pytest.raises(KeyError):
        take(incident, Trigger.STAYED_QUIET, START)


@pytest.mark.parametrize("ended", [0, 5, START])
def test_what_falls_quiet_is_quiet_whenever_it_ended(ended: int) -> None:
    incident = Incident(id="i", created_at=START, nodes=[1], revision=1)
    take(incident, Trigger.FALLS_QUIET, START, quiet_since=ended)
    assert stage_of(incident) is Stage.QUIET
    take(incident, Trigger.STAYED_QUIET, START)
    assert (stage_of(incident), incident.resolved_at) == (Stage.RESOLVED, START)


# -- incidents -----------------------------------------------------------------------------------------------------

#: From each stage that can be seen between two seconds, the stages that the table leads to.
_AFTER: dict[Stage, set[Stage]] = {stage: {stage} for stage in Stage}
for _round in Stage:
    for (_stage, _trigger), _step in TABLE.items():
        _AFTER[_stage] |= _AFTER[_step.stage]

SERVICES = ("web", "api", "db", "cache", "stranger")
NAMES = ("ServiceDown", "HighErrorRate", "CpuSaturated")
GRAPH = graph_of({"web": ["api"], "api": ["db", "cache"]})
services, names = st.sampled_from(SERVICES), st.sampled_from(NAMES)


class Lives(RuleBasedStateMachine):
    """Alerts fire, end, end late; time passes. Each incident goes from stage to stage as the table says."""

    @initialize(reopen=st.sampled_from([0, 900]), page=st.sampled_from([0.0, 0.8]))
    def begin(self, reopen: int, page: float) -> None:
        config = EngineConfig(
            reopen_window_seconds=reopen,
            resolve_after_seconds=60,
            page_probability=page,
            page_probability_critical=page,
            update_interval_seconds=1,
        )
        self.engine = Engine(config, graph=GRAPH)
        self.second = 0.0
        self.firing: dict[tuple[str, str], float] = {}
        self.said: list[Output] = []
        self.stages: dict[str, Stage] = {}

    @rule(service=services, name=names, ago=st.sampled_from([0, 0, 30, 700]))
    def fire(self, service: str, name: str, ago: int) -> None:
        began = self.firing.setdefault((service, name), self.second - ago)
        self._apply(service, name, began, ends=None)

    @precondition(lambda self: self.firing)
    @rule(which=st.integers(0, 99), late=st.sampled_from([0, 0, 0, 500, 2000]))
    def end(self, which: int, late: int) -> None:
        service, name = sorted(self.firing)[which % len(self.firing)]
        began = self.firing.pop((service, name))
        self._apply(service, name, began, ends=max(began, self.second - late))

    @rule(seconds=st.sampled_from([0.4, 1, 1.5, 11, 61, 400, 460.5, 1000]))
    def wait(self, seconds: float) -> None:
        self.second += seconds
        self._heard(self.engine.tick(START + round(1000 * self.second)))

    def _apply(self, service: str, name: str, began: float, ends: float | None) -> None:
        status = Status.FIRING if ends is None else Status.RESOLVED
        number = f"e{len(self.said)}"
        one = event(service, name, self.second, status, started=began, ends=ends, id=number)
        self._heard(self.engine.on_event(one, one.observed_at))

    def _heard(self, outputs: list[Output]) -> None:
        self.said += outputs

    @invariant()
    def every_incident_is_at_a_stage_that_follows(self) -> None:
        scope = self.engine.state.scopes.get("default")
        known = {} if scope is None else {key: stage_of(one) for key, one in scope.incidents.items()}
        for key, stage in known.items():
            assert stage in _AFTER[self.stages.get(key, Stage.PENDING)]
        self.stages = known

    @invariant()
    def what_is_published_last_is_what_the_stage_says(self) -> None:
        scope = self.engine.state.scopes.get("default")
        last = {one.incident_id: one for one in self.said if isinstance(one, IncidentEvent)}
        for key, incident in ({} if scope is None else scope.incidents).items():
            stage = stage_of(incident)
            assert (stage is Stage.PENDING) == (incident.revision == 0)
            if incident.revision:
                assert last[key].revision == incident.revision
                assert (last[key].action is Action.RESOLVED) == (stage is Stage.RESOLVED)

    def teardown(self) -> None:
        if not hasattr(self, "engine"):
            return
        self.said += to_the_end(self.engine)
        done = Run(self.said)
        assert broken_laws(done) == []
        assert set(Counter(verdict.node for verdict in done.verdicts).values()) <= {1}
        assert {one.node for one in done.decisions if one.node} == {one.node for one in done.verdicts}


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
