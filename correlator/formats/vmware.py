"""VMware's vRealize (Aria) Operations, by its REST notification plugin.

https://docs.vmware.com/en/vRealize-Operations/, "Sample REST notification": the body of a POST or PUT for each change.
"""

from __future__ import annotations

import msgspec

from correlator.domain import Severity, Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert, identity, labels_of
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Payload, shaped
from correlator.formats.instants import counted

_STATUSES = {
    "active": Status.FIRING,
    "new": Status.FIRING,
    "updated": Status.FIRING,
    "canceled": Status.RESOLVED,
    "cancelled": Status.RESOLVED,
}
_CRITICALITIES = {
    "CRITICAL": Severity.CRITICAL,
    "IMMEDIATE": Severity.ERROR,
    "WARNING": Severity.WARNING,
    "INFORMATION": Severity.INFO,
    "INFO": Severity.INFO,
}
_PREFIX = "ALERT_CRITICALITY_LEVEL_"


class _Alert(msgspec.Struct, rename="camel"):
    alert_id: str
    status: str
    resource_id: str | None = None
    resource_name: str | None = None
    resource_kind: str | None = None
    adapter_kind: str | None = None
    alert_name: str | None = None
    type: str | None = None
    sub_type: str | None = None
    criticality: str | None = None
    info: str | None = None
    start_date: float | None = None
    update_date: float | None = None
    cancel_date: float | None = None


def _recognises(document: Document, headers: Headers) -> bool:
    return "alertId" in document and "criticality" in document and "status" in document


def _read(payload: Payload) -> list[Element]:
    alert = shaped(payload.document, _Alert)
    status = _STATUSES.get(alert.status.lower())
    if status is None:
        raise InputError("wrong_value", f"status: {alert.status[:40]!r} is none of {', '.join(_STATUSES)}")
    began = counted(alert.start_date, "startDate") if alert.start_date else None
    ended_at = None
    if status is Status.RESOLVED:
        ended_at = counted(alert.cancel_date, "cancelDate") if alert.cancel_date else payload.arrival()
    name = alert.alert_name or alert.sub_type or alert.type or "alert"
    resource = alert.resource_name or alert.resource_id
    return [
        ParsedAlert(
            source="vmware",
            status=status,
            name=name,
            entity=resource or None,
            severity=_CRITICALITIES.get((alert.criticality or "").upper().removeprefix(_PREFIX)),
            starts_at=began or ended_at or payload.arrival(),
            ends_at=ended_at or payload.until(TOLD_ONCE_SECONDS),
            observed_at=ended_at,
            fingerprint=identity("vmware", alert.resource_id or resource or "", alert.type or "", name),
            # `alertId` is of one firing; two definitions may share type and resource.
            instance=alert.alert_id,
            labels=labels_of(
                {
                    "resource_kind": alert.resource_kind,
                    "adapter_kind": alert.adapter_kind,
                    "type": alert.type,
                    "sub_type": alert.sub_type,
                }
            ),
            summary=alert.info or name,
        )
    ]


FORMAT = Format(name="vmware", signs=("criticality",), recognises=_recognises, read=_read)
