"""Slack: one message for an incident, edited in place by a bot; within Block Kit's bounds whatever is in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from correlator.domain import Action, IncidentEvent, Severity
from correlator.pager.exchange import Delivered, Refused, Reply, Retry, RetryReason
from correlator.pager.links import Links
from correlator.pager.mark import NOTHING, Mark, Standing, Step, Verb, mark_after
from correlator.pager.routes import Routes
from correlator.pager.slack import SlackBot, SlackWebhook, message
from tests.pager.contracts import slack_hook, slack_message, slack_method
from tests.pager.incidents import acknowledged, incident, paged, resolved, updated

LINKS = Links(incident_url="https://i.example/{incident_id}", runbook_url="https://r.example/{alert}")
BOT = SlackBot(
    name="slack",
    base_url="https://slack.example/slack-api",
    token="xoxb-1",
    routes=Routes(default="C1", table={"storage": "C2"}),
    links=LINKS,
)
HOOK = SlackWebhook(
    name="slack",
    routes=Routes(
        default="HOOK",
        table={"storage": "STORAGE"},
        addresses={"HOOK": "https://h.example/1", "STORAGE": "https://h.example/2"},
    ),
    links=LINKS,
)
POSTED = Mark(revision=1, standing=Standing.OPEN, route="C1", ref="C1/17.01")
TOLD = Mark(revision=1, standing=Standing.OPEN, route="HOOK")


def bot_says(event: IncidentEvent, mark: Mark = NOTHING) -> tuple[str, dict[str, Any], Step]:
    step = BOT.step(event, mark, missed=False, now=0.0)
    request = BOT.request(event, step, 0.0)
    document = json.loads(request.body)
    path = "/slack-api/" + request.url.rsplit("/", 1)[1]
    assert slack_method({"authorization": request.headers["Authorization"]}, "POST", path, document) == []
    return request.url.rsplit("/", 1)[1], document, step


def test_a_page_is_posted_and_everything_after_edits_that_message() -> None:
    method, document, step = bot_says(paged())
    assert (method, document["channel"], step.verb) == ("chat.postMessage", "C1", Verb.TRIGGER)
    posted = mark_after(paged(), step, NOTHING, Delivered("C1/17.01"), partition=0, at=0)
    assert posted.ref == "C1/17.01"
    for event in (updated(), acknowledged(), resolved()):
        method, document, step = bot_says(event, posted)
        assert (method, document["channel"], document["ts"]) == ("chat.update", "C1", "17.01")
        edited = mark_after(event, step, posted, Delivered("C1/17.01"), partition=0, at=0)
        assert edited.ref == ("" if event.action is Action.RESOLVED else "C1/17.01")


def test_words_tell_how_the_incident_stands() -> None:
    def header(event: IncidentEvent, **more: Any) -> str:
        text: str = message(event, LINKS, **more)["blocks"][0]["text"]["text"]
        return text

    assert header(paged()).startswith("🔴 Critical: payments-db: PostgresDown")
    assert header(acknowledged()).startswith("🔴 Acknowledged")
    assert header(resolved()).startswith("✅ Resolved")
    assert header(incident(action=Action.MERGED)).startswith("✅ Merged")
    assert header(paged(), moved=True).startswith("✅ Handed over")


def test_an_incident_for_another_team_is_closed_in_the_old_channel_and_posted_in_the_new_one() -> None:
    event = incident(revision=2, action=Action.UPDATED, page=True, team="storage")
    method, document, step = bot_says(event, POSTED)
    assert (method, document["channel"], step.verb, step.final) == ("chat.update", "C1", Verb.RESOLVE, False)
    left = mark_after(event, step, POSTED, Delivered("C1/17.01"), partition=0, at=0)
    method, document, _ = bot_says(event, left)
    assert (method, document["channel"]) == ("chat.postMessage", "C2")


def test_a_message_whose_reply_was_lost_is_posted_again_and_its_end_is_told() -> None:
    lost = Mark(standing=Standing.OPENING, route="C1")
    assert bot_says(paged(), lost)[0] == "chat.postMessage"
    method, document, step = bot_says(resolved(), lost)
    assert (method, document["channel"], step.verb) == ("chat.postMessage", "C1", Verb.RESOLVE)


def test_a_refused_edit_keeps_the_message() -> None:
    _, _, step = bot_says(updated(), POSTED)
    assert mark_after(updated(), step, POSTED, Refused("no"), partition=0, at=0).ref == POSTED.ref


def test_an_incoming_webhook_gets_a_message_for_the_page_and_one_for_the_end() -> None:
    said = {}
    for event, mark in ((paged(), NOTHING), (updated(), TOLD), (acknowledged(), TOLD), (resolved(), TOLD)):
        step = HOOK.step(event, mark, missed=False, now=0.0)
        said[event.action] = step.verb
        if step.verb is Verb.NONE:
            assert (step.leaves, step.route) == (Standing.OPEN, "HOOK")
        else:
            request = HOOK.request(event, step, 0.0)
            assert request.url == "https://h.example/1"
            assert slack_hook({}, "POST", "/", json.loads(request.body)) == []
    assert said == {
        Action.OPENED: Verb.TRIGGER,
        Action.UPDATED: Verb.NONE,
        Action.ACKNOWLEDGED: Verb.NONE,
        Action.RESOLVED: Verb.RESOLVE,
    }


def test_a_teams_incident_goes_to_its_own_webhook() -> None:
    event = incident(page=True, team="storage")
    assert HOOK.request(event, HOOK.step(event, NOTHING, missed=False, now=0.0), 0.0).url == "https://h.example/2"


@pytest.mark.parametrize("letter", ["x", "&", "<", "😀", "\n", '"'])
def test_no_message_is_beyond_blocks_bounds_and_no_text_is_taken_for_markup(letter: str) -> None:
    huge = letter * 5000
    event = incident(page=True, title=huge, summary=huge, team=huge, why=huge, candidates=9)
    for one in (event, incident(action=Action.RESOLVED, title=huge, team=huge, why=huge)):
        assert slack_message(message(one, LINKS), set()) == []


def test_a_senders_text_mentions_nobody() -> None:
    text = json.dumps(message(incident(page=True, title="<!channel> <@U1>", team="<!here>", why="<!everyone>"), LINKS))
    assert "<!channel>" not in json.loads(text)["text"]
    assert "<!here>" not in text and "<!everyone>" not in text


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"ok": True, "channel": "C1", "ts": "1.2"}, Delivered("C1/1.2")),
        (200, {"ok": True}, Delivered()),
        (200, {"ok": False, "error": "ratelimited"}, Retry(RetryReason.RATE_LIMITED, all=True)),
        (200, {"ok": False, "error": "invalid_auth"}, Retry(RetryReason.UNEXPECTED_STATUS)),
        (200, {"ok": False, "error": "not_in_channel"}, Retry(RetryReason.UNEXPECTED_STATUS)),
        (200, "no object", Retry(RetryReason.UNEXPECTED_STATUS)),
        (429, {}, Retry(RetryReason.RATE_LIMITED, 7.0, all=True)),
        (500, {}, Retry(RetryReason.SERVER_ERROR, 7.0, all=True)),
    ],
)
def test_a_bots_reply_is_read_from_its_body(status: int, body: object, expected: object) -> None:
    reply = Reply(status=status, body=json.dumps(body).encode(), headers={"retry-after": "7"} if status > 400 else {})
    assert BOT.verdict(reply, 0.0) == expected


@pytest.mark.parametrize("body", [b'{"ok": true, "ts": "\xff"}', b'{"x": ' + b"[" * 5000 + b"]" * 5000 + b"}"])
def test_a_reply_in_no_words_of_slack_is_tried_again(body: bytes) -> None:
    assert BOT.verdict(Reply(status=200, body=body), 0.0) == Retry(RetryReason.UNEXPECTED_STATUS)


@pytest.mark.parametrize("error", ["invalid_blocks", "msg_blocks_too_long", "message_not_found", "edit_window_closed"])
def test_what_no_repetition_cures_is_refused_and_no_secret_is_told(error: str) -> None:
    body = json.dumps({"ok": False, "error": error, "echo": "xoxb-1"}).encode()
    verdict = BOT.verdict(Reply(status=200, body=body), 0.0)
    assert isinstance(verdict, Refused)
    assert "xoxb-1" not in verdict.detail
    hooked = HOOK.verdict(Reply(status=400, body=b"invalid_payload https://h.example/1"), 0.0)
    assert isinstance(hooked, Refused)
    assert "h.example" not in hooked.detail


@pytest.mark.parametrize("status", [403, 404, 410, 429, 500])
def test_a_webhook_that_an_operator_can_mend_is_tried_again(status: int) -> None:
    assert isinstance(HOOK.verdict(Reply(status=status), 0.0), Retry)


@pytest.mark.parametrize("severity", list(Severity))
def test_every_severity_has_a_sign(severity: Severity) -> None:
    assert slack_message(message(incident(severity=severity), Links()), set()) == []


def test_the_check_of_these_tests_tells_a_bad_message() -> None:
    bad = message(paged(), LINKS)
    bad["blocks"][0]["text"]["text"] = "x" * 151
    bad["blocks"][1]["fields"][0]["text"] = "<!channel>"
    assert slack_message(bad, set()) == ["text of header", "markup that was not escaped"]
