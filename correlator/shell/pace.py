"""When the next snapshot is due: regularly, and less often the longer one takes."""

from __future__ import annotations

#: A round may take this share of the time at most; large states are written less often.
_SHARE = 0.1
_LEAST_PAUSE_SECONDS = 0.05


class Pace:
    """Says when the next round is due, and how long to wait before asking again.

    Args:
        interval: seconds between two rounds that cost little.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next = 0.0

    def start(self, now: float) -> None:
        """Begin anew: what rounds have taken until now says nothing of those to come."""
        self._next = now + self._interval

    def done(self, now: float, *, since: float) -> None:
        """Take note of a round."""
        self._next = now + max(self._interval, (now - since) / _SHARE)

    def is_due(self, now: float) -> bool:
        return now >= self._next

    def pause(self, now: float) -> float:
        """Return the seconds to wait.

        An interval at most: a process that was suspended during a round believes that it took so long, and would else
        sleep on when new partitions have started it anew.
        """
        return min(self._interval, max(_LEAST_PAUSE_SECONDS, self._next - now))
