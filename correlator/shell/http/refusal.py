"""Why a post is not taken: one exception for every reason, with the status that the sender gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from correlator.errors import InputError

#: Wait as long before the next attempt where nothing better is known.
_RETRY_SECONDS = 5


class Refused(Exception):
    """A post is not taken.

    503 for all that may pass: of the senders in use, many retry on 5xx alone and drop what gets a 429.

    Args:
        reason: a word of a closed set, a label of metrics.
        detail: for a human.
        problems: each thing that is wrong, where there may be several.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        detail: str,
        *,
        problems: Sequence[InputError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.reason = reason
        self.detail = detail
        self.problems = tuple(problems)
        self.headers = dict(headers or {})
        super().__init__(f"{status} {reason}: {detail}")


def unavailable(reason: str, detail: str, *, retry_seconds: int = _RETRY_SECONDS) -> Refused:
    """Return a refusal of what should be sent again."""
    return Refused(503, reason, detail, headers={"Retry-After": str(max(1, retry_seconds))})


def too_large(detail: str) -> Refused:
    """Return a refusal of what is larger than a record may be."""
    return Refused(413, "too_large", detail)


def unusable(problems: Sequence[InputError]) -> Refused:
    """Return a refusal of a body of which nothing can be used."""
    return Refused(400, problems[0].reason, problems[0].detail, problems=problems)
