"""Pages that wait: by severity, quiet hours and windows; first case by case, then whatever fails."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.config_pager import QuietHoursConfig, WindowConfig
from correlator.domain import Action, IncidentEvent, IncidentStatus, Severity
from correlator.pager.delivery import SETTLE_SECONDS
from correlator.pager.gate import REVISIT_SECONDS, Gate, Policy
from correlator.pager.mark import MAX_KEPT_BYTES, NOTHING, HoldReason, Mark, Standing, Step, Verb, kept_form, supersedes
from correlator.pager.offsets import Position
from tests.pager.incidents import acknowledged, incident, paged, resolved, updated
from tests.pager.test_delivery import HOOK, PD, STEPS, Endpoint, Pager, drain, finish, lane_of, offer, taken

ID = "inc-00000001"
#: A night from 22:00 to 8:00 UTC, of which 3:00 is the middle.
EVENING = datetime(2026, 11, 24, 22, tzinfo=UTC).timestamp()
NIGHT = EVENING + 5 * 3600
MORNING = EVENING + 10 * 3600
QUIET = QuietHoursConfig(classes=("sleep",))
WINDOW = WindowConfig(
    id="upgrade",
    author="ann",
    comment="new version",
    starts=datetime.fromtimestamp(NIGHT, UTC) - timedelta(hours=1),
    ends=datetime.fromtimestamp(NIGHT, UTC) + timedelta(hours=1),
    services=("payments-db",),
)
OPEN = Mark(revision=1, standing=Standing.OPEN, route="DEFAULT")


def at_night(windows: Sequence[WindowConfig] = (), floor: Severity = Severity.INFO) -> Gate:
    return Gate(inner=PD, policy=Policy(floor=floor, quiet_hours=QUIET, windows=lambda: windows))


def warning(revision: int = 1, action: Action = Action.OPENED, **more: Any) -> IncidentEvent:
    return incident(ID, revision, action, severity=Severity.WARNING, page=action is Action.OPENED, **more)


def step(gate: Gate, event: IncidentEvent, mark: Mark = NOTHING, now: float = NIGHT, *, missed: bool = False) -> Step:
    return gate.step(event, mark, missed=missed, now=now)


def held(mark_of: Step, revision: int = 1) -> Mark:
    assert mark_of.hold is not None
    return Mark(revision=revision, hold=mark_of.hold, again_at=mark_of.again_at)


def test_what_is_not_critical_waits_for_the_morning_and_a_critical_does_not() -> None:
    waits = step(at_night(), warning())
    assert waits.hold is not None
    assert (waits.verb, waits.hold.reason, waits.hold.by) == (Verb.NONE, HoldReason.QUIET_HOURS, "sleep")
    assert waits.hold.until == MORNING * 1000
    assert step(at_night(), paged()).verb is Verb.TRIGGER
    assert step(at_night(), warning(), now=MORNING).verb is Verb.TRIGGER


def test_an_owed_page_goes_out_in_the_morning_as_it_is_by_then_although_the_newest_event_pages_nobody() -> None:
    mark = held(step(at_night(), warning()), revision=2)
    assert step(at_night(), warning(2, Action.UPDATED), mark, MORNING).verb is Verb.TRIGGER


def test_a_held_incident_that_becomes_critical_goes_out_at_once() -> None:
    mark = held(step(at_night(), warning()))
    assert step(at_night(), updated(revision=2), mark).verb is Verb.TRIGGER
    assert step(at_night(), warning(2, Action.UPDATED), mark).verb is Verb.NONE


def test_what_pages_nobody_is_neither_held_nor_owed() -> None:
    quiet = step(at_night(), incident(severity=Severity.WARNING))
    assert (quiet.verb, quiet.hold) == (Verb.NONE, None)


def test_what_may_have_paged_while_nobody_listened_is_held_like_a_page() -> None:
    waits = step(at_night(), warning(5, Action.UPDATED), missed=True)
    assert waits.hold is not None


@pytest.mark.parametrize("mark", [OPEN, Mark(standing=Standing.OPENING, route="DEFAULT")], ids=["open", "opening"])
def test_what_the_target_knows_of_is_told_to_its_end_whatever_the_hour(mark: Mark) -> None:
    gate = at_night([WINDOW], floor=Severity.CRITICAL)
    assert step(gate, warning(2, Action.OPENED), mark).verb is Verb.TRIGGER
    assert step(gate, warning(2, Action.UPDATED), mark).verb is Verb.TRIGGER
    assert step(gate, warning(3, Action.RESOLVED), mark).verb is Verb.RESOLVE
    assert step(gate, warning(3, Action.MERGED), mark).verb is Verb.RESOLVE


def test_an_end_before_the_page_went_out_is_not_heard_of_and_nothing_is_owed_any_more() -> None:
    mark = held(step(at_night(), warning()))
    end = step(at_night(), resolved(revision=2), mark)
    assert (end.verb, end.hold, end.again_at) == (Verb.NONE, None, 0)


def test_somebody_who_acknowledged_is_not_paged_in_the_morning_unless_they_let_go() -> None:
    mark = held(step(at_night(), warning()))
    has_it = step(at_night(), acknowledged(revision=2), mark, MORNING)
    assert has_it.hold is not None
    assert (has_it.verb, has_it.hold.reason) == (Verb.NONE, HoldReason.ACKNOWLEDGED)
    again = updated(revision=3)
    assert again.status is IncidentStatus.TRIGGERED
    assert step(at_night(), again, held(has_it, 2), MORNING).verb is Verb.TRIGGER


def test_a_window_silences_a_critical_until_it_closes_and_then_it_pages_if_it_still_stands() -> None:
    gate = at_night([WINDOW])
    silent = step(gate, paged())
    assert silent.hold is not None
    assert (silent.hold.reason, silent.hold.by) == (HoldReason.MAINTENANCE, "upgrade")
    assert silent.hold.until == (NIGHT + 3600) * 1000
    assert step(gate, paged(), held(silent), NIGHT + 3600).verb is Verb.TRIGGER


def test_a_window_that_is_taken_back_lets_the_page_out_within_seconds() -> None:
    windows = [WINDOW]
    gate = Gate(inner=PD, policy=Policy(windows=lambda: tuple(windows)))
    silent = step(gate, paged())
    assert silent.again_at == (NIGHT + REVISIT_SECONDS) * 1000
    windows.clear()
    assert step(gate, paged(), held(silent), silent.again_at / 1000).verb is Verb.TRIGGER


def test_an_incident_whose_root_moves_out_of_the_window_pages_at_once() -> None:
    gate = at_night([WINDOW])
    mark = held(step(gate, paged()))
    event = updated(revision=2)
    root = msgspec.structs.replace(event.root_cause, service="storage")
    assert step(gate, msgspec.structs.replace(event, root_cause=root), mark).verb is Verb.TRIGGER


@pytest.mark.parametrize(
    ("floor", "told"),
    [
        (Severity.INFO, set(Severity)),
        (Severity.WARNING, set(Severity) - {Severity.INFO}),
        (Severity.ERROR, {Severity.ERROR, Severity.CRITICAL}),
        (Severity.CRITICAL, {Severity.CRITICAL}),
    ],
)
def test_below_the_floor_nothing_is_told_and_unknown_weighs_as_a_warning(floor: Severity, told: set[Severity]) -> None:
    gate = Gate(inner=PD, policy=Policy(floor=floor))
    heard = {one for one in Severity if step(gate, incident(page=True, severity=one)).verb is Verb.TRIGGER}
    assert heard == told


def test_what_rises_to_the_floor_pages_although_the_rise_itself_does_not_say_so() -> None:
    gate = Gate(inner=PD, policy=Policy(floor=Severity.CRITICAL))
    below = step(gate, warning())
    assert below.again_at == 0
    assert step(gate, updated(revision=2), held(below)).verb is Verb.TRIGGER


def test_a_target_that_hears_every_event_hears_from_the_floor_on_to_the_end() -> None:
    lane = lane_of(Gate(inner=HOOK, policy=Policy(floor=Severity.CRITICAL), hears_all=True))
    offer(
        lane,
        [
            warning(1),
            warning(2, Action.UPDATED),
            incident(ID, 3, Action.UPDATED),
            warning(4, Action.UPDATED),
            warning(5, Action.RESOLVED),
        ],
    )
    assert [revision for verb, _, revision in drain(lane) if verb is Verb.POST] == [3, 4, 5]
    unheard = lane_of(Gate(inner=HOOK, policy=Policy(floor=Severity.CRITICAL), hears_all=True))
    offer(unheard, [warning(1), warning(2, Action.RESOLVED)])
    assert {verb for verb, _, _ in drain(unheard)} == {Verb.NONE}


def test_a_lane_comes_back_to_a_held_page_by_itself_and_a_restarted_one_too() -> None:
    clock = [NIGHT]
    lane = lane_of(at_night(), wall=lambda: clock[0])
    offer(lane, [warning()])
    memory = {}
    work = taken(lane)
    assert finish(lane, work) == [Position(0, 0)], "the offset of a held page is not held"
    memory[ID] = lane.withheld[ID]
    assert lane.take(0.0) is None
    assert lane.wake_at(0.0) == REVISIT_SECONDS
    restarted = lane_of(at_night(), memory, wall=lambda: clock[0])
    assert restarted.wake_at(0.0) == SETTLE_SECONDS, "after a restart it is judged soon"
    for held_lane in (lane, restarted):
        clock[0] = NIGHT + REVISIT_SECONDS
        assert [verb for verb, _, _ in drain(held_lane)] == [Verb.NONE]
        clock[0] = MORNING
        assert drain(held_lane) == [(Verb.TRIGGER, ID, 1)]
        assert not held_lane.withheld
        clock[0] = NIGHT


def test_a_held_page_whose_end_is_read_right_after_a_restart_does_not_go_out() -> None:
    clock = [MORNING]
    mark = Mark(revision=1, kept=warning(), again_at=1, hold=step(at_night(), warning()).hold)
    lane = lane_of(at_night(), {ID: mark}, wall=lambda: clock[0])
    offer(lane, [resolved(revision=2)])
    clock[0] += SETTLE_SECONDS
    assert drain(lane) == [(Verb.NONE, ID, 2)]


def test_a_held_page_of_a_partition_of_others_is_left_to_them() -> None:
    mark = Mark(revision=1, partition=7, kept=warning(), again_at=1, hold=step(at_night(), warning()).hold)
    lane = lane_of(at_night(), {ID: mark}, wall=lambda: MORNING)
    assert lane.take(0.0) is None
    assert lane.wake_at(0.0) is None
    assert not lane.withheld


def test_a_released_page_goes_before_updates() -> None:
    clock = [MORNING]
    mark = Mark(revision=2, kept=warning(2, Action.UPDATED), again_at=1, hold=step(at_night(), warning()).hold)
    others = {f"inc-{number}": OPEN for number in range(3)}
    lane = lane_of(at_night(), {ID: mark, **others}, wall=lambda: clock[0], limit=5)
    offer(lane, [updated(f"inc-{number}") for number in range(3)])
    clock[0] += SETTLE_SECONDS
    assert taken(lane).event.incident_id == ID


def test_a_page_killed_after_its_intent_is_still_owed_although_its_event_is_not_read_again() -> None:
    clock = [MORNING]
    hold = step(at_night(), warning()).hold
    lane = lane_of(at_night(), {ID: Mark(revision=1, kept=warning(), again_at=1, hold=hold)}, wall=lambda: clock[0])
    clock[0] += SETTLE_SECONDS
    intent = taken(lane).intent
    assert intent is not None
    restarted = lane_of(at_night(), {ID: intent}, wall=lambda: clock[0])
    clock[0] += SETTLE_SECONDS
    assert drain(restarted) == [(Verb.TRIGGER, ID, 1)]


def test_a_hold_written_late_by_a_pager_that_was_suspended_does_not_make_a_resolve_forgotten() -> None:
    hold = step(at_night(), warning()).hold
    late, opened = Mark(revision=1, hold=hold), OPEN
    assert not supersedes(late, opened)
    assert supersedes(opened, late)
    assert supersedes(late, Mark(revision=1, hold=hold)) and supersedes(late, NOTHING)
    assert supersedes(Mark(revision=2, ended=True), opened) and not supersedes(late, Mark(revision=2, ended=True))
    # The intent of a released page still carries its hold.
    assert supersedes(Mark(revision=1, standing=Standing.OPENING, hold=hold), late)


def test_a_kept_event_fits_into_a_record() -> None:
    event = incident(sample=50, why="ü" * 20_000)
    assert len(msgspec.json.encode(event)) > MAX_KEPT_BYTES > len(msgspec.json.encode(kept_form(event)))
    assert kept_form(incident()) == incident()


# ---------------------------------------------------------------------------------------------------------------------
# Any sequence of events, failures, restarts and hours.


@st.composite
def lives(draw: st.DrawFn) -> list[IncidentEvent]:
    """The events of one incident whose severity comes and goes."""
    events = [warning()]
    for _ in range(draw(st.integers(0, 4))):
        severity = draw(st.sampled_from([Severity.WARNING, Severity.ERROR, Severity.CRITICAL]))
        events.append(incident(ID, len(events) + 1, Action.UPDATED, severity=severity, page=draw(st.booleans())))
    if draw(st.booleans()):
        events.append(resolved(revision=len(events) + 1))
    return events


HOURS = st.lists(st.sampled_from([0.0, 20.0, 3600.0, 5 * 3600.0]), min_size=60, max_size=60)


@settings(max_examples=300, deadline=None)
@given(lives(), STEPS, HOURS)
def test_whatever_fails_a_held_page_goes_out_when_it_may_and_what_went_out_is_resolved(
    topic: list[IncidentEvent], steps: list[tuple[str, bool, str]], passing: list[float]
) -> None:
    endpoint = Endpoint()
    pager = Pager(topic, endpoint, at_night())
    pager.now = EVENING
    for (what, reaches, outcome), seconds in zip(steps, passing, strict=False):
        pager.now += seconds
        before = len(endpoint.openings)
        alive = what != "kill"
        if what == "settle":
            alive = pager.settle(taken=reaches, outcome=outcome)
        elif alive:
            {"read": pager.read, "take": pager.take, "commit": pager.commit}[what]()
        if not alive:
            pager.restart()
        assert len(endpoint.openings) - before <= 1
    pager.run_out()
    pager.now += 86_400 - (pager.now - EVENING) % 86_400 + 12 * 3600
    pager.run_out()

    assert pager.committed == len(topic), "a held page must not hold back an offset"
    stands = topic[-1].status is not IncidentStatus.RESOLVED
    assert bool(endpoint.open) is stands, "not paged by the next noon, or open after its end"
    assert len(endpoint.openings) <= 1
    assert not pager.lane.withheld
    assert pager.lane.events_held == 0


@settings(max_examples=100, deadline=None)
@given(lives(), st.floats(0, 9.9 * 3600))
def test_nobody_is_woken_but_for_a_critical(topic: list[IncidentEvent], into_the_night: float) -> None:
    endpoint = Endpoint()
    pager = Pager(topic, endpoint, at_night())
    pager.now = EVENING + into_the_night * 0.9
    for _ in topic:
        pager.read()
        pager.take()
        pager.settle(taken=True, outcome="done")
    opened_by = [topic[revision - 1].severity for _, revision in endpoint.openings]
    criticals = [
        event for event in topic if event.severity is Severity.CRITICAL and event.status is not IncidentStatus.RESOLVED
    ]
    assert opened_by == [Severity.CRITICAL] * bool(criticals)
