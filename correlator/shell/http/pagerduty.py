"""What PagerDuty's webhooks need beside their text: the proof of who sent them, and which alerts they are about."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from urllib.parse import quote

import aiohttp
import msgspec

from correlator.secrets import Secrets
from correlator.shell.http.refusal import unavailable

SIGNATURE_HEADER = "X-PagerDuty-Signature"
#: PagerDuty waits five seconds for an answer; of these Kafka needs some.
_TIMEOUT_SECONDS = 2.5
_MOST_ALERTS = 100
_MAX_BYTES = 4 << 20

#: Returns the keys of the alerts of an incident there, the oldest first.
AlertKeys = Callable[[str], Awaitable[Sequence[str]]]


def is_signed(body: bytes, header: str | None, secrets: Secrets) -> bool:
    """Tell whether a webhook is signed with one of the secrets.

    The header holds a signature for each secret that holds at PagerDuty, comma-separated: `v1=` and the HMAC-SHA256 of
    the body in hexadecimal (https://developer.pagerduty.com/docs/webhooks/webhook-signatures/). All are compared with
    all, whichever matches: the time tells nothing.
    """
    shown = [one.strip().encode("utf-8", "replace") for one in (header or "").split(",")]
    made = [b"v1=" + hmac.new(secret, body, hashlib.sha256).hexdigest().encode() for secret in secrets.lines()]
    return sum(hmac.compare_digest(one, other) for one in shown for other in made) > 0


class _Alert(msgspec.Struct):
    alert_key: str | None = None
    created_at: str = ""


class _Alerts(msgspec.Struct):
    alerts: list[_Alert]


_alerts = msgspec.json.Decoder(_Alerts)


class Client:
    """Asks PagerDuty's REST API for the alerts of an incident."""

    def __init__(self, api_url: str, token: str) -> None:
        self._api_url = api_url.rstrip("/")
        self._headers = {
            "Authorization": f"Token token={token}",
            "Accept": "application/vnd.pagerduty+json;version=2",
        }
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ask within the block."""
        async with aiohttp.ClientSession(
            headers=self._headers, timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        ) as self._session:
            yield

    async def alert_keys(self, incident: str) -> Sequence[str]:
        """Return the keys of an incident's alerts, the oldest first; none where it is gone.

        Raises:
            Refused: 503, for whoever sent the webhook to send it again: the API does not answer, or refuses.
        """
        session = self._session
        if session is None:
            raise unavailable("pagerduty", "PagerDuty's API cannot be asked yet")
        try:
            async with session.get(
                f"{self._api_url}/incidents/{quote(incident, safe='')}/alerts", params={"limit": str(_MOST_ALERTS)}
            ) as answer:
                if answer.status == 404:
                    return []
                if answer.status != 200:
                    raise unavailable("pagerduty", f"PagerDuty's API answers {answer.status}")
                found = _alerts.decode(await answer.content.read(_MAX_BYTES))
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, msgspec.MsgspecError) as error:
            raise unavailable("pagerduty", f"PagerDuty's API: {type(error).__name__}") from None
        ordered = sorted(found.alerts, key=lambda alert: alert.created_at)
        return [alert.alert_key for alert in ordered if alert.alert_key]
