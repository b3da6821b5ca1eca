"""Held pages in a running courier: told, counted, remembered, released, dropped."""

from __future__ import annotations

import structlog

from correlator.config_pager import QuietHoursConfig
from correlator.domain import Severity
from correlator.pager.delivery import SETTLE_SECONDS
from correlator.pager.gate import Gate, Policy
from tests.pager.desk import EVENING, Hours, RecordedMemory, desk, pagerduty
from tests.pager.incidents import incident, paged, resolved
from tests.pager.recorder import Recorder


def quiet(recorder: Recorder) -> Gate:
    return Gate(inner=pagerduty(recorder), policy=Policy(quiet_hours=QuietHoursConfig(classes=("sleep",))))


async def test_a_held_page_is_told_counted_survives_a_restart_and_goes_out_in_the_morning() -> None:
    hours, memory = Hours(EVENING), RecordedMemory()
    with structlog.testing.capture_logs() as logs:
        async with Recorder() as recorder:
            async with desk(quiet, memory=memory, recorder=recorder, clock=hours.clock) as at:
                at.offer(incident(page=True, severity=Severity.WARNING))
                await at.finished()
                assert recorder.calls == []
                assert at.courier.offsets.to_commit() == {0: 1}
                assert at.count("correlator_pages_withheld", target="t") == 1
                assert at.count("correlator_page_holds_total", target="t", reason="quiet_hours", outcome="held") == 1
                assert list(at.courier.withheld) == ["inc-00000001"]
            hours.wall = EVENING + 10 * 3600
            async with desk(quiet, memory=memory, recorder=recorder, clock=hours.clock) as at:
                hours.wall += SETTLE_SECONDS
                # Another event makes the courier look at the clock again, which here moves by hand.
                at.offer(incident("inc-another"))
                await recorder.wait_for_taken(1)
                await at.until(lambda: not at.courier.withheld)
                assert recorder.spoken() == [("trigger", "inc-00000001")]
                released = at.count("correlator_page_holds_total", target="t", reason="quiet_hours", outcome="released")
                assert released == 1
                assert at.count("correlator_pages_withheld", target="t") == 0
    told = [entry["event"] for entry in logs]
    assert told == ["page held", "delivered", "held page released"]
    assert (logs[0]["reason"], logs[0]["until"]) == ("quiet_hours", "2026-11-25T08:00:00.000Z")


async def test_a_held_page_that_is_not_needed_any_more_is_dropped_with_its_reason() -> None:
    with structlog.testing.capture_logs() as logs:
        async with desk(quiet, clock=Hours(EVENING).clock) as at:
            at.offer(incident(page=True, severity=Severity.WARNING))
            await at.finished()
            at.offer(resolved(revision=2))
            await at.finished()
            assert at.recorder.calls == []
            assert at.count("correlator_page_holds_total", target="t", reason="quiet_hours", outcome="dropped") == 1
    assert logs[-1]["event"] == "held page not needed any more, the incident ended"


async def test_looking_again_at_a_held_page_is_neither_written_nor_told_nor_counted() -> None:
    hours = Hours(EVENING)
    with structlog.testing.capture_logs() as logs:
        async with desk(quiet, clock=hours.clock) as at:
            at.offer(incident(page=True, severity=Severity.WARNING))
            await at.finished()
            first = at.courier.withheld["inc-00000001"]
            hours.wall += 31
            at.offer(paged("inc-00000002"))
            await at.until(lambda: at.courier.withheld["inc-00000001"].again_at > first.again_at)
            await at.finished()
            written = [incident_id for incident_id, _ in at.memory.written]
            assert written.count("inc-00000001") == 1
            assert at.count("correlator_notifications_total", target="t", action="none", outcome="unneeded") == 1
    assert [entry["event"] for entry in logs].count("page held") == 1
