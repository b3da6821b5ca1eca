"""The notifications of Nagios and its descendants: the first word of their type says what happened."""

from __future__ import annotations

from collections.abc import Mapping

from correlator.domain import Status
from correlator.errors import InputError
from correlator.formats.format import Notice

_STATUSES = {"PROBLEM": Status.FIRING, "RECOVERY": Status.RESOLVED}


def told_by(kind: str, notices: Mapping[str, str], *, field: str) -> Status | Notice:
    """Return what the type of a notification tells of its alert, or that it tells of something else.

    Args:
        notices: what else may be told, by its word.
        field: where the type stands.

    Raises:
        InputError: it is none of them.
    """
    # Custom notifications, downtimes and handlers may say more in brackets.
    word = kind.upper().partition(" ")[0]
    if word in notices:
        return Notice(notices[word])
    if word not in _STATUSES:
        raise InputError("wrong_value", f"{field}: {word[:40]!r} is none of {', '.join((*_STATUSES, *notices))}")
    return _STATUSES[word]
