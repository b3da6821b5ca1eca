"""Alertmanager's event recorder (0.33 and later), to Kafka or a webhook, as JSON.

eventrecorder/eventrecorderpb/eventrecorder.proto of prometheus/alertmanager, by the JSON mapping of proto3: numbers of
64 bits are decimal strings, and what is zero, false or empty is left out. Every member of a cluster writes its own.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from correlator.domain import Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Notice, Payload, shaped
from correlator.formats.instants import end, written
from correlator.formats.labelled import labelled_alert

#: Kinds of records that are no alerts, and the words they are counted by. Those about alerts say again what
#: `alertCreated` said.
_NOTICES = {
    "alertGrouped": "alert_grouped",
    "notification": "notification",
    "silenceCreated": "silence_created",
    "silenceUpdated": "silence_updated",
    "silenceMutedAlert": "silence_muted_alert",
    "inhibitionMutedAlert": "inhibition_muted_alert",
    "alertmanagerStartupEvent": "startup",
    "alertmanagerShutdownEvent": "shutdown",
}
_EVENTS = ("alertCreated", "alertResolved")
_BEYOND = 1 << 64


class _Label(msgspec.Struct):
    key: str
    value: str = ""


class _Labels(msgspec.Struct):
    labels: list[_Label] = []

    def pairs(self) -> dict[str, str]:
        return {label.key: label.value for label in self.labels}


class _Alert(msgspec.Struct, rename="camel"):
    fingerprint: str | int
    labels: _Labels
    name: str = ""
    annotations: _Labels = msgspec.field(default_factory=_Labels)
    starts_at: datetime | None = None
    ends_at: datetime | None = None


class _Created(msgspec.Struct):
    alert: _Alert


class _Grouped(msgspec.Struct):
    details: _Alert


class _Resolved(msgspec.Struct):
    alert: _Grouped


def _recognises(document: Document, headers: Headers) -> bool:
    data = document.get("data")
    return "@timestamp" in document and isinstance(data, dict) and any(kind in data for kind in (*_EVENTS, *_NOTICES))


def _read(payload: Payload) -> list[Element]:
    document = payload.document
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        raise InputError("missing_field", "missing required field `data`")
    if "alertCreated" in data:
        created = shaped(data["alertCreated"], _Created, at="data.alertCreated")
        return [_alert(payload, created.alert, Status.FIRING, "data.alertCreated.alert")]
    if "alertResolved" in data:
        resolved = shaped(data["alertResolved"], _Resolved, at="data.alertResolved")
        return [_alert(payload, resolved.alert.details, Status.RESOLVED, "data.alertResolved.alert.details")]
    return [Notice(next((word for kind, word in _NOTICES.items() if kind in data), "other"))]


def _alert(payload: Payload, alert: _Alert, status: Status, at: str) -> ParsedAlert:
    # A firing is recorded once, whatever renews it at Alertmanager: its `endsAt` there is no lease here.
    ends_at = end(alert.ends_at) if status is Status.RESOLVED else payload.until(TOLD_ONCE_SECONDS)
    labels = alert.labels.pairs()
    if alert.name:
        labels.setdefault("alertname", alert.name)
    return labelled_alert(
        labels,
        alert.annotations.pairs(),
        status=status,
        starts_at=payload.began(alert.starts_at, f"{at}.startsAt"),
        ends_at=ends_at,
        source="alertmanager",
        observed_at=_recorded_at(payload.document),
        fingerprint=_hexadecimal(alert.fingerprint, f"{at}.fingerprint"),
    )


def _recorded_at(document: Document) -> int | None:
    moment = document.get("@timestamp")
    try:
        return written(moment, "@timestamp") if isinstance(moment, str) else None
    except InputError:
        return None


def _hexadecimal(number: str | int, where: str) -> str:
    """Return a fingerprint as Alertmanager shows it everywhere else."""
    text = str(number)
    found = int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else _BEYOND
    if found >= _BEYOND:
        raise InputError("wrong_value", f"{where}: {text[:40]!r} is no number of 64 bits")
    return f"{found:016x}"


FORMAT = Format(name="alertmanager-events", signs=("@timestamp",), recognises=_recognises, read=_read)
