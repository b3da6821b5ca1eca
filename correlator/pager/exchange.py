"""One exchange with a target: the request, the reply and what the reply means. Values and pure functions only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

import msgspec

#: Longest wait a target may ask for. A page that waits longer than this on the word of a header helps nobody.
LONGEST_RETRY_AFTER_SECONDS = 3600.0
#: How much of a target's complaint is worth a log line.
DETAIL_CHARACTERS = 300


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP request; a terminal gets its body only, a topic its body and headers under a key."""

    url: str
    body: bytes
    headers: dict[str, str]
    method: str = "POST"
    key: str = ""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP response; names of headers in lower case."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""


class RetryReason(StrEnum):
    TIMEOUT = "timeout"
    NETWORK = "network"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    UNEXPECTED_STATUS = "unexpected_status"


class Delivered(msgspec.Struct, frozen=True):
    """The target took it; `ref` is what it calls the incident, where it says so."""

    ref: str = ""


class Refused(msgspec.Struct, frozen=True):
    """The target will never take it."""

    detail: str


class Retry(msgspec.Struct, frozen=True):
    """Try again, not before `after_seconds` where the target said so; `all` holds back everything for that key."""

    reason: RetryReason
    after_seconds: float | None = None
    all: bool = False


Verdict = Delivered | Refused | Retry
Transport = Callable[[Request], Awaitable[Reply]]


class TransportError(Exception):
    """No reply came; whether the target got the request is unknown."""

    def __init__(self, reason: RetryReason) -> None:
        self.reason = reason
        super().__init__(reason.value)


#: Client errors that pass: timeout, too early and too many with time, the others once a token or an address is mended.
PASSING = frozenset({401, 403, 404, 405, 407, 408, 425, 429})


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Read Retry-After (RFC 9110 10.2.3) as seconds from `now` (seconds since the epoch), bounded; None if unusable."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        seconds = float(text)
    else:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def retry(reply: Reply, now: float) -> Retry:
    """Say how a reply that is neither success nor refusal is to be retried."""
    after = retry_after(reply.headers, now)
    if reply.status == 429:
        return Retry(RetryReason.RATE_LIMITED, after, all=True)
    if reply.status >= 500:
        # An overloaded server that names a time means every client; a bare 500 may concern this request only.
        return Retry(RetryReason.SERVER_ERROR, after, all=after is not None)
    return Retry(RetryReason.UNEXPECTED_STATUS, after)


def detail(reply: Reply, secrets: tuple[str, ...]) -> str:
    """Quote a reply for a log line, bounded, with every secret taken out."""
    text = reply.body.decode("utf-8", "replace")
    for secret in secrets:
        text = text.replace(secret, "***")
    return f"HTTP {reply.status}: {text[:DETAIL_CHARACTERS]}"


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Exponential backoff with full jitter above a floor.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    min_seconds: float
    max_seconds: float

    def delay(self, attempt: int, fraction: float) -> float:
        """Return the wait after failed attempt 1, 2, ...; `fraction` is uniform in [0, 1)."""
        least = min(self.min_seconds, self.max_seconds)
        # 2**60 seconds is beyond any bound: the exponent is capped so that the power cannot overflow.
        most = min(self.max_seconds, least * 2.0 ** min(attempt, 60))
        return least + fraction * (most - least)
