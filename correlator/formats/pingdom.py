"""Pingdom's webhook of a check whose state changed.

https://www.pingdom.com/resources/webhooks/
"""

from __future__ import annotations

from typing import Any

import msgspec

from correlator.domain import Severity, Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert, labels_of, tags_of
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Payload, shaped
from correlator.formats.instants import counted

_STATES = {
    "DOWN": Status.FIRING,
    "UP": Status.RESOLVED,
    # of transaction checks
    "FAILING": Status.FIRING,
    "SUCCESS": Status.RESOLVED,
}
_IMPORTANCE = {"HIGH": Severity.CRITICAL, "LOW": Severity.WARNING}


class _Parameters(msgspec.Struct):
    hostname: str | None = None
    full_url: str | None = None


class _Check(msgspec.Struct):
    check_id: int | str
    check_name: str
    current_state: str
    check_type: str | None = None
    importance_level: str | None = None
    state_changed_timestamp: float | None = None
    description: str | None = None
    long_description: str | None = None
    check_params: _Parameters | None = None
    tags: Any = None


def _recognises(document: Document, headers: Headers) -> bool:
    return "check_id" in document and "check_name" in document and "current_state" in document


def _read(payload: Payload) -> list[Element]:
    check = shaped(payload.document, _Check)
    status = _STATES.get(check.current_state.upper())
    if status is None:
        raise InputError("wrong_value", f"current_state: {check.current_state[:40]!r} is none of {', '.join(_STATES)}")
    at = check.state_changed_timestamp
    changed_at = counted(at, "state_changed_timestamp") if at else payload.arrival()
    parameters = check.check_params or _Parameters()
    tags = tags_of(check.tags) if isinstance(check.tags, list) else {}
    return [
        ParsedAlert(
            source="pingdom",
            status=status,
            # What it is called says what is watched; that it is down is what makes it an alert.
            name=f"{check.check_name} down",
            service=tags.get("service"),
            entity=parameters.hostname or None,
            severity=_IMPORTANCE.get((check.importance_level or "").upper()),
            starts_at=changed_at,
            ends_at=changed_at if status is Status.RESOLVED else payload.until(TOLD_ONCE_SECONDS),
            fingerprint=f"pingdom/{check.check_id}",
            labels=tags | labels_of({"url": parameters.full_url, "check_type": check.check_type}),
            summary=check.long_description or check.description or check.check_name,
        )
    ]


FORMAT = Format(name="pingdom", signs=("check_name",), recognises=_recognises, read=_read)
