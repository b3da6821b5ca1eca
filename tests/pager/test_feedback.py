"""Whatever is said and resolved by hand at the pager: a page opens one incident there, and nothing stays open."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from correlator.domain import Action, FeedbackAction, IncidentEvent
from correlator.engine.engine import Engine
from correlator.pager.exchange import Delivered
from correlator.pager.mark import NOTHING, Mark, Verb, mark_after, paging_step
from tests.engine.drive import to_the_end
from tests.engine.test_feedback_laws import CONFIG, GRAPH, Happening, Word, alerts, feedback_of, when, words


class Desk:
    """PagerDuty as its documentation has it: a trigger opens what is not open, a resolve ends what is."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.opened = 0
        self._marks: dict[str, Mark] = {}

    def deliver(self, event: IncidentEvent) -> None:
        """Deliver an event as the pager does."""
        mark = self._marks.get(event.incident_id, NOTHING)
        step = paging_step(event, mark, missed=False, route="r", moves=False)
        if step.verb is Verb.TRIGGER:
            self.opened += event.incident_id not in self.open
            self.open.add(event.incident_id)
        elif step.verb is Verb.RESOLVE:
            self.open.discard(event.incident_id)
        self._marks[event.incident_id] = mark_after(event, step, mark, Delivered(), partition=0, at=0)


@given(st.lists(st.one_of(alerts, words), max_size=40))
def test_a_page_opens_one_incident_at_the_pager_though_people_resolve_there(happenings: list[Happening]) -> None:
    desk, engine = Desk(), Engine(CONFIG, graph=GRAPH)
    told: dict[str, None] = {}
    pages = 0

    def deliver(outputs: list[object]) -> None:
        nonlocal pages
        for output in outputs:
            if isinstance(output, IncidentEvent):
                told[output.incident_id] = None
                pages += output.action in (Action.OPENED, Action.REOPENED)
                desk.deliver(output)

    for one in sorted(happenings, key=when):
        if not isinstance(one, Word):
            deliver([*engine.on_event(one, when(one))])
            continue
        deliver([*engine.tick(when(one))])
        if told:
            feedback = feedback_of(one, list(told))
            outputs = engine.on_feedback(feedback, when(one))
            acted = any(getattr(output, "outcome", "") == "acted" for output in outputs)
            if feedback.action is FeedbackAction.RESOLVE and acted:
                desk.open.discard(feedback.incident_id)  # that is where the word comes from
            deliver([*outputs])
    deliver([*to_the_end(engine)])
    assert desk.opened == pages
    assert desk.open == set()
