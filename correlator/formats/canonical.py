"""The canonical alert event (contract `alert-event.schema.json`): one JSON object, or an array of them."""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from correlator.domain import Edge, Severity, Status, instant_of
from correlator.errors import InputError

#: No sender's clock is right before 2000 or after 2100.
EARLIEST = 946_684_800_000
LATEST = 4_102_444_800_000

_NOT_ENDED_BEFORE = EARLIEST  # Alertmanager writes 0001-01-01 for "not ended"


class CanonicalAlert(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One alert event as it stands on the wire. Unknown fields are ignored, so that senders may run ahead of us."""

    status: Status
    name: str
    starts_at: datetime
    id: str | None = None
    source: str = ""
    service: str | None = None
    entity: str | None = None
    severity: Severity | None = None
    ends_at: datetime | None = None
    observed_at: datetime | None = None
    fingerprint: str | None = None
    scope: str | None = None
    edge: Edge | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    summary: str = ""
    value: float | None = None
    threshold: float | None = None
    url: str | None = None


class ParsedAlert(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A canonical alert with its instants checked, before it is named and fingerprinted."""

    id: str | None
    source: str
    status: Status
    name: str
    service: str | None
    entity: str | None
    severity: Severity | None
    starts_at: int
    ends_at: int | None
    observed_at: int | None
    fingerprint: str | None
    scope: str | None
    edge: Edge | None
    labels: dict[str, str]
    summary: str


_one = msgspec.json.Decoder(CanonicalAlert)
_many = msgspec.json.Decoder(list[msgspec.Raw])


def parse(data: bytes) -> ParsedAlert:
    """Parse one event.

    Raises:
        InputError: reason `not_utf8`, `not_json`, `missing_field`, `wrong_type`, `wrong_value` or `bad_timestamp`.
    """
    try:
        wire = _one.decode(data)
    except msgspec.ValidationError as error:
        raise InputError(_reason(str(error)), str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError("not_json", str(error)) from None
    except UnicodeDecodeError as error:
        raise InputError("not_utf8", str(error)) from None
    # JSON can only say a null byte as an escape; what the decoder lets pass raw is looked at too.
    return _checked(wire, may_hold_null=b"\\u0000" in data or b"\x00" in data)


def split(data: bytes) -> list[bytes]:
    """Return the events of one message: itself, or the elements of an array.

    Raises:
        InputError: the array is not one.
    """
    if not data.lstrip(b" \t\r\n").startswith(b"["):
        return [data]
    try:
        return [bytes(raw) for raw in _many.decode(data)]
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError("not_json", str(error)) from None
    except UnicodeDecodeError as error:
        raise InputError("not_utf8", str(error)) from None


def _reason(message: str) -> str:
    if "missing required field" in message:
        return "missing_field"
    if "RFC3339" in message or "datetime" in message or "out of range" in message:
        return "bad_timestamp"
    if "Invalid enum value" in message:
        return "wrong_value"
    return "wrong_type"


def _checked(wire: CanonicalAlert, *, may_hold_null: bool) -> ParsedAlert:
    if not wire.name.strip():
        raise InputError("wrong_value", "name is empty")
    if may_hold_null:
        for key in ("name", "service", "fingerprint", "scope", "entity"):
            if "\x00" in (getattr(wire, key) or ""):
                raise InputError("wrong_value", f"{key} holds a null byte")
    starts_at = _instant(wire.starts_at, "starts_at")
    observed_at = None if wire.observed_at is None else _instant(wire.observed_at, "observed_at")
    if observed_at is not None and starts_at > observed_at + 86_400_000:
        raise InputError("bad_timestamp", "starts_at lies more than a day after observed_at")
    return ParsedAlert(
        id=wire.id,
        source=wire.source,
        status=wire.status,
        name=wire.name,
        service=wire.service or None,
        entity=wire.entity or None,
        severity=wire.severity,
        starts_at=starts_at,
        ends_at=None if wire.ends_at is None else _end(wire.ends_at),
        observed_at=observed_at,
        fingerprint=wire.fingerprint or None,
        scope=wire.scope or None,
        edge=wire.edge or _edge_of(wire.entity),
        labels=wire.labels,
        summary=wire.summary or wire.annotations.get("summary") or wire.annotations.get("description", ""),
    )


def _instant(moment: datetime, key: str) -> int:
    try:
        instant = instant_of(moment)
    except (OverflowError, ValueError):
        instant = -1
    if not EARLIEST <= instant < LATEST:
        raise InputError("bad_timestamp", f"{key} is {moment.isoformat()}, not between 2000 and 2100")
    return instant


def _end(moment: datetime) -> int | None:
    try:
        instant = instant_of(moment)
    except (OverflowError, ValueError):
        return None
    return instant if _NOT_ENDED_BEFORE <= instant < LATEST else None


_CALL = re.compile(r"^\s*([^\s>][^>]*?)\s*->\s*([^\s>][^>]*?)\s*$")


def _edge_of(entity: str | None) -> Edge | None:
    """Read an entity of the form `caller->callee`."""
    match = _CALL.match(entity) if entity and "->" in entity else None
    return Edge(caller=match[1], callee=match[2]) if match else None
