from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from correlator.domain import Action
from correlator.pager.console import text_of
from correlator.pager.exchange import Delivered, Refused, Reply, Retry
from correlator.pager.mark import NOTHING, Verb
from correlator.pager.webhook import Webhook, signature
from tests.pager.incidents import incident, paged, resolved, updated

SHARED = Path(__file__).parents[3] / "shared"
HOOK = Webhook(name="hook", url="https://hook.example/in", token="hunter2")


def test_a_webhook_hears_every_event_as_it_is() -> None:
    for event in (incident(), paged(), updated(), resolved()):
        step = HOOK.step(event, NOTHING, missed=False, now=0.0)
        request = HOOK.request(event, step, 0.0)
        assert step.verb is Verb.POST
        assert json.loads(request.body)["revision"] == event.revision
        assert request.headers["Idempotency-Key"] == f"{event.incident_id}-{event.revision}"
        assert request.headers["webhook-id"] == request.headers["Idempotency-Key"]
        assert request.headers["Authorization"] == "Bearer hunter2"


def test_what_a_webhook_gets_is_the_contract() -> None:
    contract = SHARED / "contracts" / "incident-event.schema.json"
    if not contract.is_file():
        pytest.skip("the contracts are not beside the repository")
    event = paged()
    body = HOOK.request(event, HOOK.step(event, NOTHING, missed=False, now=0.0), 0.0).body
    jsonschema.validate(json.loads(body), json.loads(contract.read_text()))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, Delivered), (204, Delivered), (400, Refused), (409, Refused), (410, Refused), (422, Refused)]
    + [(status, Retry) for status in (302, 401, 403, 404, 405, 407, 408, 425, 429, 500, 503)],
)
def test_a_webhooks_reply_is_read_as_documented(status: int, kind: type[object]) -> None:
    assert isinstance(HOOK.verdict(Reply(status=status), 0.0), kind)


def test_a_refusal_does_not_tell_the_token() -> None:
    verdict = HOOK.verdict(Reply(status=400, body=b"hunter2 is no good"), 0.0)
    assert isinstance(verdict, Refused)
    assert "hunter2" not in verdict.detail


def test_a_configured_secret_signs_the_body() -> None:
    # The test vector of the specification of Standard Webhooks.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    hook = Webhook(name="hook", url="https://hook.example", secrets=(secret,))
    request = hook.request(paged(), hook.step(paged(), NOTHING, missed=False, now=0.0), 99.7)
    assert request.headers["webhook-timestamp"] == "99"
    assert request.headers["webhook-signature"] == signature(secret, request.headers["webhook-id"], 99, request.body)


def test_while_a_secret_is_changed_both_sign() -> None:
    secrets = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB")
    hook = Webhook(name="hook", url="https://hook.example", secrets=secrets)
    request = hook.request(paged(), hook.step(paged(), NOTHING, missed=False, now=0.0), 99.7)
    expected = [signature(secret, request.headers["webhook-id"], 99, request.body) for secret in secrets]
    assert request.headers["webhook-signature"].split(" ") == expected
    assert len(set(expected)) == 2


def test_the_example_of_a_signed_webhook_is_signed_alike() -> None:
    file = SHARED / "payloads" / "output" / "standard_webhooks_incident.json"
    if not file.is_file():
        pytest.skip("the example payloads are not beside the repository")
    example = json.loads(file.read_text())
    headers = example["headers"]
    made = signature(
        example["secret"], headers["webhook-id"], int(headers["webhook-timestamp"]), example["body"].encode()
    )
    assert made == headers["webhook-signature"]


def test_the_terminal_shows_the_page_the_reason_and_what_was_spared() -> None:
    text = text_of(paged())
    for part in ("08:00:20", "PAGE", "opened", "inc-00000001", "PostgresDown", "upstream of 4", "260 events absorbed"):
        assert part in text


def test_the_terminal_shows_no_page_where_there_is_none() -> None:
    assert "PAGE" not in text_of(updated())
    assert "merged into inc-00000002" in text_of(incident(action=Action.MERGED))


def test_a_senders_text_cannot_steer_the_terminal() -> None:
    text = text_of(incident(title="evil \033[2J\r\n\x07title", why="\033]0;x\x07"), colour=False)
    assert all(line.isprintable() for line in text.splitlines())
    assert text_of(incident(title="evil \033[2J"), colour=True).count("\033") == 2
