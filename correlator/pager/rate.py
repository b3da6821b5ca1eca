"""A rate limit as the target counts it."""

from __future__ import annotations

from collections import deque


class SlidingWindow:
    """At most `limit` sends in any `span_seconds`, exactly.

    PagerDuty counts calls over a sliding minute. A leaky bucket of the same rate lets twice the limit through in the
    first minute (a full burst and its refill), which earns a 429 in every storm.
    """

    def __init__(self, limit: int, span_seconds: float = 60.0) -> None:
        self.limit = limit
        self._span = span_seconds
        self._sent: deque[float] = deque(maxlen=limit)

    def free_at(self, now: float, keep: int = 0) -> float:
        """Return the instant from which a send is admitted that leaves `keep` others possible; `now` if already."""
        while self._sent and self._sent[0] <= now - self._span:
            self._sent.popleft()
        allowed = max(self.limit - keep, 1)
        excess = len(self._sent) - allowed
        return now if excess < 0 else self._sent[excess] + self._span

    def spend(self, now: float) -> None:
        """Count a send."""
        self._sent.append(now)
