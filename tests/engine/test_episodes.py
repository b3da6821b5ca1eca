"""The state machine of one alert: every transition, by the senders' clocks."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.config import EngineConfig
from correlator.domain import AlertEvent, Severity, Status
from correlator.engine import episodes
from correlator.engine.episodes import Change
from correlator.engine.kinds import Kind
from correlator.engine.state import Alert, Habit
from tests.engine.drive import START, event

CONFIG = EngineConfig(silence_lease_seconds=3600)
HOUR = 3600


def fires(second: float, *, started: float = 0, **more: object) -> AlertEvent:
    return event("db", "Down", second, started=started, **more)  # type: ignore[arg-type]


def ends(second: float, *, started: float = 0, ended: float | None = None, instance: str = "") -> AlertEvent:
    end = second if ended is None else ended
    return event("db", "Down", second, Status.RESOLVED, started=started, ends=end, instance=instance)


def at(second: float) -> int:
    return START + round(1000 * second)


class Follower:
    """One alert and the habit of its senders, driven event by event."""

    def __init__(self) -> None:
        self.alert: Alert | None = None
        self.habit = Habit()

    def apply(self, one: AlertEvent) -> Change:
        if self.alert is None:
            self.alert = episodes.new_alert(one, Kind.DOWN)
        return episodes.apply(self.alert, one, self.habit, CONFIG, one.observed_at)


def after(history: Sequence[AlertEvent]) -> tuple[list[Change], Alert]:
    follower = Follower()
    changes = [follower.apply(one) for one in history]
    assert follower.alert is not None
    return changes, follower.alert


TABLE: dict[str, tuple[list[AlertEvent], list[Change], bool]] = {
    "a first firing": ([fires(0)], [Change.ACTIVATED], True),
    "the same again is a renewal": ([fires(0), fires(60)], [Change.ACTIVATED, Change.RENEWED], True),
    "an end": ([fires(0), ends(60)], [Change.ACTIVATED, Change.ENDED], False),
    "an end twice": (
        [fires(0), ends(60), ends(61, ended=60)],
        [Change.ACTIVATED, Change.ENDED, Change.REPEATED_RESOLVE],
        False,
    ),
    "an end before its firing waits for it": (
        [ends(60, started=0), fires(61, started=0)],
        [Change.EARLY_RESOLVE, Change.OLDER],
        False,
    ),
    "a firing later than an early end is a new episode": (
        [ends(60, started=0), fires(120, started=110)],
        [Change.EARLY_RESOLVE, Change.ACTIVATED],
        True,
    ),
    "a second end before its firing": (
        [fires(0), ends(60), ends(200, started=150), fires(201, started=150)],
        [Change.ACTIVATED, Change.ENDED, Change.EARLY_RESOLVE, Change.OLDER],
        False,
    ),
    "a late copy of the ended episode": (
        [fires(0), ends(60), fires(70, started=0)],
        [Change.ACTIVATED, Change.ENDED, Change.OLDER],
        False,
    ),
    "a firing that began while the ended episode lasted": (
        [fires(0), ends(60), fires(70, started=30)],
        [Change.ACTIVATED, Change.ENDED, Change.OLDER],
        False,
    ),
    "a new episode": (
        [fires(0), ends(60), fires(100, started=100)],
        [Change.ACTIVATED, Change.ENDED, Change.ACTIVATED],
        True,
    ),
    "an episode that begins at the end of the one before": (
        [fires(0), ends(60), fires(61, started=60)],
        [Change.ACTIVATED, Change.ENDED, Change.ACTIVATED],
        True,
    ),
    "a late firing of an older episode while a newer one fires": (
        [fires(100, started=100), fires(101, started=0)],
        [Change.ACTIVATED, Change.OLDER],
        True,
    ),
    "a late end of an older episode while a newer one fires": (
        [fires(100, started=100), ends(101, started=0, ended=50)],
        [Change.ACTIVATED, Change.OLDER],
        True,
    ),
    "the end that was lost shows by a start long after the last sign of life": (
        [fires(0), fires(2 * HOUR, started=2 * HOUR)],
        [Change.ACTIVATED, Change.RESTARTED],
        True,
    ),
    "a start set anew with every repeat is still one episode": (
        [fires(0), fires(60, started=60), fires(120, started=120)],
        [Change.ACTIVATED, Change.RENEWED, Change.RENEWED],
        True,
    ),
    "another instance renews what fires": (
        [fires(0, instance="a"), fires(5, started=5, instance="b")],
        [Change.ACTIVATED, Change.RENEWED],
        True,
    ),
    "one instance ends, the alert goes on": (
        [fires(0, instance="a"), fires(5, started=5, instance="b"), ends(60, instance="a")],
        [Change.ACTIVATED, Change.RENEWED, Change.INSTANCE_ENDED],
        True,
    ),
    "the last instance ends the alert": (
        [fires(0, instance="a"), fires(5, started=5, instance="b"), ends(60, instance="a"),
         ends(70, started=5, instance="b")],
        [Change.ACTIVATED, Change.RENEWED, Change.INSTANCE_ENDED, Change.ENDED],
        False,
    ),
    "an instance that was never heard of ends nothing": (
        [fires(0, instance="a"), ends(60, instance="c")],
        [Change.ACTIVATED, Change.EARLY_RESOLVE],
        True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE)
def test_each_event_changes_the_alert_as_the_table_says(case: str) -> None:
    history, expected, firing = TABLE[case]
    changes, alert = after(history)
    assert changes == expected
    assert alert.firing is firing


def test_an_end_without_its_time_is_the_time_of_its_arrival() -> None:
    _, alert = after([fires(0), event("db", "Down", 60, Status.RESOLVED, started=0)])
    assert not alert.firing and alert.ended_at == at(60)


def test_an_end_in_the_future_is_taken_as_now() -> None:
    _, alert = after([fires(0), ends(60, ended=9000)])
    assert not alert.firing and alert.ended_at == at(60)


def test_a_severity_only_rises_within_an_episode() -> None:
    warning, critical = Severity.WARNING, Severity.CRITICAL
    _, alert = after([fires(0, severity=warning), fires(60, severity=critical), fires(120, severity=warning)])
    assert alert.severity is critical


def test_a_new_episode_has_its_own_severity() -> None:
    _, alert = after([fires(0), ends(60), fires(100, started=100, severity=Severity.WARNING)])
    assert alert.severity is Severity.WARNING and alert.started_at == at(100)


def test_the_interval_of_a_sender_is_learned_from_its_repeats() -> None:
    _, alert = after([fires(0), fires(240), fires(480)])
    assert alert.resend_ms == 240_000


# -- leases --------------------------------------------------------------------------------------------------------


def test_a_firing_ends_with_the_lease_of_its_sender_and_some_grace() -> None:
    _, alert = after([fires(0, ends=300)])
    due = episodes.lease_due(alert)
    assert at(300) <= due <= at(300 + 120)
    assert not episodes.expire(alert, due - 1) and alert.firing
    assert episodes.expire(alert, due) and not alert.firing


def test_a_lease_that_is_over_on_arrival_is_no_lease() -> None:
    _, alert = after([fires(600, ends=300)])
    assert episodes.lease_due(alert) == at(600 + HOUR)


def test_a_lease_beyond_reason_is_no_lease() -> None:
    _, alert = after([fires(0, ends=365 * 86_400)])
    assert episodes.lease_due(alert) == at(HOUR)


def test_silence_ends_a_firing_after_the_configured_time() -> None:
    _, alert = after([fires(0)])
    assert episodes.lease_due(alert) == at(HOUR)
    assert episodes.expire(alert, at(HOUR)) and not alert.firing


def test_a_repeat_renews_the_lease() -> None:
    _, alert = after([fires(0), fires(3000)])
    assert episodes.lease_due(alert) > at(HOUR)


def test_a_sender_that_repeats_often_is_missed_soon_but_not_at_once() -> None:
    _, alert = after([fires(0), fires(60), fires(120), fires(180)])
    assert at(180 + 3 * 60) <= episodes.lease_due(alert) < at(180 + HOUR)


def test_one_early_repeat_is_no_habit() -> None:
    _, alert = after([fires(0), fires(300)])
    assert episodes.lease_due(alert) >= at(300 + HOUR)


def test_a_sender_that_repeats_seldom_is_not_taken_for_silent_between_its_repeats() -> None:
    seldom = 4 * HOUR
    _, alert = after([fires(0, ends=seldom + 60), fires(seldom, started=0)])
    assert episodes.lease_due(alert) > at(seldom + 2 * seldom)


def test_a_sender_that_only_ever_reports_means_each_report_for_minutes() -> None:
    reports = [fires(60 * number, started=60 * number) for number in range(8)]
    _, alert = after(reports)
    assert episodes.lease_due(alert) == at(7 * 60 + 300)


def test_a_sender_that_tells_the_end_as_well_is_not_taken_for_one_that_only_reports() -> None:
    follower = Follower()
    for number in range(6):
        began = number * 600
        follower.apply(fires(began, started=began))
        follower.apply(ends(began + 300, started=began))
    last = fires(6 * 600, started=6 * 600)
    follower.apply(last)
    assert follower.alert is not None
    assert episodes.lease_due(follower.alert) == at(6 * 600 + HOUR)


def test_an_alert_fires_until_the_longest_lease_of_its_instances() -> None:
    _, alert = after([fires(0, ends=300, instance="a"), fires(1, started=1, ends=3000, instance="b")])
    assert not episodes.expire(alert, at(1000)) and alert.firing
    assert episodes.lease_due(alert) > at(1000)
    assert episodes.expire(alert, episodes.lease_due(alert)) and not alert.firing


def test_what_expired_comes_back_as_a_new_episode() -> None:
    follower = Follower()
    follower.apply(fires(0, ends=300))
    assert follower.alert is not None
    episodes.expire(follower.alert, at(400))
    assert follower.apply(fires(1000, started=1000)) is Change.ACTIVATED


# -- bounds --------------------------------------------------------------------------------------------------------


def test_instances_are_bounded_and_an_alert_of_thousands_still_ends() -> None:
    follower = Follower()
    for number in range(2000):
        follower.apply(fires(number / 100, started=0, instance=f"pod-{number}"))
    assert follower.alert is not None
    assert len(follower.alert.instances) <= 300
    for number in range(2000):
        follower.apply(ends(100 + number / 100, started=0, instance=f"pod-{number}"))
    due = episodes.lease_due(follower.alert)
    assert not follower.alert.firing or episodes.expire(follower.alert, due)


def test_instances_that_are_over_make_room_for_new_ones() -> None:
    follower = Follower()
    for number in range(1000):
        follower.apply(fires(number, started=number, instance=f"pod-{number}"))
        follower.apply(ends(number + 0.5, started=number, instance=f"pod-{number}"))
    assert follower.alert is not None
    assert not follower.alert.firing
    assert len(follower.alert.instances) <= 300
    assert "pod-999" in follower.alert.instances


# -- flapping ------------------------------------------------------------------------------------------------------


def test_an_alert_that_fires_again_and_again_flaps_and_calms_down() -> None:
    history = []
    for number in range(6):
        history += [fires(120 * number, started=120 * number), ends(120 * number + 60, started=120 * number)]
    _, alert = after(history)
    assert episodes.is_flapping(alert, at(700))
    assert not episodes.is_flapping(alert, at(700 + 2 * HOUR))


def test_an_alert_that_stands_does_not_flap_however_often_it_is_sent() -> None:
    _, alert = after([fires(60 * number, started=0) for number in range(30)])
    assert not episodes.is_flapping(alert, at(1800))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2000), st.integers(0, 2000), st.sampled_from("ab"))))
def test_an_alert_fires_exactly_while_one_of_its_instances_does(
    drawn: list[tuple[bool, int, int, str]],
) -> None:
    follower = Follower()
    arrival = 0
    for firing, started, pause, instance in drawn:
        arrival += pause % 50
        began = min(started, arrival)
        one = fires(arrival, started=began, instance=instance)
        follower.apply(one if firing else ends(arrival, started=began, instance=instance))
        assert follower.alert is not None
        open_ones = [known for known in follower.alert.instances.values() if known.ended_at is None]
        assert follower.alert.firing is bool(open_ones)
        for known in follower.alert.instances.values():
            assert known.ended_at is None or known.ended_at >= known.started_at
