"""A webhook: every incident event as it is, in order, signed where a secret is configured.

The headers are those of Standard Webhooks (https://www.standardwebhooks.com), the id also as Idempotency-Key: a
repeat, possible when the process is killed between the reply and the record of it, carries the same one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

import msgspec

from correlator.domain import IncidentEvent
from correlator.pager.exchange import PASSING, Delivered, Refused, Reply, Request, Verdict, detail, retry
from correlator.pager.mark import Mark, Step, every_event

#: Standard Webhooks, "Signature scheme".
MIN_KEY_BYTES, MAX_KEY_BYTES = 24, 64


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Speaks to an HTTP endpoint of the user's own; signs with each of `secrets`, old and new while one is changed."""

    name: str
    url: str
    token: str | None = None
    secrets: tuple[str, ...] = ()
    coalesces: bool = False

    def step(self, event: IncidentEvent, mark: Mark, *, missed: bool, now: float) -> Step:
        """Post it: a webhook hears everything."""
        return every_event(event)

    def rate_key(self, step: Step) -> str:
        """Return one key for all: what the endpoint slows down, it slows down as a whole."""
        return self.name

    def request(self, event: IncidentEvent, step: Step, now: float) -> Request:
        """Write the event as one POST."""
        message_id = f"{event.incident_id}-{event.revision}"
        body = msgspec.json.encode(event)
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": message_id,
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now)),
        }
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.secrets:
            signed = [signature(secret, message_id, int(now), body) for secret in self.secrets]
            headers["webhook-signature"] = " ".join(signed)
        return Request(url=self.url, body=body, headers=headers)

    def verdict(self, reply: Reply, now: float) -> Verdict:
        """Read a reply: 2xx taken, a complaint of the event never will be (410: wants no more), all else may pass."""
        if 200 <= reply.status < 300:
            return Delivered()
        if 400 <= reply.status < 500 and reply.status not in PASSING:
            return Refused(detail(reply, (self.token,) if self.token else ()))
        return retry(reply, now)


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Sign a message as Standard Webhooks does; `secret` is `whsec_` and base64, `timestamp` seconds."""
    key = signing_key(secret) or b""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def signing_key(secret: str) -> bytes | None:
    """Return the bytes of a secret, None if they are not base64, too few or too many."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES else None
