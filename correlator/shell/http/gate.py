"""Who may send: a client certificate, a bearer token, and not too often."""

from __future__ import annotations

import base64
import binascii
import hmac
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256

from correlator.config_http import HttpConfig
from correlator.secrets import Secrets, secrets_of
from correlator.shell.http.refusal import Refused, unavailable

#: Clients remembered at once. Beyond that the one seen longest ago is forgotten, and begins anew with a full allowance.
_CLIENTS = 10_000


class Tokens:
    """The secrets that senders may show."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def match(self, authorization: str | None) -> bool:
        """Tell whether an `Authorization` header shows one of them: as bearer token, or as password of anyone."""
        shown = _shown(authorization)
        if shown is None:
            return False
        digest = sha256(shown).digest()
        # All of them, whichever matches: the time tells nothing.
        return sum(hmac.compare_digest(digest, sha256(one).digest()) for one in self._secrets.lines()) > 0


class Rates:
    """How often each client may send: a generic cell rate algorithm, a time for each client (ITU-T I.371)."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._interval = 1 / per_second
        self._tolerance = (burst - 1) * self._interval
        self._due: OrderedDict[str, float] = OrderedDict()

    def wait(self, client: str, now: float) -> float:
        """Count a request; return 0, or after how many seconds it would be allowed."""
        due = max(self._due.pop(client, now), now)
        early = due - now - self._tolerance
        self._due[client] = due if early > 1e-9 else due + self._interval
        if len(self._due) > _CLIENTS:
            self._due.popitem(last=False)
        return early if early > 1e-9 else 0.0


class Gate:
    """Lets a request in or raises.

    Args:
        now: seconds of a clock that never goes back.
    """

    def __init__(
        self, *, tokens: Tokens | None, needs_certificate: bool, rates: Rates | None, now: Callable[[], float]
    ) -> None:
        self._tokens = tokens
        self._needs_certificate = needs_certificate
        self._rates = rates
        self._now = now

    def pace(self, client: str) -> None:
        """Return if the client does not send too often.

        Raises:
            Refused: 503.
        """
        if self._rates is not None and (wait := self._rates.wait(client, self._now())):
            raise unavailable("rate", f"{client} sends too often", retry_seconds=math.ceil(wait))

    def admit(self, client: str, authorization: str | None, *, has_certificate: bool) -> None:
        """Return if the client may send.

        Raises:
            Refused: 401, 403 or 503.
        """
        self.pace(client)
        if self._needs_certificate and not has_certificate:
            raise Refused(403, "no_certificate", "a client certificate is needed to send alerts")
        if self._tokens is not None and not self._tokens.match(authorization):
            raise Refused(
                401,
                "no_token",
                "the token is missing or wrong: `Authorization: Bearer TOKEN`",
                headers={"WWW-Authenticate": 'Bearer realm="correlator"'},
            )


def gate_of(config: HttpConfig, environ: Mapping[str, str], now: Callable[[], float]) -> Gate:
    """Return the gate that a configuration describes.

    Raises:
        ConfigError: a secret that it names is not there.
    """
    secrets = secrets_of("http.token", config.token_env, config.token_file, environ)
    limited = config.client_requests_per_second > 0
    return Gate(
        tokens=None if secrets is None else Tokens(secrets),
        needs_certificate=config.tls_client_ca_file is not None,
        rates=Rates(config.client_requests_per_second, config.client_burst) if limited else None,
        now=now,
    )


def _shown(authorization: str | None) -> bytes | None:
    scheme, _, rest = (authorization or "").strip().partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer" and rest:
        return rest.encode("utf-8", "surrogateescape")
    if scheme.lower() == "basic":
        # Senders of webhooks often know nothing else: any user, the token as password.
        try:
            _, separator, password = base64.b64decode(rest, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return None
        return password if separator else None
    return None
