"""Instants as senders write them: dates in several spellings, and numbers of seconds down to nanoseconds."""

from __future__ import annotations

from datetime import datetime

from correlator.domain import instant_of
from correlator.errors import InputError

#: No sender's clock is right before 2000 or after 2100. Milliseconds since the epoch, like every instant.
EARLIEST = 946_684_800_000
LATEST = 4_102_444_800_000

#: Numbers since the epoch: their unit shows in their size, as no two units overlap between 2000 and 2100.
_PER_MILLISECOND = ((1e11, 1000.0), (1e14, 1.0), (1e17, 1e-3), (1e20, 1e-6))


def instant(moment: datetime, where: str) -> int:
    """Return a moment as an instant; one without a zone is taken as UTC.

    Raises:
        InputError: reason `bad_timestamp`, where it lies before 2000 or after 2100.
    """
    found = _milliseconds(moment)
    if found is None:
        raise InputError("bad_timestamp", f"{where} is {moment.isoformat()}, not between 2000 and 2100")
    return found


def end(moment: datetime | None) -> int | None:
    """Return a moment at which something ends; Alertmanager's year 1, or 9999, means that it has not."""
    return None if moment is None else _milliseconds(moment)


def written(text: str, where: str) -> int:
    """Read a date in ISO 8601 as the field spells it: any number of fraction digits, `+0000`, a blank for the `T`.

    Raises:
        InputError: reason `bad_timestamp`.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError("bad_timestamp", f"{where}: {text[:40]!r} is no date of ISO 8601") from None
    found = _milliseconds(moment)
    return instant(moment, where) if found is None else found


def counted(number: float, where: str) -> int:
    """Read a number since the epoch, of seconds, milliseconds, microseconds or nanoseconds.

    Raises:
        InputError: reason `bad_timestamp`.
    """
    for bound, factor in _PER_MILLISECOND:
        if 0 <= number < bound:
            found = round(number * factor)
            if EARLIEST <= found < LATEST:
                return found
            break
    raise InputError("bad_timestamp", f"{where}: {number} is no number since the epoch between 2000 and 2100")


def told(value: str | float, where: str) -> int:
    """Read an instant that may be a date, a number, or a number in a string.

    Raises:
        InputError: reason `bad_timestamp`.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return written(str(value), where)
    return counted(value, where)


def _milliseconds(moment: datetime) -> int | None:
    """Return milliseconds since the epoch, None beyond what a clock can mean."""
    try:
        found = instant_of(moment)
    except (OverflowError, ValueError):
        return None
    return found if EARLIEST <= found < LATEST else None
