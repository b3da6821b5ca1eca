"""The state machine of deliveries, first case by case, then against every sequence Hypothesis can think of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.domain import Action, IncidentEvent
from correlator.pager.delivery import Lane, Work
from correlator.pager.exchange import Backoff, Delivered, Refused, Retry, RetryReason
from correlator.pager.mark import Dialect, Mark, Verb, ends, mark_after
from correlator.pager.offsets import Offsets, Position
from correlator.pager.pagerduty import PagerDuty
from correlator.pager.rate import SlidingWindow
from correlator.pager.routes import Routes
from correlator.pager.webhook import Webhook
from tests.pager.incidents import acknowledged, incident, paged, resolved, updated

ROUTES = Routes(default="DEFAULT", table={"other": "OTHER"}, addresses={"DEFAULT": "k" * 32, "OTHER": "o" * 32})
PD = PagerDuty(name="pd", base_url="https://pd.example", routes=ROUTES)
HOOK = Webhook(name="hook", url="https://hook.example")
BACKOFF = Backoff(min_seconds=1, max_seconds=8)
LOST = Retry(RetryReason.TIMEOUT)


def lane_of(
    dialect: Dialect = PD,
    marks: dict[str, Mark] | None = None,
    limit: int | None = None,
    skipped: list[IncidentEvent] | None = None,
    wall: Callable[[], float] = lambda: 0.0,
) -> Lane:
    return Lane(
        dialect=dialect,
        marks=marks or {},
        backoff=BACKOFF,
        jitter=lambda: 0.0,
        wall=wall,
        partitions=frozenset({0}),
        window=None if limit is None else lambda: SlidingWindow(limit),
        superseded=(lambda event: None) if skipped is None else skipped.append,
    )


def offer(lane: Lane, events: Sequence[IncidentEvent]) -> None:
    for offset, event in enumerate(events):
        lane.offer(event, Position(0, offset))


def finish(lane: Lane, work: Work, verdict: Delivered | Refused | None = None) -> list[Position]:
    lane.intended(work)
    mark = mark_after(
        work.event, work.step, work.intent or work.mark, verdict or Delivered(), partition=work.partition, at=0
    )
    return lane.recorded(work, mark)


def drain(lane: Lane, now: float = 0.0) -> list[tuple[Verb, str, int]]:
    """Take and finish all there is; return what was said."""
    said = []
    while work := lane.take(now):
        finish(lane, work)
        said.append((work.step.verb, work.event.incident_id, work.event.revision))
    return said


def taken(lane: Lane, now: float = 0.0) -> Work:
    work = lane.take(now)
    assert work is not None
    return work


def test_a_revision_that_is_done_or_waits_is_not_taken_twice() -> None:
    lane = lane_of()
    assert lane.offer(paged(), Position(0, 0))
    assert not lane.offer(paged(), Position(0, 1))
    drain(lane)
    assert not lane.offer(paged(), Position(0, 2))


def test_the_next_revision_waits_for_the_one_before() -> None:
    lane = lane_of()
    offer(lane, [paged(revision=1)])
    work = taken(lane)
    lane.offer(acknowledged(revision=2), Position(0, 1))
    assert lane.take(0.0) is None
    finish(lane, work)
    assert taken(lane).event.revision == 2


def test_a_slow_incident_does_not_hold_up_another() -> None:
    lane = lane_of()
    offer(lane, [paged("inc-slow"), paged("inc-fast")])
    assert taken(lane).event.incident_id == "inc-slow"
    assert taken(lane).event.incident_id == "inc-fast"


def test_an_update_gives_way_to_a_newer_one_and_answers_for_its_offset() -> None:
    skipped: list[IncidentEvent] = []
    lane = lane_of(marks={"inc-00000001": Mark(revision=1)}, skipped=skipped)
    offer(lane, [updated(revision=2), updated(revision=3), updated(revision=4)])
    work = taken(lane)
    assert work.event.revision == 4
    assert finish(lane, work) == [Position(0, 0), Position(0, 1), Position(0, 2)]
    assert [event.revision for event in skipped] == [2, 3]


def test_a_page_is_never_skipped_for_an_update() -> None:
    lane = lane_of()
    offer(lane, [paged(revision=1), updated(revision=2), updated(revision=3)])
    assert drain(lane) == [(Verb.TRIGGER, "inc-00000001", 1), (Verb.TRIGGER, "inc-00000001", 3)]


def test_an_acknowledgement_is_never_skipped_for_an_update() -> None:
    lane = lane_of()
    offer(lane, [paged(revision=1), acknowledged(revision=2), updated(revision=3)])
    assert [verb for verb, _, _ in drain(lane)] == [Verb.TRIGGER, Verb.ACKNOWLEDGE, Verb.TRIGGER]


def test_an_incident_that_ends_before_its_page_was_sent_is_not_heard_of() -> None:
    lane = lane_of()
    offer(lane, [paged(revision=1), updated(revision=2), resolved(revision=3)])
    assert drain(lane) == [(Verb.NONE, "inc-00000001", 3)]


def test_an_incident_whose_page_may_have_arrived_gets_its_resolve() -> None:
    lane = lane_of()
    offer(lane, [paged(revision=1)])
    work = taken(lane)
    lane.intended(work)
    lane.retry(work, LOST, 0.0)
    lane.offer(resolved(revision=2), Position(0, 1))
    assert drain(lane, now=100.0) == [(Verb.RESOLVE, "inc-00000001", 2)]


def test_a_resolve_is_owed_from_the_moment_the_intent_is_durable() -> None:
    lane = lane_of()
    offer(lane, [paged(revision=1)])
    intent = taken(lane).intent
    assert intent is not None
    restarted = lane_of(marks={"inc-00000001": intent})
    offer(restarted, [paged(revision=1), resolved(revision=2)])
    assert drain(restarted) == [(Verb.RESOLVE, "inc-00000001", 2)]


def test_a_trigger_read_again_after_its_resolve_was_delivered_is_dropped() -> None:
    lane = lane_of(marks={"inc-00000001": Mark(revision=3, ended=True)})
    offer(lane, [paged(revision=1), updated(revision=2), resolved(revision=3)])
    assert drain(lane) == []
    lane.offer(incident(revision=4, action=Action.REOPENED, page=True), Position(0, 9))
    assert drain(lane) == [(Verb.TRIGGER, "inc-00000001", 4)]


def test_an_incident_moves_to_another_team_by_a_resolve_and_a_page() -> None:
    lane = lane_of()
    offer(lane, [paged(revision=1), incident(revision=2, action=Action.UPDATED, page=True, team="other")])
    routes = []
    while work := lane.take(0.0):
        routes.append((work.step.verb, work.step.route))
        finish(lane, work)
    lane.offer(resolved(revision=3), Position(0, 2))
    step = taken(lane).step
    routes.append((step.verb, step.route))
    assert routes == [
        (Verb.TRIGGER, "DEFAULT"),
        (Verb.RESOLVE, "DEFAULT"),
        (Verb.TRIGGER, "OTHER"),
        (Verb.RESOLVE, "OTHER"),
    ]


def test_an_update_that_gives_way_hands_on_that_revisions_before_it_are_missing() -> None:
    lane = lane_of()
    offer(lane, [updated(revision=5), updated(revision=6)])
    assert drain(lane) == [(Verb.TRIGGER, "inc-00000001", 6)]
    complete = lane_of(marks={"inc-00000001": Mark(revision=4)})
    offer(complete, [updated(revision=5), updated(revision=6)])
    assert drain(complete) == [(Verb.NONE, "inc-00000001", 6)]


def test_a_webhook_hears_every_event_in_order() -> None:
    lane = lane_of(HOOK)
    offer(lane, [incident(revision=1), updated(revision=2), updated(revision=3), resolved(revision=4)])
    assert [revision for _, _, revision in drain(lane)] == [1, 2, 3, 4]


def test_pages_and_resolves_go_before_updates_that_waited_longer() -> None:
    opened = {f"inc-{number}": Mark(revision=1, action=Action.OPENED, ended=False) for number in range(4)}
    lane = lane_of(HOOK, marks=opened)
    offer(lane, [updated("inc-0"), updated("inc-1"), updated("inc-2", page=True), resolved("inc-3", 2)])
    assert [name for _, name, _ in drain(lane)] == ["inc-2", "inc-3", "inc-0", "inc-1"]


def test_a_rate_limit_leaves_room_for_pages_and_says_when_to_come_back() -> None:
    lane = lane_of(limit=5)
    offer(lane, [paged(f"inc-{number}") for number in range(4)])
    assert len(drain(lane)) == 4
    lane.offer(updated("inc-0"), Position(0, 10))
    assert lane.take(1.0) is None
    assert lane.wake_at(1.0) == 60.0
    lane.offer(resolved("inc-1"), Position(0, 11))
    assert [verb for verb, _, _ in drain(lane, now=1.0)] == [Verb.RESOLVE]
    assert [verb for verb, _, _ in drain(lane, now=60.0)] == [Verb.TRIGGER]


def test_what_sends_nothing_is_not_counted_by_the_rate_limit() -> None:
    lane = lane_of(limit=1)
    offer(lane, [incident(f"inc-{number}") for number in range(50)])
    assert {verb for verb, _, _ in drain(lane)} == {Verb.NONE}


def test_a_failed_attempt_waits_longer_each_time_and_as_long_as_the_target_says() -> None:
    lane = lane_of()
    offer(lane, [paged()])
    now, waits = 0.0, []
    for verdict in (LOST, Retry(RetryReason.SERVER_ERROR, after_seconds=30.0), LOST):
        waits.append(lane.retry(taken(lane, now), verdict, now))
        assert lane.take(now + waits[-1] - 0.001) is None
        assert lane.wake_at(now) == now + waits[-1]
        now += waits[-1]
    assert waits == [1.0, 30.0, 1.0]
    assert taken(lane, now).attempt == 4


def test_a_rate_limited_target_is_left_alone_by_every_incident_of_the_key_only() -> None:
    lane = lane_of()
    offer(lane, [paged("inc-1"), paged("inc-2"), incident("inc-3", page=True, team="other")])
    lane.retry(taken(lane), Retry(RetryReason.RATE_LIMITED, after_seconds=20.0, all=True), 0.0)
    assert taken(lane).event.incident_id == "inc-3"
    assert lane.take(19.9) is None
    assert {taken(lane, 20.0).event.incident_id, taken(lane, 20.0).event.incident_id} == {"inc-1", "inc-2"}


def test_a_refused_page_is_not_repeated_but_a_later_update_tries_again() -> None:
    lane = lane_of()
    offer(lane, [paged(revision=1)])
    finish(lane, taken(lane), Refused("no"))
    assert lane.take(0.0) is None
    lane.offer(updated(revision=2), Position(0, 1))
    assert taken(lane).step.verb is Verb.TRIGGER


def test_a_refused_resolve_is_over() -> None:
    lane = lane_of()
    offer(lane, [paged(revision=1)])
    drain(lane)
    lane.offer(resolved(revision=2), Position(0, 1))
    finish(lane, taken(lane), Refused("no"))
    assert lane.take(1000.0) is None


def test_only_what_ended_was_told_and_is_old_is_forgotten() -> None:
    old = Mark(revision=2, ended=True, at=10, partition=1)
    marks = {
        "inc-old": old,
        "inc-new": Mark(revision=2, ended=True, at=99, partition=1),
        "inc-open": Mark(revision=2, at=10, partition=1),
        "inc-elsewhere": Mark(revision=2, ended=True, at=10, partition=7),
    }
    lane = lane_of(marks=marks)
    assert lane.forgettable(before=50, partitions=frozenset({1})) == {"inc-old": old}
    lane.offer(incident("inc-old", 3, Action.REOPENED, page=True), Position(1, 0))
    lane.forget("inc-old", old)
    assert not lane.offer(paged("inc-old", 2), Position(1, 1))


# ---------------------------------------------------------------------------------------------------------------------
# Any sequence of events, failures, redeliveries and restarts.


@dataclass
class Endpoint:
    """PagerDuty as documented: what is open by key, and everything it took."""

    open: set[tuple[str, str]] = field(default_factory=set)
    openings: list[tuple[str, int]] = field(default_factory=list)
    taken: dict[str, list[tuple[Verb, int]]] = field(default_factory=dict)

    def take(self, work: Work) -> None:
        incident_id, place = work.event.incident_id, (work.step.route, work.event.incident_id)
        self.taken.setdefault(incident_id, []).append((work.step.verb, work.event.revision))
        if work.step.verb is Verb.TRIGGER and place not in self.open:
            self.open.add(place)
            self.openings.append((incident_id, work.event.revision))
        elif work.step.verb is Verb.RESOLVE:
            self.open.discard(place)


@st.composite
def lives(draw: st.DrawFn, incident_id: str) -> list[IncidentEvent]:
    """The events of one incident: opened, told about, ended, perhaps reopened and ended again."""
    events: list[IncidentEvent] = []
    page = draw(st.booleans())
    for life in range(draw(st.integers(1, 2))):
        first = Action.OPENED if life == 0 else Action.REOPENED
        events.append(incident(incident_id, len(events) + 1, first, page=page or life > 0))
        for kind in draw(st.lists(st.sampled_from(["update", "page", "move", "ack"]), max_size=3)):
            action = Action.ACKNOWLEDGED if kind == "ack" else Action.UPDATED
            team = "other" if kind == "move" else "payments"
            pages = kind in ("page", "move")
            events.append(incident(incident_id, len(events) + 1, action, page=pages, team=team))
        if life == 0 or draw(st.booleans()):
            action = draw(st.sampled_from([Action.RESOLVED, Action.MERGED]))
            events.append(incident(incident_id, len(events) + 1, action))
    return events[: draw(st.integers(1, len(events)))]


@st.composite
def topics(draw: st.DrawFn) -> list[IncidentEvent]:
    """Incidents interleaved, with stretches published twice, as a recovering worker does."""
    lines = [draw(lives(f"inc-{number}")) for number in range(draw(st.integers(1, 3)))]
    topic: list[IncidentEvent] = []
    while any(lines):
        line = draw(st.sampled_from([line for line in lines if line]))
        topic.append(line.pop(0))
    if draw(st.booleans()):
        start = draw(st.integers(0, len(topic) - 1))
        topic = topic + topic[start:]
    return topic


class Pager:
    """The pager of the model: a lane, a memory and a committed offset that outlive it, and an endpoint."""

    def __init__(self, topic: list[IncidentEvent], endpoint: Endpoint, dialect: Dialect = PD) -> None:
        self.topic, self.endpoint, self.dialect = topic, endpoint, dialect
        self.memory: dict[str, Mark] = {}
        self.committed, self.now = 0, 0.0
        self.restart()

    def restart(self) -> None:
        self.lane = lane_of(self.dialect, marks=self.memory, wall=lambda: self.now)
        self.offsets = Offsets()
        self.position = self.committed
        self.under_way: list[Work] = []

    def read(self, count: int = 1) -> None:
        for event in self.topic[self.position : self.position + count]:
            position = Position(0, self.position)
            self.offsets.read(position)
            if not self.lane.offer(event, position):
                self.offsets.finish(position)
            self.position += 1

    def take(self) -> None:
        self.now += 10
        if work := self.lane.take(self.now):
            self.under_way.append(work)

    def settle(self, *, taken: bool, outcome: str) -> bool:
        """Carry the oldest piece of work through; `outcome` says where it breaks off. False if the process dies."""
        if not self.under_way:
            return True
        work = self.under_way.pop(0)
        incident_id = work.event.incident_id
        if outcome == "killed before intent":
            return False
        if work.intent:
            self.memory[incident_id] = work.intent
            self.lane.intended(work)
        if outcome == "killed before request":
            return False
        sends = work.step.verb is not Verb.NONE
        if sends and (taken or outcome != "lost"):
            self.endpoint.take(work)
        if sends and outcome == "lost":
            self.lane.retry(work, LOST, self.now)
            return True
        if outcome == "killed before record":
            return False
        mark = mark_after(work.event, work.step, work.intent or work.mark, Delivered(), partition=0, at=0)
        self.memory[incident_id] = mark
        if outcome == "killed after record":
            return False
        for position in self.lane.recorded(work, mark):
            self.offsets.finish(position)
        return True

    def commit(self) -> None:
        self.committed = self.offsets.to_commit().get(0, self.committed)

    def run_out(self) -> None:
        self.read(len(self.topic))
        for _ in range(10 * len(self.topic) + 10):
            self.take()
            self.settle(taken=True, outcome="done")
        self.commit()


OUTCOMES = ["done", "done", "lost", "killed before intent", "killed before request", "killed before record"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["read", "take", "settle", "commit", "kill"]),
        st.booleans(),
        st.sampled_from([*OUTCOMES, "killed after record"]),
    ),
    max_size=60,
)


@settings(max_examples=400, deadline=None)
@given(topics(), STEPS)
def test_whatever_fails_every_incident_is_paged_once_and_resolved(
    topic: list[IncidentEvent], steps: list[tuple[str, bool, str]]
) -> None:
    endpoint = Endpoint()
    pager = Pager(topic, endpoint)
    for step, taken_, outcome in steps:
        alive = True
        if step == "settle":
            alive = pager.settle(taken=taken_, outcome=outcome)
        elif step == "kill":
            alive = False
        else:
            {"read": pager.read, "take": pager.take, "commit": pager.commit}[step]()
        if not alive:
            pager.restart()
    pager.run_out()

    assert pager.committed == len(topic)
    assert pager.lane.events_held == 0
    for incident_id in {event.incident_id for event in topic}:
        _check(incident_id, [event for event in topic if event.incident_id == incident_id], endpoint)


def _check(incident_id: str, published: list[IncidentEvent], endpoint: Endpoint) -> None:
    events = list({event.revision: event for event in published}.values())
    said = endpoint.taken.get(incident_id, [])
    revisions = [revision for _, revision in said]
    assert revisions == sorted(revisions), "an older revision was told after a newer one"

    last_end = max((event.revision for event in events if ends(event)), default=0)
    pages = [event for event in events if event.page]
    for page in pages:
        if page.revision > last_end:
            assert (Verb.TRIGGER, page.revision) in said, "a page of an incident that goes on was never sent"

    open_at = {route for route, name in endpoint.open if name == incident_id}
    still = [page for page in pages if page.revision > last_end]
    assert open_at == ({PD.route_of(still[-1])} if still else set()), "open where it should not be, or not open"

    openings = [revision for name, revision in endpoint.openings if name == incident_id]
    assert len(openings) == len(set(openings)), "one revision opened two incidents"
    assert set(openings) <= {page.revision for page in pages}, "something that pages nobody opened an incident"
    for event in events:
        # A resolve needs a trigger before it, that was taken or may have been.
        if ends(event) and not any(page.revision < event.revision for page in pages):
            assert (Verb.RESOLVE, event.revision) not in said
