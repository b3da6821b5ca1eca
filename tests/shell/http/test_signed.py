"""Grafana and Sentry sign what they post: what bears no signature of a secret that holds now is not taken."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pydantic
import pytest

from correlator.config import Config
from correlator.errors import ConfigError
from correlator.formats.table import FORMATS
from correlator.shell.http.endpoints import endpoints_of
from correlator.shell.http.openapi import document
from correlator.shell.http.signed import signed_of
from tests.formats.examples import EXAMPLES
from tests.shell.http.server import NOW, served

HEADERS = {"grafana": "X-Grafana-Alerting-Signature", "sentry": "Sentry-Hook-Signature"}
BODIES = {name: json.dumps(EXAMPLES[name]).encode() for name in HEADERS}
ENVIRON = {"G": "s3cret\nolder\n", "S": "client-secret"}
SECRETS = {"grafana": "s3cret", "sentry": "client-secret"}
TOKEN = {"token_env": "T"}


def configured(**http: Any) -> Config:
    return Config.model_validate({"http": {"grafana_secret_env": "G", "sentry_secret_env": "S", **http}})


def signature(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("name", HEADERS)
async def test_a_signature_lets_a_post_in_where_all_others_show_a_token(name: str) -> None:
    body = BODIES[name]
    async with served(configured(**TOKEN), environ={**ENVIRON, "T": "t0ken"}) as server:
        headers = {HEADERS[name]: signature(body, SECRETS[name])}
        assert (await server.post(f"/webhooks/{name}", body, headers=headers))[0] == 200
        assert [one.value for one in server.sent] == [body]
        assert "signature" not in json.dumps(server.sent[0].headers).lower()
        for path in ("/webhooks/", "/webhooks/alertmanager"):
            assert (await server.post(path, body, headers=headers))[0] == 401
        assert server.metric("correlator_http_refused_total", reason="no_token") == 2


@pytest.mark.parametrize("name", HEADERS)
async def test_a_post_that_is_not_signed_with_the_secret_is_not_taken(name: str) -> None:
    body = BODIES[name]
    right = signature(body, SECRETS[name])
    shown = [None, "", "\xff", right[:-1], right.upper(), f"sha256={right}", signature(body, "other"),
             signature(body, ""), signature(body + b" ", SECRETS[name])]  # fmt: skip
    async with served(configured(**TOKEN), environ={**ENVIRON, "T": "t0ken"}) as server:
        for one in shown:
            headers = {"Authorization": "Bearer t0ken"} | ({} if one is None else {HEADERS[name]: one})
            status, answer, _ = await server.post(f"/webhooks/{name}", body, headers=headers)
            assert (status, answer["reason"]) == (401, "signature")
        assert server.sent == []
        assert server.metric("correlator_http_refused_total", reason="signature") == len(shown)


async def test_the_body_is_signed_as_it_is_and_not_what_json_makes_of_it() -> None:
    """The example of RFC 4231, section 4.3."""
    body, mac = b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    async with served(configured(), environ={"G": "Jefe", "S": "x"}) as server:
        status, answer, _ = await server.post("/webhooks/grafana", body, headers={HEADERS["grafana"]: mac})
        assert (status, answer["reason"]) == (400, "not_json")


async def test_while_a_secret_is_changed_both_hold(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text("new\nold\n")
    config = Config.model_validate({"http": {"grafana_secret_file": str(file)}})
    body = BODIES["grafana"]

    async with served(config) as server:

        async def status(secret: str) -> int:
            headers = {HEADERS["grafana"]: signature(body, secret)}
            return (await server.post("/webhooks/grafana", body, headers=headers))[0]

        assert [await status("old"), await status("new")] == [200, 200]
        file.unlink()
        file.write_text("new\n")
        assert [await status("old"), await status("new")] == [401, 200]


async def test_without_a_secret_nothing_need_be_signed() -> None:
    async with served() as server:
        for name, body in BODIES.items():
            assert (await server.post(f"/webhooks/{name}", body))[0] == 200


@pytest.mark.parametrize(
    ("time", "status"),
    [
        (str(NOW // 1000), 200), (str(NOW // 1000 - 300), 200), (str(NOW // 1000 + 300), 200),
        (str(NOW // 1000 - 301), 401), (str(NOW // 1000 + 301), 401), ("", 401), ("yesterday", 401), ("-1", 401),
        ("1.5", 401), ("²", 401), ("9" * 5000, 401),
    ],
)  # fmt: skip
async def test_the_time_that_grafana_signs_must_be_now(time: str, status: int) -> None:
    body = BODIES["grafana"]
    config = configured(grafana_timestamp_header="X-Signed-At")
    headers = {"X-Signed-At": time, HEADERS["grafana"]: signature(f"{time}:".encode() + body, "older")}
    async with served(config, environ=ENVIRON) as server:
        assert (await server.post("/webhooks/grafana", body, headers=headers))[0] == status


async def test_a_signature_without_the_time_that_belongs_to_it_does_not_hold() -> None:
    body, now = BODIES["grafana"], str(NOW // 1000)
    alone, timed = signature(body, "s3cret"), signature(f"{now}:".encode() + body, "s3cret")
    async with served(configured(grafana_timestamp_header="X-Signed-At"), environ=ENVIRON) as server:
        for headers in ({HEADERS["grafana"]: alone}, {HEADERS["grafana"]: alone, "X-Signed-At": now}):
            assert (await server.post("/webhooks/grafana", body, headers=headers))[0] == 401
    async with served(configured(), environ=ENVIRON) as server:
        headers = {HEADERS["grafana"]: timed, "X-Signed-At": now}
        assert (await server.post("/webhooks/grafana", body, headers=headers))[0] == 401


async def test_who_signs_may_not_send_too_often_either() -> None:
    config = configured(client_requests_per_second=1, client_burst=1)
    async with served(config, environ=ENVIRON) as server:
        assert [(await server.post("/webhooks/sentry", b"{}"))[0] for _ in range(2)] == [401, 503]


def test_a_secret_that_is_not_there_stops_the_start() -> None:
    with pytest.raises(ConfigError, match=r"(?s)grafana_secret_env.*variable G is not set"):
        signed_of(configured().http, {"S": "x"})


@pytest.mark.parametrize(
    "http",
    [
        {"grafana_secret_env": "G", "grafana_secret_file": "f"},
        {"sentry_secret_env": "G", "sentry_secret_file": "f"},
        {"grafana_timestamp_header": "X-Time"},
        {"grafana_secret_env": "G", "grafana_timestamp_header": "two words"},
    ],
)
def test_settings_that_make_no_sense_together_are_refused(http: dict[str, str]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Config.model_validate({"http": http})


def test_what_must_be_signed_is_described() -> None:
    described = document(endpoints_of(FORMATS), configured(**TOKEN, grafana_timestamp_header="X-Signed-At").http)

    def post(path: str) -> dict[str, Any]:
        found: dict[str, Any] = described["paths"][path]["post"]
        return found

    def shown(path: str) -> list[str]:
        return [one["name"] for one in post(path)["parameters"] if one["required"]]

    assert shown("/webhooks/grafana") == ["X-Grafana-Alerting-Signature", "X-Signed-At"]
    assert shown("/webhooks/sentry") == ["Sentry-Hook-Signature"]
    assert post("/webhooks/grafana")["security"] == post("/webhooks/sentry")["security"] == []
    assert shown("/webhooks/alertmanager") == [] and "security" not in post("/webhooks/alertmanager")
