"""Azure Monitor's common alert schema: of metrics, logs, activity and health.

https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema
"""

from __future__ import annotations

from typing import Any

import msgspec

from correlator.domain import Severity, Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert, first_of, label_pairs, labels_of
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Payload, shaped
from correlator.formats.instants import written
from correlator.formats.links import links_of

_SCHEMA = "azureMonitorCommonAlertSchema"
_CONDITIONS = {"fired": Status.FIRING, "resolved": Status.RESOLVED}
_SEVERITIES = {
    "sev0": Severity.CRITICAL,
    "sev1": Severity.ERROR,
    "sev2": Severity.WARNING,
    "sev3": Severity.INFO,
    "sev4": Severity.INFO,
}
#: Types of resources that are services themselves; others are what services run on.
_SERVICE_TYPES = frozenset({
    "microsoft.web/sites", "microsoft.app/containerapps", "microsoft.insights/components", "microsoft.sql/servers",
    "microsoft.sql/servers/databases", "microsoft.documentdb/databaseaccounts", "microsoft.cache/redis",
    "microsoft.servicebus/namespaces", "microsoft.eventhub/namespaces", "microsoft.storage/storageaccounts",
    "microsoft.apimanagement/service", "microsoft.dbforpostgresql/flexibleservers", "microsoft.keyvault/vaults",
})  # fmt: skip
#: The dimension by which Application Insights tells the services of one resource apart.
_ROLE = ("cloud/roleName", "cloud_RoleName", "cloudRoleName")


class _Essentials(msgspec.Struct, rename="camel"):
    alert_rule: str
    monitor_condition: str
    alert_id: str | None = None
    origin_alert_id: str | None = None
    severity: str | None = None
    signal_type: str | None = None
    monitoring_service: str | None = None
    alert_targets: list[str] | None = msgspec.field(name="alertTargetIDs", default=None)
    configuration_items: list[str] | None = None
    fired_at: str | None = msgspec.field(name="firedDateTime", default=None)
    resolved_at: str | None = msgspec.field(name="resolvedDateTime", default=None)
    description: str | None = None
    investigation_link: Any = None


class _Data(msgspec.Struct, rename="camel"):
    essentials: _Essentials
    alert_context: Any = None
    custom_properties: Any = None


class _Message(msgspec.Struct):
    data: _Data


class _Target(msgspec.Struct, frozen=True):
    """A resource, as its id tells: `/subscriptions/../resourcegroups/../providers/<namespace>/<type>/<name>..`."""

    group: str | None
    type: str
    name: str


def _recognises(document: Document, headers: Headers) -> bool:
    return document.get("schemaId") == _SCHEMA and "data" in document


def _read(payload: Payload) -> list[Element]:
    data = shaped(payload.document, _Message).data
    essentials = data.essentials
    status = _CONDITIONS.get(essentials.monitor_condition.lower())
    if status is None:
        raise InputError(
            "wrong_value",
            f"data.essentials.monitorCondition: {essentials.monitor_condition[:40]!r} is neither Fired nor Resolved",
        )
    fired_at = _instant(essentials.fired_at, "data.essentials.firedDateTime")
    ended_at = None
    if status is Status.RESOLVED:
        # Only alerts on metrics tell when.
        ended_at = _instant(essentials.resolved_at, "data.essentials.resolvedDateTime") or payload.arrival()
    target = _target(essentials)
    labels = _labels(data, target)
    return [
        ParsedAlert(
            source="azure",
            status=status,
            name=essentials.alert_rule,
            service=_service(labels, target),
            entity=target.name or None,
            severity=_SEVERITIES.get((essentials.severity or "").lower()),
            starts_at=fired_at or ended_at or payload.arrival(),
            ends_at=ended_at or payload.until(TOLD_ONCE_SECONDS),
            observed_at=ended_at,
            # `alertId` is of one firing.
            fingerprint=essentials.origin_alert_id or None,
            labels=labels,
            summary=essentials.description or essentials.alert_rule,
            links=links_of(labels, source=essentials.investigation_link),
        )
    ]


def _instant(text: str | None, where: str) -> int | None:
    return written(text, where) if text else None


def _target(essentials: _Essentials) -> _Target:
    """Take apart the first target; what is configured there (a host behind a log) is the entity, if it is told."""
    text = (essentials.alert_targets or [""])[0].strip("/")
    path, words = text.split("/"), text.lower().split("/")
    group = path[words.index("resourcegroups") + 1] if "resourcegroups" in words[:-1] else None
    kind, name = "", path[-1]
    if "providers" in words[:-2]:
        rest = path[words.index("providers") + 1 :]
        kind = "/".join([rest[0], *rest[1::2]]).lower()
    items = essentials.configuration_items
    return _Target(group, kind, items[0] if items and items[0] else name)


def _service(labels: dict[str, str], target: _Target) -> str | None:
    """Return the service, where no label that may be called so says it."""
    if "service" in labels:
        return labels["service"]
    return first_of(labels, _ROLE) or (target.name if target.type in _SERVICE_TYPES else None)


def _labels(data: _Data, target: _Target) -> dict[str, str]:
    essentials = data.essentials
    own: dict[str, object] = {
        "resource_group": target.group,
        "resource_type": target.type,
        "signal_type": essentials.signal_type,
        "monitoring_service": essentials.monitoring_service,
    }
    labels = labels_of(own)
    labels |= _dimensions(data.alert_context)
    if isinstance(data.custom_properties, dict):
        labels |= labels_of(data.custom_properties)
    return labels


def _dimensions(context: object) -> dict[str, str]:
    """Return the dimensions of a metric's or log's conditions; of several conditions the first says it."""
    condition = context.get("condition") if isinstance(context, dict) else None
    criteria = condition.get("allOf") if isinstance(condition, dict) else None
    labels: dict[str, str] = {}
    for one in criteria if isinstance(criteria, list) else ():
        found = label_pairs(one.get("dimensions") if isinstance(one, dict) else None)
        labels = found | labels if labels else found
    return labels


FORMAT = Format(name="azure", signs=("schemaId",), recognises=_recognises, read=_read)
