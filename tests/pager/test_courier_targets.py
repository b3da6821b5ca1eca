"""Every target over HTTP: a life within its contract, failures, restarts, renewals, routes that are missing."""

from __future__ import annotations

import pytest
import structlog

from correlator.domain import Action, Severity
from correlator.pager.alertmanager import Alertmanager, AlertmanagerWebhook
from correlator.pager.jsm import Jsm
from correlator.pager.mark import Mark, Standing
from correlator.pager.pagerduty import PagerDuty
from correlator.pager.routes import Routes
from correlator.pager.slack import SlackBot, SlackWebhook
from tests.pager.desk import EVENING, KEY, Dialects, Hours, RecordedMemory, desk
from tests.pager.incidents import incident, paged, resolved, updated
from tests.pager.recorder import Failure, Recorder


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


async def test_interruptions_are_counted_by_the_hour_of_the_owner_once_for_an_incident() -> None:
    async with desk(hour_class=lambda event, now: "sleep" if event.owner else "off") as at:
        at.recorder.fail([Failure(status=500)])
        at.offer(paged(), updated(), incident("inc-00000002", page=True, team=None), incident("inc-quiet"))
        await at.finished()
        found = {
            hours: at.count("correlator_interruptions_total", target="t", hour_class=hours)
            for hours in ("sleep", "off")
        }
        assert found == {"sleep": 1, "off": 1}


async def test_an_incident_that_stands_open_where_nobody_finds_it_any_more_is_told() -> None:
    memory = RecordedMemory(marks={"inc-00000001": Mark(revision=1, standing=Standing.OPEN, route="GONE")})
    with structlog.testing.capture_logs() as logs:
        async with desk(memory=memory, routes=Routes(default="KEY", addresses={"KEY": KEY})):
            pass
    assert [(entry["log_level"], entry["variable"]) for entry in logs] == [("error", "GONE")]
