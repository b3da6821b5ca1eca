"""Bearer tokens for Kafka (SASL OAUTHBEARER, RFC 7628): out of a file, or from an authorization server."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

from correlator.config import KafkaConfig
from correlator.errors import ConfigError
from correlator.secrets import of_file, of_setting

_TIMEOUT_SECONDS = 10.0
#: A token is asked for anew after this share of its life: a request takes time, and so does the broker's check.
_FRESH_SHARE = 0.8
#: What a server says that does not tell for how long its token holds (RFC 6749 section 5.1 only recommends that).
_DEFAULT_LIFE_SECONDS = 300.0
_LARGEST_ANSWER = 1 << 20

#: Posts a form with headers to an address; returns status and body.
Post = Callable[[str, bytes, dict[str, str]], tuple[int, bytes]]


class TokenError(KafkaConnectionError):  # type: ignore[misc]  # aiokafka has no types
    """There is no token now; clients try again, as after any failure to connect. No secret is in its text."""

    retriable = True


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]
    """A token in a file that somebody else keeps fresh; it is read for every connection."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def token(self) -> str:
        """Return the token.

        Raises:
            TokenError: there is none.
        """
        try:
            token = of_file("kafka.oauth_token_file", self._file).strip()
        except ConfigError as error:
            raise TokenError(f"no token: {error}") from None
        if not token:
            raise TokenError(f"no token: {self._file} is empty")
        if not token.isascii():
            raise TokenError(f"no token: {self._file} holds more than ASCII")
        return token


class ClientCredentials(AbstractTokenProvider):  # type: ignore[misc]
    """Tokens for a client's id and secret (RFC 6749 section 4.4), kept until most of their life is over.

    Clients live in several threads, each with an event loop; all share the token.

    Args:
        secret: returns the secret, read anew for each token.
        now: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        *,
        url: str,
        client_id: str,
        secret: Callable[[], str],
        scope: str,
        post: Post,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._client_id = client_id
        self._secret = secret
        self._scope = scope
        self._post = post
        self._now = now
        self._lock = threading.Lock()
        self._token = ""
        self._asked_at = 0.0
        self._life = 0.0

    async def token(self) -> str:
        """Return a token that holds.

        Raises:
            TokenError: the server does not give one.
        """
        return await asyncio.to_thread(self._current)

    def _current(self) -> str:
        with self._lock:
            age = self._now() - self._asked_at
            if not self._token or age >= _FRESH_SHARE * self._life:
                try:
                    self._renew()
                except TokenError:
                    if not self._token or age >= self._life:
                        raise
            return self._token

    def _renew(self) -> None:
        asked_at = self._now()
        form = {"grant_type": "client_credentials"} | ({"scope": self._scope} if self._scope else {})
        try:
            secret = self._secret()
        except ConfigError as error:
            raise TokenError(f"no token: {error}") from None
        login = f"{urllib.parse.quote(self._client_id, safe='')}:{urllib.parse.quote(secret, safe='')}"
        headers = {
            "Authorization": f"Basic {base64.b64encode(login.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        try:
            status, body = self._post(self._url, urllib.parse.urlencode(form).encode(), headers)
        except OSError as error:
            raise TokenError(f"no token: {self._url} cannot be reached: {_reason(error)}") from None
        answer = _object(body)
        token = answer.get("access_token")
        if status != 200 or not isinstance(token, str) or not token:
            # Only the code, from a closed set: a description may quote what was sent.
            code = answer.get("error")
            said = f", {code[:40]}" if isinstance(code, str) else ""
            raise TokenError(f"no token: {self._url} answers {status}{said} for client {self._client_id!r}")
        life = answer.get("expires_in")
        self._token = token
        self._asked_at = asked_at
        self._life = float(life) if isinstance(life, int | float) and life > 0 else _DEFAULT_LIFE_SECONDS


def provider(kafka: KafkaConfig) -> AbstractTokenProvider:
    """Return where tokens come from.

    Raises:
        ConfigError: no source of tokens is configured, or a file it needs cannot be read.
    """
    if kafka.oauth_token_file is not None:
        return TokenFile(kafka.oauth_token_file)
    if kafka.oauth_token_url is None:
        raise ConfigError("kafka", ["OAUTHBEARER needs oauth_token_file or oauth_token_url"])
    if not kafka.oauth_client_id:
        raise ConfigError("kafka.oauth_client_id", ["is missing"])
    _client_secret(kafka)
    return ClientCredentials(
        url=kafka.oauth_token_url,
        client_id=kafka.oauth_client_id,
        secret=lambda: _client_secret(kafka),
        scope=kafka.oauth_scope,
        post=_poster(kafka.oauth_ca_file),
    )


def _client_secret(kafka: KafkaConfig) -> str:
    text = of_setting("kafka.oauth_client_secret", kafka.oauth_client_secret, kafka.oauth_client_secret_file).strip()
    if not text:
        raise ConfigError("kafka.oauth_client_secret", ["is missing: set CORRELATOR_KAFKA_OAUTH_CLIENT_SECRET"])
    return text


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The secret goes to the address that was configured and to no other."""

    def redirect_request(self, *_: object) -> None:
        """Follow nowhere."""


def _poster(ca_file: Path | None) -> Post:
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as error:
        raise ConfigError("kafka.oauth_ca_file", [f"{ca_file}: {_reason(error)}"]) from None
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _NoRedirects())

    def post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        request = urllib.request.Request(url, data=body, headers=headers, method="POST")
        try:
            with opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                return answer.status, answer.read(_LARGEST_ANSWER)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(_LARGEST_ANSWER)

    return post


def _object(body: bytes) -> dict[str, object]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return error.strerror or str(error) if isinstance(error, OSError) else type(error).__name__
