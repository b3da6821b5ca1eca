"""A courier against a recording HTTP server: real requests, a memory in this process."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import formatdate

import msgspec
import pytest
import structlog

from correlator.pager.mark import Mark, Standing
from tests.pager.desk import CLOCK, KEY, Dialects, Hours, RecordedMemory, desk, pagerduty, webhook
from tests.pager.incidents import acknowledged, incident, paged, resolved, updated
from tests.pager.recorder import Failure, Recorder


async def test_an_incident_is_triggered_updated_acknowledged_and_resolved_under_one_key() -> None:
    async with desk() as at:
        for event in (paged(), updated(revision=2), acknowledged(revision=3), resolved(revision=4)):
            at.offer(event)
            await at.finished()
        verbs = [verb for verb, _ in at.recorder.spoken()]
        assert verbs == ["trigger", "trigger", "acknowledge", "resolve"]
        assert at.recorder.breaches == []
        assert at.courier.offsets.to_commit() == {0: 4}
        mark = at.memory.marks["inc-00000001"]
        assert (mark.revision, mark.standing, mark.ended) == (4, Standing.CLOSED, True)
        assert at.count("correlator_notifications_total", target="t", action="trigger", outcome="delivered") == 2
        assert at.count("correlator_notification_seconds_count", target="t") == 4
        assert at.count("correlator_notifications_pending", target="t") == 0


async def test_the_intent_is_durable_before_the_page_and_the_outcome_before_the_offset() -> None:
    async with desk() as at:
        at.offer(paged())
        await at.finished()
        assert [mark.standing for _, mark in at.memory.written if mark] == [Standing.OPENING, Standing.OPEN]
        assert [mark.revision for _, mark in at.memory.written if mark] == [0, 1]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Failure(status=500), "server_error"),
        (Failure(status=503, headers={"Retry-After": "0"}), "server_error"),
        (Failure(status=429), "rate_limited"),
        (Failure(status=403), "unexpected_status"),
        (Failure(reset=True), "network"),
        (Failure(hang=True), "timeout"),
        (Failure(hang=True, taken=True), "timeout"),
    ],
    ids=["500", "503", "429", "403", "reset", "hang", "hang-taken"],
)
async def test_a_page_outlives_every_way_a_target_can_fail(failure: Failure, reason: str) -> None:
    async with desk() as at:
        at.recorder.fail([failure, failure])
        at.offer(paged())
        await at.finished()
        assert at.recorder.spoken()[-1] == ("trigger", "inc-00000001")
        assert len(at.recorder.calls) == 3
        assert at.count("correlator_notification_retries_total", target="t", reason=reason) == 2
        assert at.count("correlator_notifications_total", target="t", action="trigger", outcome="delivered") == 1


@pytest.mark.parametrize("as_date", [False, True])
async def test_retry_after_is_waited_for(as_date: bool) -> None:
    header = formatdate(CLOCK.wall() + 600, usegmt=True) if as_date else "600"
    with structlog.testing.capture_logs() as logs:
        async with desk() as at:
            at.recorder.fail([Failure(status=429, headers={"Retry-After": header})])
            at.offer(paged())
            await at.until(lambda: at.count("correlator_notification_retries_total", target="t", reason="rate_limited"))
            assert len(at.recorder.calls) == 1
    # A date has whole seconds and is read a little later than it was written.
    assert 500 < logs[0]["next_in"] <= 600


async def test_a_refused_page_is_an_error_counted_and_never_repeated_and_the_process_goes_on() -> None:
    with structlog.testing.capture_logs() as logs:
        async with desk() as at:
            at.recorder.fail([Failure(status=400, body=f'{{"errors": ["bad key {KEY}"]}}')])
            at.offer(paged(), paged("inc-00000002"))
            await at.finished()
            assert len(at.recorder.calls) == 2
            assert at.count("correlator_notifications_total", target="t", action="trigger", outcome="refused") == 1
            assert at.courier.offsets.to_commit() == {0: 2}
    errors = [entry for entry in logs if entry["log_level"] == "error"]
    assert len(errors) == 1
    assert "bad key ***" in errors[0]["detail"]


async def test_a_disabled_webhook_is_told_once_for_each_event() -> None:
    with structlog.testing.capture_logs() as logs:
        async with desk(webhook) as at:
            at.recorder.fail([Failure(status=410, body="hunter2 gone")])
            at.offer(incident())
            await at.finished()
            assert len(at.recorder.calls) == 1
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert "hunter2" not in str(logs)


async def test_no_secret_and_no_address_is_ever_logged() -> None:
    dialects: list[tuple[Dialects, str]] = [(pagerduty, KEY), (webhook, "hunter2")]
    with structlog.testing.capture_logs() as logs:
        for dialect, secret in dialects:
            async with desk(dialect) as at:
                echoes = [Failure(status=status, body=f"no, {secret}") for status in (500, 400)]
                at.recorder.fail([Failure(reset=True), Failure(hang=True), *echoes])
                at.offer(paged())
                await at.finished()
                address = at.recorder.url()
                assert address not in str(logs)
    assert len(logs) >= 4
    assert KEY not in str(logs)
    assert "hunter2" not in str(logs)


async def test_delivered_transitions_are_one_line_each() -> None:
    with structlog.testing.capture_logs() as logs:
        async with desk() as at:
            at.offer(paged(), incident("inc-quiet"))
            await at.finished()
    assert [(entry["event"], entry["incident_id"], entry["sent"]) for entry in logs] == [
        ("delivered", "inc-00000001", "trigger")
    ]


async def test_a_failing_target_is_told_of_once_and_so_is_its_recovery() -> None:
    with structlog.testing.capture_logs() as logs:
        async with desk() as at:
            at.recorder.fail([Failure(status=500)] * 6)
            at.offer(paged())
            await at.finished()
    assert [(entry["log_level"], entry["event"]) for entry in logs] == [
        ("warning", "target fails, retrying"),
        ("info", "delivered"),
        ("info", "target answers again"),
    ]


async def test_one_incident_that_fails_holds_up_no_other() -> None:
    async with desk() as at:
        at.recorder.fail_always("inc-stuck", Failure(status=500))
        at.offer(paged("inc-stuck"))
        await at.recorder.wait_for_calls(1)
        at.offer(paged("inc-free"), resolved("inc-stuck", 2), updated("inc-free"))
        await at.recorder.wait_for_taken(2)
        assert {name for _, name in at.recorder.spoken()} == {"inc-free"}
        assert at.courier.offsets.to_commit() == {0: 0}
        at.recorder.fail_always("inc-stuck", None)
        await at.finished()
        stuck = [verb for verb, name in at.recorder.spoken() if name == "inc-stuck"]
        # It ended while its page could not be delivered: only the resolve goes out, for the page may have arrived.
        assert stuck == ["resolve"]


async def test_what_was_delivered_before_a_restart_is_not_delivered_again() -> None:
    async with Recorder() as recorder:
        memory = RecordedMemory()
        async with desk(memory=memory, recorder=recorder) as at:
            at.offer(paged(), resolved(revision=2))
            await at.finished()
        before = recorder.spoken()
        async with desk(memory=memory, recorder=recorder) as at:
            at.offer(paged(), resolved(revision=2))
            await at.finished()
        assert recorder.spoken() == before


async def test_a_page_goes_out_although_its_intent_cannot_be_recorded() -> None:
    memory = RecordedMemory(failures=1)
    with structlog.testing.capture_logs() as logs:
        async with desk(memory=memory) as at:
            at.offer(paged())
            await at.finished()
            assert at.recorder.spoken() == [("trigger", "inc-00000001")]
    assert logs[0]["log_level"] == "warning"
    assert memory.marks["inc-00000001"].standing is Standing.OPEN


async def test_no_offset_is_committed_before_its_outcome_is_durable() -> None:
    memory = RecordedMemory(marks={"inc-00000001": Mark(revision=1, standing=Standing.OPEN)}, failures=3)
    async with desk(memory=memory) as at:
        at.offer(resolved(revision=2))
        await at.recorder.wait_for_taken(1)
        assert at.courier.offsets.to_commit() == {0: 0}
        await at.finished()
        assert at.courier.offsets.to_commit() == {0: 1}
        assert at.recorder.spoken() == [("resolve", "inc-00000001")]


async def test_a_rate_limited_page_storm_still_lets_resolves_through_first() -> None:
    async with desk(per_minute=5) as at:
        at.offer(*(paged(f"inc-{number}") for number in range(4)))
        await at.finished()
        at.offer(*(updated(f"inc-{number}") for number in range(3)), resolved("inc-3", 2))
        await at.recorder.wait_for_taken(5)
        assert at.recorder.spoken()[-1] == ("resolve", "inc-3")


async def test_closing_lets_a_request_under_way_end() -> None:
    async with desk() as at:
        at.recorder.fail([Failure(hang=True)])
        at.offer(paged())
        await at.recorder.wait_for_calls(1)
        closing = asyncio.create_task(at.courier.close(5.0))
        await closing
        # The request ran into its own time limit, within the grace; nothing was repeated, nothing marked as done.
        assert len(at.recorder.calls) == 1
        assert at.memory.marks["inc-00000001"].standing is Standing.OPENING
        assert at.courier.offsets.to_commit() == {0: 0}


async def test_repeats_are_finished_at_once() -> None:
    async with desk(webhook) as at:
        at.offer(incident(), incident(), updated(revision=2), incident())
        await at.finished()
        assert [call.headers["Idempotency-Key"] for call in at.recorder.calls] == ["inc-00000001-1", "inc-00000001-2"]
        assert all(call.headers["Authorization"] == "Bearer hunter2" for call in at.recorder.calls)


async def test_what_waits_is_as_old_as_its_publication_and_a_page_is_timed_to_its_acceptance() -> None:
    hours = Hours(datetime(2026, 1, 31, 8, 1, tzinfo=UTC).timestamp())
    async with desk(clock=hours.clock) as at:
        at.offer(paged())
        oldest = hours.wall - 40  # the event is of 08:00:20
        assert at.count("correlator_notifications_oldest_timestamp_seconds", target="t") == oldest
        await at.finished()
        assert at.count("correlator_notifications_oldest_timestamp_seconds", target="t") == 0
        assert at.count("correlator_page_delivery_seconds_sum", target="t") == 40
        assert at.count("correlator_page_delivery_seconds_count", target="t") == 1


async def test_an_instant_that_is_none_harms_no_delivery() -> None:
    async with desk() as at:
        at.offer(msgspec.structs.replace(paged(), published_at="long ago"))
        assert at.count("correlator_notifications_oldest_timestamp_seconds", target="t") == 0
        await at.finished()
        assert at.recorder.spoken() == [("trigger", "inc-00000001")]
