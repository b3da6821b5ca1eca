"""What posts of feedback become, and what whoever posts them hears."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from correlator.config import Config
from correlator.devkafka import free_ports
from correlator.errors import ConfigError
from correlator.secrets import Secrets
from correlator.shell.http.feedback import client_of
from correlator.shell.http.pagerduty import Client, is_signed
from correlator.shell.http.refusal import Refused
from tests.shell.http.server import NOW, Sent, Server, served

FIRST, SECOND = "0123456789abcdef0123", "aaaaaaaaaaaaaaaaaaaa"
PERSON = {"id": "PLH1HKV", "type": "user_reference", "summary": "Tenex Engineer"}
PROGRAM = {"id": "PINT", "type": "inbound_integration_reference", "summary": "correlator"}
CONFIG = Config.model_validate({"feedback": {"pagerduty_secret_env": "PD"}})
ENVIRON = {"PD": "s3cret\nolder\n"}


def webhook(what: str, *, agent: Any = PERSON, id: str = "e1", **data: Any) -> bytes:
    incident = {"id": "PGR0VU2", "type": "incident", "incident_key": FIRST, "assignees": [], **data}
    event = {
        "id": id,
        "event_type": what,
        "resource_type": "incident",
        "occurred_at": "2026-11-20T10:00:00.5Z",
        "agent": agent,
        "data": incident,
    }
    return json.dumps({"event": event}).encode()


def signature(body: bytes, secret: str = "s3cret") -> str:
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def tell(server: Server, body: bytes) -> tuple[int, Any]:
    status, answer, _ = await server.post(
        "/feedback/pagerduty", body, headers={"X-PagerDuty-Signature": signature(body)}
    )
    return status, answer


def said(sent: Sequence[Sent]) -> list[dict[str, Any]]:
    assert all(one.topic == "feedback" for one in sent)
    return [json.loads(one.value) for one in sent]


# -- the plain form ------------------------------------------------------------------------------------------------


async def test_what_an_operator_posts_is_one_record_of_the_topic_of_feedback_keyed_by_its_incident() -> None:
    async with served() as server:
        word = {"incident_id": FIRST, "action": "wrong_root", "root": "db", "by": "ann", "at": "2026-11-20T10:00:00Z"}
        status, answer, _ = await server.post("/feedback", json=word)
        assert (status, answer) == (200, {"status": "success", "heard": 1, "ids": ["id-1"]})
        assert server.sent[0].key == FIRST.encode()
        assert said(server.sent) == [
            {
                "incident_id": FIRST,
                "action": "wrong_root",
                "at": "2026-11-20T10:00:00.000Z",
                "by": "ann",
                "source": "http",
                "id": "id-1",
                "to": None,
                "to_person": False,
                "root": "db",
                "into": None,
                "services": [],
                "alerts": [],
            }
        ]


async def test_what_is_posted_again_with_its_idempotency_key_has_the_same_id() -> None:
    async with served() as server:
        for _ in range(2):
            word = {"incident_id": FIRST, "action": "noise", "source": "pagerduty"}
            await server.post("/feedback", json=word, headers={"Idempotency-Key": "k1"})
        assert [(one["id"], one["source"]) for one in said(server.sent)] == [("k1", "http"), ("k1", "http")]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ({"action": "noise"}, "missing_field"),
        ({"incident_id": "no id", "action": "noise"}, "wrong_type"),
        ({"incident_id": FIRST, "action": "explode"}, "wrong_value"),
        ({"incident_id": FIRST, "action": "reassign"}, "missing_field"),
        ({"incident_id": FIRST, "action": "merge", "into": FIRST}, "wrong_value"),
        ({"incident_id": FIRST, "action": "split", "services": [], "alerts": []}, "missing_field"),
        ({"incident_id": FIRST, "action": "noise", "at": "1999-01-01T00:00:00Z"}, "bad_timestamp"),
    ],
)
async def test_what_says_nothing_is_refused_with_the_reason(word: dict[str, Any], reason: str) -> None:
    async with served() as server:
        status, answer, _ = await server.post("/feedback", json=word)
        assert (status, answer["reason"], server.sent) == (400, reason, [])


async def test_nothing_is_said_later_than_it_arrives() -> None:
    async with served() as server:
        await server.post("/feedback", json={"incident_id": FIRST, "action": "noise", "at": "2099-01-01T00:00:00Z"})
        (one,) = said(server.sent)
        assert one["at"].startswith("2026-") and server.sent[0].at == NOW


async def test_who_may_not_send_alerts_may_not_say_anything_of_incidents() -> None:
    async with served(Config.model_validate({"http": {"token_env": "T"}}), environ={"T": "t"}) as server:
        word = {"incident_id": FIRST, "action": "resolve"}
        assert (await server.post("/feedback", json=word))[0] == 401
        assert (await server.post("/feedback", json=word, headers={"Authorization": "Bearer t"}))[0] == 200


async def test_where_kafka_does_not_take_it_whoever_posts_is_told_to_post_again() -> None:
    async with served() as server:
        server.outbox.is_away = True
        status, _, headers = await server.post("/feedback", json={"incident_id": FIRST, "action": "noise"})
        assert status == 503 and headers["Retry-After"]


# -- PagerDuty's webhooks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "data", "expected"),
    [
        ("incident.acknowledged", {}, {"action": "acknowledge"}),
        ("incident.unacknowledged", {}, {"action": "unacknowledge"}),
        ("incident.resolved", {}, {"action": "resolve"}),
        ("incident.reopened", {}, {"action": "reopen"}),
        (
            "incident.reassigned",
            {"assignees": [{"id": "P1", "summary": "Ann"}, {"id": "P2"}]},
            {"action": "reassign", "to": "Ann, P2", "to_person": True},
        ),
        (
            "incident.delegated",
            {"escalation_policy": {"id": "P3", "summary": "Databases"}},
            {"action": "reassign", "to": "Databases", "to_person": False},
        ),
        (
            "incident.resolved",
            {"resolve_reason": {"type": "merge_resolve_reason", "incident": {"id": "PINTO"}}},
            {"action": "merge", "into": "pagerduty:PINTO"},
        ),
    ],
)
async def test_what_a_person_does_there_is_said_here(what: str, data: Any, expected: Any) -> None:
    async with served(CONFIG, environ=ENVIRON) as server:
        status, answer = await tell(server, webhook(what, **data))
        assert (status, answer) == (200, {"status": "success", "heard": 1, "ids": ["e1"]})
        (one,) = said(server.sent)
        told = {"incident_id": FIRST, "source": "pagerduty", "by": "Tenex Engineer", "at": "2026-11-20T10:00:00.500Z"}
        assert one.items() >= (told | expected).items()


@pytest.mark.parametrize("agent", [PROGRAM, None])
@pytest.mark.parametrize("what", ["incident.resolved", "incident.acknowledged"])
async def test_what_we_told_pagerduty_ourselves_is_not_taken_for_a_human_s_word(what: str, agent: Any) -> None:
    async with served(CONFIG, environ=ENVIRON) as server:
        assert (await tell(server, webhook(what, agent=agent)))[1]["heard"] == 0
        assert server.sent == []
        assert server.metric("correlator_feedback_webhooks_total", outcome="by_program") == 1


async def test_that_an_acknowledgement_timed_out_counts_though_no_person_did_it() -> None:
    async with served(CONFIG, environ=ENVIRON) as server:
        await tell(server, webhook("incident.unacknowledged", agent=None))
        assert [one["action"] for one in said(server.sent)] == ["unacknowledge"]


@pytest.mark.parametrize("what", ["incident.priority_updated", "incident.escalated", "service.updated", "pagey.ping"])
async def test_what_says_nothing_to_us_is_taken_all_the_same(what: str) -> None:
    async with served(CONFIG, environ=ENVIRON) as server:
        assert await tell(server, webhook(what)) == (200, {"status": "success", "heard": 0, "ids": []})


async def test_a_webhook_counts_only_with_a_signature_of_a_secret_that_holds() -> None:
    async with served(CONFIG, environ=ENVIRON) as server:
        body = webhook("incident.resolved")
        wrong = [None, "", "v1=", signature(body, "other"), signature(body).removeprefix("v1="), signature(body + b" ")]
        for one in wrong:
            headers = {} if one is None else {"X-PagerDuty-Signature": one}
            assert (await server.post("/feedback/pagerduty", body, headers=headers))[0] == 401
        assert server.sent == []
        both = f"{signature(body, 'other')},{signature(body, 'older')}"
        assert (await server.post("/feedback/pagerduty", body, headers={"X-PagerDuty-Signature": both}))[0] == 200


async def test_without_a_secret_no_webhook_is_taken() -> None:
    async with served() as server:
        assert (await tell(server, webhook("incident.resolved")))[0] == 404
        assert server.sent == []


def test_a_signature_is_that_of_the_documentation() -> None:
    body = b'{"event":1}'
    assert is_signed(body, signature(body), Secrets("x", "s3cret"))
    assert not is_signed(body, "v1=\udcff", Secrets("x", "s3cret"))


async def test_an_example_of_the_documentation_is_taken() -> None:
    example = Path(__file__).parents[4] / "shared" / "payloads" / "input" / "pagerduty_webhook_v3_incident.json"
    if not example.exists():
        pytest.skip(f"{example} is not there")
    document = json.loads(example.read_bytes())
    document["event"]["event_type"] = "incident.acknowledged"
    async with served(CONFIG, environ=ENVIRON) as server:
        assert (await tell(server, json.dumps(document).encode()))[1]["heard"] == 1
        assert said(server.sent)[0]["incident_id"] == "d3640fbd41094207a1c11e58e46b1662"


# -- which of ours it is -------------------------------------------------------------------------------------------


async def keys_of_two(incident: str) -> Sequence[str]:
    return ["nagios!host", FIRST, SECOND]


async def test_an_incident_that_does_not_tell_its_key_is_found_by_its_alerts_all_of_them() -> None:
    async with served(CONFIG, environ=ENVIRON, alert_keys=keys_of_two) as server:
        assert (await tell(server, webhook("incident.resolved", incident_key=None)))[1]["heard"] == 2
        assert [(one["incident_id"], one["id"]) for one in said(server.sent)] == [
            (FIRST, f"e1:{FIRST}"),
            (SECOND, f"e1:{SECOND}"),
        ]


async def test_a_note_tells_that_somebody_cares_and_not_what_it_says() -> None:
    note = {"type": "incident_note", "id": "PNOTE", "content": "the disk of ann's mother"}
    reference = {"id": "PGR0VU2", "type": "incident_reference"}
    asked: list[str] = []

    async def keys(incident: str) -> Sequence[str]:
        asked.append(incident)
        return [FIRST]

    async with served(CONFIG, environ=ENVIRON, alert_keys=keys) as server:
        body = json.loads(webhook("incident.annotated"))
        body["event"]["data"] = note | {"incident": reference}
        assert (await tell(server, json.dumps(body).encode()))[1]["heard"] == 1
        (one,) = said(server.sent)
        assert (one["incident_id"], one["action"], asked) == (FIRST, "annotate", ["PGR0VU2"])
        assert b"disk" not in server.sent[0].value
        body["event"]["data"] = note
        assert (await tell(server, json.dumps(body).encode()))[0] == 400


async def test_incidents_that_were_merged_there_are_merged_into_the_oldest_here() -> None:
    reason = {"type": "merge_resolve_reason", "incident": {"id": "PINTO"}}
    async with served(CONFIG, environ=ENVIRON, alert_keys=keys_of_two) as server:
        await tell(server, webhook("incident.resolved", incident_key=None, resolve_reason=reason))
        assert [(one["incident_id"], one["action"], one["into"]) for one in said(server.sent)] == [
            (SECOND, "merge", FIRST)
        ]


async def test_without_a_key_and_nobody_to_ask_a_webhook_is_counted_and_taken() -> None:
    async with served(CONFIG, environ=ENVIRON) as server:
        assert await tell(server, webhook("incident.resolved", incident_key=None)) == (
            200,
            {"status": "success", "heard": 0, "ids": []},
        )
        assert server.metric("correlator_feedback_webhooks_total", outcome="unlinked") == 1


@asynccontextmanager
async def api(status: int, body: Any) -> AsyncIterator[tuple[Client, list[web.Request]]]:
    """Serve PagerDuty's answer to the question for an incident's alerts."""
    asked: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request)
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_get("/incidents/{id}/alerts", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    (port,) = free_ports(1)
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        client = Client(f"http://127.0.0.1:{port}/", "t0ken")
        async with client.running():
            yield client, asked
    finally:
        await runner.cleanup()


async def test_pagerduty_is_asked_for_the_alerts_with_the_token_and_tells_them_in_order() -> None:
    alerts = [
        {"alert_key": SECOND, "created_at": "2026-11-20T10:00:00Z"},
        {"alert_key": FIRST, "created_at": "2026-11-20T09:00:00Z"},
        {"alert_key": None},
    ]
    async with api(200, {"alerts": alerts, "more": False}) as (client, asked):
        assert await client.alert_keys("PGR0VU2") == [FIRST, SECOND]
        assert asked[0].path == "/incidents/PGR0VU2/alerts"
        assert asked[0].headers["Authorization"] == "Token token=t0ken"


@pytest.mark.parametrize(("status", "body"), [(500, {}), (401, {}), (429, {}), (200, {"alerts": 1})])
async def test_where_pagerduty_does_not_tell_the_webhook_is_to_come_again(status: int, body: Any) -> None:
    async with (
        api(status, body) as (client, _),
        served(CONFIG, environ=ENVIRON, alert_keys=client.alert_keys) as server,
    ):
        assert (await tell(server, webhook("incident.resolved")))[0] == 503
        assert server.sent == []


async def test_an_incident_that_is_gone_there_has_no_alerts() -> None:
    async with api(404, {}) as (client, _):
        assert await client.alert_keys("PGR0VU2") == []


async def test_nobody_is_asked_before_the_worker_runs() -> None:
    with pytest.raises(Refused, match="cannot be asked yet"):
        await Client("http://127.0.0.1:1", "t").alert_keys("P")


def test_secrets_that_are_not_there_are_errors_that_name_their_keys() -> None:
    config = Config.model_validate({"feedback": {"pagerduty_token_env": "TOKEN"}})
    with pytest.raises(ConfigError, match=r"feedback.pagerduty_token_env: the environment variable TOKEN is not set"):
        client_of(config, {})
    assert client_of(Config(), {}) is None and isinstance(client_of(config, {"TOKEN": "t"}), Client)
