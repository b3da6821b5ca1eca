"""What operators say, as JSON: the plain form that `POST /feedback` and the topic of feedback take.

`{"incident_id": "...", "action": "acknowledge", "by": "ann"}`; docs/feedback.md has what each action needs beside.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from correlator.domain import Feedback, FeedbackAction, FeedbackSource, rfc3339
from correlator.errors import InputError
from correlator.formats.format import decoded
from correlator.formats.instants import instant

_Text = Annotated[str, Meta(max_length=256)]
_INCIDENT = re.compile(r"[A-Za-z0-9_-]{8,64}")
#: Beside the incident, an action needs one of these fields.
_NEEDS = {
    FeedbackAction.REASSIGN: ("to",),
    FeedbackAction.WRONG_ROOT: ("root",),
    FeedbackAction.MERGE: ("into",),
    FeedbackAction.SPLIT: ("services", "alerts"),
}


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """A document of the plain form."""

    incident_id: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{8,64}$")]
    action: FeedbackAction
    at: datetime | None = None
    by: _Text | None = None
    id: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    source: FeedbackSource | None = None
    to: _Text | None = None
    to_person: bool = False
    root: _Text | None = None
    into: _Text | None = None
    services: Annotated[list[_Text], Meta(max_length=500)] = []
    alerts: Annotated[list[_Text], Meta(max_length=500)] = []


_decoder = msgspec.json.Decoder(Word)


def is_incident_id(text: str) -> bool:
    """Tell whether it could be the id of an incident."""
    return _INCIDENT.fullmatch(text) is not None


def read(data: bytes, *, arrived_at: int, delivery: str, source: FeedbackSource) -> Feedback:
    """Read one document, as `meant` takes it.

    Raises:
        InputError: it is none, or lacks what its action needs.
    """
    return meant(decoded(data, _decoder), arrived_at=arrived_at, delivery=delivery, source=source)


def meant(word: Word, *, arrived_at: int, delivery: str, source: FeedbackSource) -> Feedback:
    """Return what a document means.

    Args:
        arrived_at: milliseconds; nothing is said later than it arrives.
        delivery: its id, where it has none of its own.
        source: how it came, where that is not said.

    Raises:
        InputError: it lacks what its action needs.
    """
    needed = _NEEDS.get(word.action, ())
    if needed and not any(getattr(word, field) for field in needed):
        fields = " or ".join(f"`{field}`" for field in needed)
        raise InputError("missing_field", f"missing field {fields}, without which {word.action} says nothing")
    if word.into == word.incident_id:
        raise InputError("wrong_value", "into: an incident cannot be merged into itself")
    said_at = arrived_at if word.at is None else min(instant(word.at, "at"), arrived_at)
    return Feedback(
        incident_id=word.incident_id,
        action=word.action,
        at=rfc3339(said_at),
        by=word.by or None,
        source=word.source or source,
        id=word.id or delivery,
        to=word.to,
        to_person=word.to_person and word.action is FeedbackAction.REASSIGN,
        root=word.root,
        into=word.into,
        services=word.services,
        alerts=word.alerts,
    )
