"""What can go wrong with the development broker."""

from __future__ import annotations

from correlator.errors import CorrelatorError

LOG_TAIL_LINES = 15


class BrokerError(CorrelatorError):
    """A broker did not start; the message holds the end of its log."""


class Unavailable(BrokerError):
    """This machine lacks what a broker needs; the message says what to install or set."""


def tail(text: str) -> str:
    """Return the last lines of a log."""
    return "\n".join(text.splitlines()[-LOG_TAIL_LINES:])
