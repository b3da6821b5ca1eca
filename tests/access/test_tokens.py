"""A token is asked for in time, not more often, and no secret is in what is said when there is none."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from correlator.access import client_settings
from correlator.access.tokens import ClientCredentials, TokenError, TokenFile
from correlator.config import KafkaConfig
from correlator.errors import ConfigError

SECRET = "not to be told"


class Server:
    """An authorization server: what it was asked, and a clock that tests set."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, bytes, dict[str, str]]] = []
        self.seconds = 1000.0

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        self.asked.append((url, body, headers))
        status, answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return status, answer if isinstance(answer, bytes) else json.dumps(answer).encode()


def client(server: Server, secret: Callable[[], str] = lambda: SECRET) -> ClientCredentials:
    return ClientCredentials(
        url="https://login.example.org/token",
        client_id="correlator",
        secret=secret,
        scope="kafka",
        post=server.post,
        now=lambda: server.seconds,
    )


def given(token: str, life: float = 100) -> tuple[int, Any]:
    return 200, {"access_token": token, "token_type": "Bearer", "expires_in": life}


async def test_a_token_is_kept_for_most_of_its_life_and_then_asked_for_anew() -> None:
    server = Server(given("one"), given("two"))
    provider = client(server)
    assert await provider.token() == "one"
    server.seconds += 79
    assert await provider.token() == "one"
    server.seconds += 1
    assert await provider.token() == "two"
    url, body, headers = server.asked[0]
    assert (url, body) == ("https://login.example.org/token", b"grant_type=client_credentials&scope=kafka")
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"correlator:not%20to%20be%20told"


async def test_while_the_server_is_away_a_token_serves_to_the_end_of_its_life() -> None:
    server = Server(given("one"), (0, OSError("away")), (503, b"busy"), given("two"))
    provider = client(server)
    assert await provider.token() == "one"
    server.seconds += 90
    assert await provider.token() == "one"
    server.seconds += 10
    with pytest.raises(TokenError, match="answers 503"):
        await provider.token()
    assert await provider.token() == "two"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, {"error": "invalid_client", "error_description": SECRET}), "answers 401, invalid_client"),
        ((200, {"access_token": ""}), "answers 200"),
        ((200, b"<html>"), "answers 200"),
        ((0, OSError("connection refused")), "cannot be reached: connection refused"),
    ],
)
async def test_no_secret_is_in_what_is_said_when_there_is_no_token(answer: tuple[int, Any], said: str) -> None:
    with pytest.raises(TokenError, match=said) as raised:
        await client(Server(answer)).token()
    shown = repr(raised.value) + str(raised.value)
    assert SECRET not in shown and base64.b64encode(SECRET.encode()).decode() not in shown


async def test_a_secret_in_a_file_is_read_for_every_token(tmp_path: Path) -> None:
    server = Server(given("one"), given("two"))
    secrets = iter(["first", "second"])
    provider = client(server, lambda: next(secrets))
    await provider.token()
    server.seconds += 100
    await provider.token()
    logins = [base64.b64decode(headers["Authorization"].removeprefix("Basic ")) for _, _, headers in server.asked]
    assert logins == [b"correlator:first", b"correlator:second"]


async def test_a_token_file_is_read_for_every_connection(tmp_path: Path) -> None:
    file = tmp_path / "token"
    provider = TokenFile(file)
    with pytest.raises(TokenError, match="No such file"):
        await provider.token()
    for token in ("one", "two"):
        file.write_text(f"{token}\n")
        assert await provider.token() == token
    file.write_text("\n")
    with pytest.raises(TokenError, match="is empty"):
        await provider.token()
    for data in (b"t\xff", "tökn".encode()):
        file.write_bytes(data)
        with pytest.raises(TokenError, match=r"no UTF-8|more than ASCII"):
            await provider.token()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"sasl_mechanism": "PLAIN", "sasl_username": "a"}, "CORRELATOR_KAFKA_SASL_PASSWORD"),
        ({"sasl_mechanism": "PLAIN", "sasl_password": "a"}, "CORRELATOR_KAFKA_SASL_USERNAME"),
        ({"sasl_username": "a", "sasl_password_file": "/none"}, "kafka.sasl_password_file"),
        ({"sasl_mechanism": "OAUTHBEARER"}, "oauth_token_file or oauth_token_url"),
        ({"sasl_mechanism": "OAUTHBEARER", "oauth_token_url": "https://a/"}, "oauth_client_id"),
        (
            {"sasl_mechanism": "OAUTHBEARER", "oauth_token_url": "https://a/", "oauth_client_id": "a"},
            "CORRELATOR_KAFKA_OAUTH_CLIENT_SECRET",
        ),
        ({"security_protocol": "SSL", "ca_file": "/none"}, "kafka.ca_file"),
        ({"security_protocol": "SSL", "cert_file": "/none"}, "kafka.cert_file"),
    ],
)
def test_what_is_missing_is_told_with_its_key(settings: dict[str, Any], problem: str) -> None:
    kafka = KafkaConfig.model_validate({"security_protocol": "SASL_PLAINTEXT"} | settings)
    with pytest.raises(ConfigError, match=problem):
        client_settings(kafka)


@pytest.mark.parametrize(
    "settings",
    [
        {"key_file": "k"},
        {"sasl_password": "a", "sasl_password_file": "b"},
        {"oauth_token_file": "a", "oauth_token_url": "https://b/"},
        {"oauth_token_url": "http://login.example.org/token"},
        {"oauth_token_url": "http://localhost.example.org/token"},
    ],
)
def test_settings_that_contradict_or_endanger_each_other_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"key_file|not both|https"):
        KafkaConfig.model_validate(settings)
