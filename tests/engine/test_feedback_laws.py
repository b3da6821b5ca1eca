"""Whatever operators say, and whenever: nothing is lost, a page has one end, a restart changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from correlator.config import EngineConfig
from correlator.domain import (
    Action,
    AlertEvent,
    Feedback,
    FeedbackAction,
    FeedbackSource,
    IncidentEvent,
    Severity,
    Status,
    rfc3339,
)
from correlator.engine import snapshot
from correlator.engine.decisions import Heard, Output
from correlator.engine.engine import Engine
from tests.engine.drive import START, Run, broken_laws, event, graph_of, to_the_end

SERVICES = ("web", "api", "db", "cart")
NAMES = ("ServiceDown", "HighErrorRate")
GRAPH = graph_of({"web": ["api", "cart"], "api": ["db"]}, owners={"db": "data", "api": "core"})
CONFIG = EngineConfig(page_probability=0, page_probability_critical=0, resolved_by_hand_seconds=1200)
#: What breaks by an operator's own wish: an incident is resolved by hand although its alerts fire.
WISHED = "alerts fire when it is resolved"


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """Something an operator says, of whichever incident was published as the `which`-th (modulo how many were)."""

    second: int
    action: FeedbackAction
    which: int
    other: int
    delay: int
    service: str
    name: str
    delivery: int


alerts = st.builds(
    lambda service, name, second, severity, status: event(service, name, second, status, severity=severity),
    st.sampled_from(SERVICES),
    st.sampled_from(NAMES),
    st.integers(0, 1500),
    st.sampled_from((Severity.CRITICAL, Severity.WARNING)),
    st.sampled_from((Status.FIRING, Status.FIRING, Status.RESOLVED)),
)
words = st.builds(
    Word,
    second=st.integers(0, 2500),
    action=st.sampled_from(FeedbackAction),
    which=st.integers(0, 5),
    other=st.integers(0, 5),
    delay=st.integers(0, 300),
    service=st.sampled_from(SERVICES),
    name=st.sampled_from(NAMES),
    delivery=st.integers(0, 30),
)
Happening = AlertEvent | Word


def when(one: Happening) -> int:
    return one.observed_at if isinstance(one, AlertEvent) else START + 1000 * one.second


def feedback_of(word: Word, published: Sequence[str]) -> Feedback:
    return Feedback(
        incident_id=published[word.which % len(published)],
        action=word.action,
        at=rfc3339(when(word) - 1000 * word.delay),
        source=FeedbackSource.PAGERDUTY if word.delivery % 2 else FeedbackSource.HTTP,
        id=str(word.delivery),
        to=word.service,
        root=word.service,
        into=published[word.other % len(published)],
        services=[word.service] if word.delivery % 3 else [],
        alerts=[event(word.service, word.name, 0).fingerprint],
    )


def play(happenings: Sequence[Happening], *, restart_every: int = 0) -> list[Output]:
    """Let it all happen in order, and to the end; begin anew from a snapshot now and then."""
    engine = Engine(CONFIG, graph=GRAPH)
    said: list[Output] = []
    published: dict[str, None] = {}
    for number, one in enumerate(sorted(happenings, key=when), start=1):
        if isinstance(one, AlertEvent):
            outputs = engine.on_event(one, when(one))
        else:
            outputs = engine.tick(when(one))
            published.update({said.incident_id: None for said in outputs if isinstance(said, IncidentEvent)})
            if published:
                outputs += engine.on_feedback(feedback_of(one, list(published)), when(one))
        said += outputs
        published.update({said.incident_id: None for said in outputs if isinstance(said, IncidentEvent)})
        if restart_every and number % restart_every == 0:
            whole = snapshot.Snapshot(offset=number, mark="", state=engine.state, deliveries={})
            engine = Engine(CONFIG, state=snapshot.decode(snapshot.encode(whole)).state, graph=GRAPH)
    return [*said, *to_the_end(engine)]


happenings = st.lists(st.one_of(alerts, words), max_size=40)


@given(happenings)
def test_whatever_operators_say_every_incident_and_every_event_comes_to_its_end(happenings: list[Happening]) -> None:
    run = Run(play(happenings))
    assert [law for law in broken_laws(run) if WISHED not in law] == []
    assert len(run.decisions) == sum(isinstance(one, AlertEvent) for one in happenings)


@given(happenings)
def test_every_page_has_one_end_after_it_and_no_end_comes_twice(happenings: list[Happening]) -> None:
    for history in Run(play(happenings)).histories.values():
        begins = sum(one.action in (Action.OPENED, Action.REOPENED) for one in history)
        assert begins == sum(one.action in (Action.RESOLVED, Action.MERGED) for one in history)
        assert all(one.page for one in history if one.action in (Action.OPENED, Action.REOPENED))


@given(happenings, st.integers(1, 7))
def test_a_restart_at_any_point_is_no_restart(happenings: list[Happening], restart_every: int) -> None:
    assert Run(play(happenings, restart_every=restart_every)).encoded() == Run(play(happenings)).encoded()


@given(happenings)
def test_a_delivery_acts_once(happenings: list[Happening]) -> None:
    heard = [output for output in play(happenings) if isinstance(output, Heard)]
    told = [output.id for output in heard if output.outcome != "repeated"]
    assert len(told) == len(set(told))
