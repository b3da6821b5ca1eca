"""CloudEvents 1.0 over Kafka or HTTP: an envelope; what is inside is recognised by itself.

https://github.com/cloudevents/spec, kafka-protocol-binding.md, http-protocol-binding.md, json-format.md, and the
extensions partitioning, severity, sequence, correlation and expirytime.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from correlator.domain import Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert, labels_of
from correlator.formats.format import (
    Document,
    Element,
    Enclosed,
    Format,
    Headers,
    Payload,
    each,
    shaped,
)
from correlator.formats.instants import written
from correlator.formats.severity_numbers import severity_numbered

_MANDATORY = frozenset({"id", "source", "specversion", "type"})
#: Kafka's prefix and HTTP's.
_PREFIXES = ("ce_", "ce-")
#: Attributes that say what belongs together, kept as labels. None is part of an alert's identity, since they may differ
#: from event to event (`naming.volatile_labels` names them); `naming.scope_labels` may.
_LABELS = ("ce_partitionkey", "ce_correlationid", "ce_causationid", "ce_sequence")
_NONE = (None,) * len(_LABELS)


class _Attributes(msgspec.Struct):
    """What is used of an event's context. One that is optional and makes no sense costs no alert: it is passed over."""

    id: str
    source: str
    type: str
    time: Any = None
    severitytext: Any = None
    severitynumber: Any = None
    expirytime: Any = None
    partitionkey: Any = None
    correlationid: Any = None
    causationid: Any = None
    sequence: Any = None


class _Structured(_Attributes):
    data: Any = None
    data_base64: str | None = None


def _claims(headers: Headers) -> bool:
    return _is_structured(headers) or _prefix(headers) is not None


def _recognises(document: Document, headers: Headers) -> bool:
    return document.keys() >= _MANDATORY and ("data" in document or "data_base64" in document)


def _read(payload: Payload) -> list[Element]:
    prefix = None if _is_structured(payload.headers) else _prefix(payload.headers)
    if prefix is not None:
        return [_binary(payload, prefix)]
    document = payload.document
    if isinstance(document, list):  # application/cloudevents-batch+json
        return each(document, lambda item, at: _structured(payload, item, at), at="")
    return [_structured(payload, document, "")]


def _binary(payload: Payload, prefix: str) -> Enclosed:
    found = {name.removeprefix(prefix): text for name, text in payload.headers.items() if name.startswith(prefix)}
    event = shaped(found, _Attributes, at="headers")
    if not payload.data:
        raise InputError("missing_field", f"the CloudEvent {event.id[:80]!r} of type {event.type[:80]!r} holds no data")
    return _enclosed(event, Payload(payload.data, arrived_at=payload.arrived_at))


def _structured(payload: Payload, document: object, at: str) -> Enclosed:
    event = shaped(document, _Structured, at=at)
    if event.data_base64 is None:
        data = event.data
        inner = Payload(lambda: msgspec.json.encode(data), arrived_at=payload.arrived_at, document=data)
        return _enclosed(event, inner)
    try:
        data = base64.b64decode(event.data_base64, validate=True)
    except (binascii.Error, ValueError):
        raise InputError("wrong_value", f"{at}{'.' if at else ''}data_base64: no base64") from None
    return _enclosed(event, Payload(data, arrived_at=payload.arrived_at))


def _enclosed(event: _Attributes, inner: Payload) -> Enclosed:
    return Enclosed(payload=inner, id=f"{event.source}#{event.id}", dress=_dress(event))


def _dress(event: _Attributes) -> Callable[[ParsedAlert], dict[str, Any]]:
    severity, expires_at, observed_at = (
        severity_numbered(event.severitynumber, event.severitytext),
        _instant(event.expirytime),
        _instant(event.time),
    )
    together = (event.partitionkey, event.correlationid, event.causationid, event.sequence)
    labels = {} if together == _NONE else labels_of(dict(zip(_LABELS, together, strict=True)))

    def dress(alert: ParsedAlert) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        if severity is not None and alert.severity is None and "severity" not in alert.labels:
            changes["severity"] = severity
        if expires_at is not None and alert.status is Status.FIRING:
            changes["ends_at"] = expires_at
        if observed_at is not None and observed_at > (alert.observed_at or 0):
            changes["observed_at"] = observed_at
        if labels:
            changes["labels"] = alert.labels | labels
        if not alert.source:
            changes["source"] = event.source
        return changes

    return dress


def _instant(value: object) -> int | None:
    try:
        return written(value, "time") if isinstance(value, str) else None
    except InputError:
        return None


def _is_structured(headers: Mapping[str, str]) -> bool:
    return bool(headers) and headers.get("content-type", "").lower().startswith("application/cloudevents")


def _prefix(headers: Headers) -> str | None:
    """Return the prefix of the attributes among the headers, None where one that is mandatory is missing."""
    if not headers:
        return None
    return next((prefix for prefix in _PREFIXES if all(prefix + name in headers for name in _MANDATORY)), None)


FORMAT = Format(
    name="cloudevents", signs=("specversion",), recognises=_recognises, read=_read, claims=_claims, shape=_Structured
)
