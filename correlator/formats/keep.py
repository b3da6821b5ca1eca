"""Keep's AlertDto (`POST /alerts/event` of keephq/keep, keep/api/models/alert.py)."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from correlator.domain import Severity, Status
from correlator.formats.alert import ParsedAlert, labels_of
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Notice, Payload, shaped
from correlator.formats.instants import told
from correlator.formats.links import links_of

#: Keep takes an unknown severity for info; we leave it open, since that would never page.
_SEVERITIES: dict[str | int, Severity] = {
    "critical": Severity.CRITICAL,
    "high": Severity.ERROR,
    "warning": Severity.WARNING,
    "info": Severity.INFO,
    "low": Severity.INFO,
    5: Severity.CRITICAL,
    4: Severity.ERROR,
    3: Severity.WARNING,
    2: Severity.INFO,
    1: Severity.INFO,
}
#: States in which an alert neither begins nor ends.
_NOTICES = ("acknowledged", "suppressed", "pending", "maintenance")
#: What Keep fills in where nobody says.
_NO_ENVIRONMENT = "undefined"
_MAX_FINGERPRINT = 255


class _Alert(msgspec.Struct, rename="camel"):
    name: str
    last_received: str | None = None
    started_at: str | None = None
    firing_start_time: str | None = None
    id: str | None = None
    status: str | None = None
    severity: str | int | None = None
    environment: str | None = None
    service: str | None = None
    source: list[str] | None = None
    message: str | None = None
    description: str | None = None
    labels: dict[str, Any] | None = None
    fingerprint: str | None = None
    dismissed: Any = None
    url: Any = None
    annotations: Any = None


def _recognises(document: Document, headers: Headers) -> bool:
    return "lastReceived" in document and "name" in document


def _read(payload: Payload) -> list[Element]:
    alert = shaped(payload.document, _Alert)
    word = (alert.status or "").lower()
    if alert.dismissed in (True, "true", "True"):
        return [Notice("suppressed")]
    if word in _NOTICES:
        return [Notice(word)]
    status = Status.RESOLVED if word == "resolved" else Status.FIRING  # Keep too takes an unknown word for firing
    seen_at = told(alert.last_received, "lastReceived") if alert.last_received else payload.arrival()
    began = alert.firing_start_time or alert.started_at
    severity = alert.severity.lower() if isinstance(alert.severity, str) else alert.severity
    return [
        ParsedAlert(
            source=alert.source[0] if alert.source else "keep",
            status=status,
            name=alert.name,
            starts_at=told(began, "startedAt") if began else seen_at,
            ends_at=seen_at if status is Status.RESOLVED else payload.until(TOLD_ONCE_SECONDS),
            observed_at=seen_at,
            service=alert.service or None,
            severity=None if severity is None else _SEVERITIES.get(severity),
            fingerprint=_fingerprint(alert),
            labels=_labels(alert),
            summary=alert.message or alert.description or alert.name,
            links=links_of(alert.annotations if isinstance(alert.annotations, dict) else {}, source=alert.url),
        )
    ]


def _fingerprint(alert: _Alert) -> str:
    if alert.fingerprint:
        return alert.fingerprint[:_MAX_FINGERPRINT]
    return hashlib.sha256(alert.name.encode("utf-8", "surrogatepass")).hexdigest()


def _labels(alert: _Alert) -> dict[str, str]:
    labels = labels_of(alert.labels or {})
    if alert.environment and alert.environment != _NO_ENVIRONMENT:
        labels.setdefault("environment", alert.environment)
    return labels


FORMAT = Format(name="keep", signs=("lastReceived",), recognises=_recognises, read=_read, shape=_Alert)
