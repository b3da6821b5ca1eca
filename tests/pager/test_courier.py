"""A courier against a recording HTTP server: real requests, a memory in this process."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate

import aiohttp
import pytest
import structlog
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from correlator.config_pager import QuietHoursConfig
from correlator.domain import Action, IncidentEvent, Severity
from correlator.pager.alertmanager import Alertmanager, AlertmanagerWebhook
from correlator.pager.courier import Channel, Clock, Courier
from correlator.pager.exchange import Backoff
from correlator.pager.gate import Gate, Policy
from correlator.pager.jsm import Jsm
from correlator.pager.mark import Dialect, Mark, Standing
from correlator.pager.metrics import PagerMetrics
from correlator.pager.offsets import Position
from correlator.pager.pagerduty import PagerDuty
from correlator.pager.routes import Routes
from correlator.pager.slack import SlackBot, SlackWebhook
from correlator.pager.transports import http_transport
from correlator.pager.webhook import Webhook
from tests.pager.incidents import acknowledged, incident, paged, resolved, updated
from tests.pager.recorder import Failure, Recorder

KEY = "0123456789abcdef0123456789abcdef"
TIMEOUT_SECONDS = 0.3
CLOCK = Clock(monotonic=time.monotonic, wall=time.time, jitter=lambda: 0.0)  # noqa: TID251  # real waits for real sockets


@dataclass
class RecordedMemory:
    """Marks in a dictionary; `broken` writes fail, `asked` holds every write that was tried."""

    marks: dict[str, Mark] = field(default_factory=dict)
    written: list[tuple[str, Mark | None]] = field(default_factory=list)
    failures: int = 0

    async def load(self, target: str) -> dict[str, Mark]:
        return dict(self.marks)

    async def write(self, target: str, incident_id: str, mark: Mark | None) -> None:
        if self.failures:
            self.failures -= 1
            raise KafkaError("not now")
        self.written.append((incident_id, mark))
        if mark is None:
            self.marks.pop(incident_id, None)
        else:
            self.marks[incident_id] = mark


class Desk:
    """A courier, what it speaks to, and what it remembers."""

    def __init__(self, recorder: Recorder, courier: Courier, memory: RecordedMemory, metrics: PagerMetrics) -> None:
        self.recorder, self.courier, self.memory, self.metrics = recorder, courier, memory, metrics
        self._offset = 0

    def offer(self, *events: IncidentEvent) -> None:
        for event in events:
            self.courier.offer(event, Position(0, self._offset))
            self._offset += 1

    async def finished(self) -> None:
        """Wait until everything that was offered is done with."""
        await self.until(lambda: not self.courier.offsets.outstanding)

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not true():
                await asyncio.sleep(0.005)

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


Dialects = Callable[[Recorder], Dialect]


def pagerduty(recorder: Recorder) -> PagerDuty:
    return PagerDuty(name="t", base_url=recorder.url(), routes=Routes(default="KEY", addresses={"KEY": KEY}))


def webhook(recorder: Recorder) -> Webhook:
    return Webhook(name="t", url=recorder.url("hook"), token="hunter2")


@contextlib.asynccontextmanager
async def desk(
    dialect: Dialects = pagerduty,
    memory: RecordedMemory | None = None,
    per_minute: int | None = None,
    recorder: Recorder | None = None,
    routes: Routes | None = None,
    clock: Clock = CLOCK,
) -> AsyncIterator[Desk]:
    memory = memory or RecordedMemory()
    metrics = PagerMetrics(CollectorRegistry())
    async with contextlib.AsyncExitStack() as stack:
        endpoint = Recorder() if recorder is None else recorder
        if recorder is None:
            await stack.enter_async_context(endpoint)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        courier = Courier(
            channel=Channel(
                dialect=dialect(endpoint),
                transport=http_transport(session, TIMEOUT_SECONDS),
                per_minute=per_minute,
                routes=routes,
            ),
            marks=await memory.load("t"),
            memory=memory,
            backoff=Backoff(min_seconds=0.02, max_seconds=0.1),
            clock=clock,
            metrics=metrics,
            partitions=frozenset({0}),
        )
        running = asyncio.create_task(courier.run())
        try:
            yield Desk(endpoint, courier, memory, metrics)
        finally:
            await courier.close(0.0)
            await running


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


def jsm(recorder: Recorder) -> Jsm:
    return Jsm(name="t", base_url=recorder.url(), routes=Routes(default="KEY", addresses={"KEY": "genie"}))


def alertmanager(recorder: Recorder) -> Alertmanager:
    return Alertmanager(name="t", url=recorder.url())


def alertmanager_webhook(recorder: Recorder) -> AlertmanagerWebhook:
    return AlertmanagerWebhook(name="t", url=recorder.url("alertmanager-webhook"))


def slack_bot(recorder: Recorder) -> SlackBot:
    return SlackBot(name="t", base_url=recorder.url("slack-api"), token="xoxb-1", routes=Routes(default="C1"))


def slack_webhook(recorder: Recorder) -> SlackWebhook:
    addresses = {"HOOK": recorder.url("slack-hook")}
    return SlackWebhook(name="t", routes=Routes(default="HOOK", addresses=addresses))


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (jsm, ["/v2/alerts", "/v2/alerts/inc-00000001/priority", "/v2/alerts/inc-00000001/close"]),
        (alertmanager, ["/api/v2/alerts"] * 3),
        (alertmanager_webhook, ["/alertmanager-webhook"] * 3),
        (slack_bot, ["/slack-api/chat.postMessage", "/slack-api/chat.update", "/slack-api/chat.update"]),
        (slack_webhook, ["/slack-hook"] * 2),
    ],
)
async def test_every_target_hears_a_life_within_its_contract_and_outlives_a_failure(
    dialect: Dialects, expected: list[str]
) -> None:
    async with desk(dialect) as at:
        at.recorder.fail([Failure(status=503)])
        for event in (
            paged(),
            incident(revision=2, action=Action.UPDATED, severity=Severity.WARNING),
            resolved(revision=3),
        ):
            at.offer(event)
            await at.finished()
        assert at.recorder.breaches == []
        assert [call.path for call in at.recorder.taken] == expected
        assert at.courier.offsets.to_commit() == {0: 3}


async def test_a_bots_message_is_edited_in_place_after_a_restart_too() -> None:
    async with Recorder() as recorder:
        memory = RecordedMemory()
        async with desk(slack_bot, memory=memory, recorder=recorder) as at:
            at.offer(paged())
            await at.finished()
        async with desk(slack_bot, memory=memory, recorder=recorder) as at:
            at.offer(paged(), updated(revision=2), resolved(revision=3))
            await at.finished()
        posted, *edits = recorder.taken
    assert posted.path == "/slack-api/chat.postMessage"
    assert {(call.path, call.body["ts"]) for call in edits} == {("/slack-api/chat.update", memory_ref(memory))}


def memory_ref(memory: RecordedMemory) -> str:
    """Return the time stamp under which the message was remembered."""
    (ref,) = {mark.ref for _, mark in memory.written if mark is not None and mark.ref}
    return ref.partition("/")[2]


class Hours:
    """A clock whose wall time is set by hand."""

    def __init__(self, wall: float) -> None:
        self.wall = wall
        self.clock = Clock(monotonic=CLOCK.monotonic, wall=lambda: self.wall, jitter=lambda: 0.0)


EVENING = datetime(2026, 11, 24, 22, tzinfo=UTC).timestamp()


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


async def test_a_renewal_goes_out_by_itself_and_is_neither_written_nor_told() -> None:
    hours = Hours(EVENING)
    with structlog.testing.capture_logs() as logs:
        async with desk(alertmanager, clock=hours.clock) as at:
            at.offer(paged())
            await at.finished()
            written = len(at.memory.written)
            hours.wall += 61
            at.offer(incident("inc-nothing"))
            await at.recorder.wait_for_taken(2)
            await at.until(
                lambda: at.count("correlator_notifications_total", target="t", action="renew", outcome="delivered")
            )
            await at.finished()
            assert [one for one, _ in at.memory.written[written:]] == ["inc-nothing"]
            assert at.recorder.breaches == []
    assert [entry["event"] for entry in logs] == ["delivered"]


async def test_pages_for_want_of_a_route_are_counted() -> None:
    routes = Routes(default="KEY", table={"storage": "KEY_2"}, addresses={"KEY": KEY, "KEY_2": "f" * 32})

    def routed(recorder: Recorder) -> PagerDuty:
        return PagerDuty(name="t", base_url=recorder.url(), routes=routes)

    async with desk(routed, routes=routes) as at:
        at.offer(paged(), updated(), incident("inc-00000002", page=True, team="storage"))
        await at.finished()
        assert at.count("correlator_pages_unrouted_total", target="t") == 1


async def test_an_incident_that_stands_open_where_nobody_finds_it_any_more_is_told() -> None:
    memory = RecordedMemory(marks={"inc-00000001": Mark(revision=1, standing=Standing.OPEN, route="GONE")})
    with structlog.testing.capture_logs() as logs:
        async with desk(memory=memory, routes=Routes(default="KEY", addresses={"KEY": KEY})):
            pass
    assert [(entry["log_level"], entry["variable"]) for entry in logs] == [("error", "GONE")]
