"""Incidents of Google Cloud Monitoring, by webhook or Pub/Sub.

https://cloud.google.com/monitoring/support/notification-options#schema-pubsub
An incident is one firing and told once as it opens and once as it closes. What lasts is its condition and resource.
"""

from __future__ import annotations

from typing import Any

import msgspec

from correlator.domain import Severity, Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert, first_of, identity, labels_of
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Notice, Payload, shaped
from correlator.formats.instants import counted
from correlator.formats.links import links_of

_STATES = {"open": Status.FIRING, "closed": Status.RESOLVED}
_SEVERITIES = {"critical": Severity.CRITICAL, "error": Severity.ERROR, "warning": Severity.WARNING}
#: Labels of resources that name a service. `service` and `service_name` (Cloud Run) are found among all labels.
_SERVICES = ("container_name", "function_name", "module_id", "database_id", "subscription_id", "topic_id", "api_name")
_ENTITIES = ("pod_name", "instance_id", "node_name")


class _Resource(msgspec.Struct):
    type: str | None = None
    labels: dict[str, Any] | None = None


class _Metadata(msgspec.Struct):
    system_labels: dict[str, Any] | None = None
    user_labels: dict[str, Any] | None = None


class _Condition(msgspec.Struct, rename="camel"):
    name: str | None = None
    display_name: str | None = None


class _Documentation(msgspec.Struct):
    subject: str | None = None


class _Incident(msgspec.Struct):
    incident_id: str
    state: str
    started_at: float | None = None
    ended_at: float | None = None
    severity: str | None = None
    summary: str | None = None
    scoping_project_id: str | None = None
    policy_name: str | None = None
    policy_user_labels: dict[str, Any] | None = None
    condition_name: str | None = None
    condition: _Condition | None = None
    resource: _Resource | None = None
    resource_name: str | None = None
    resource_display_name: str | None = None
    metric: _Resource | None = None
    metadata: _Metadata | None = None
    documentation: _Documentation | None = None
    url: Any = None


class _Message(msgspec.Struct):
    incident: _Incident
    version: str | None = None


def _recognises(document: Document, headers: Headers) -> bool:
    incident = document.get("incident")
    return isinstance(incident, dict) and "incident_id" in incident and "state" in incident


def _read(payload: Payload) -> list[Element]:
    message = shaped(payload.document, _Message)
    if message.version == "test":
        return [Notice("test")]
    incident = message.incident
    status = _STATES.get(incident.state.lower())
    if status is None:
        raise InputError("wrong_value", f"incident.state: {incident.state[:40]!r} is none of {', '.join(_STATES)}")
    started_at = _instant(incident.started_at, "incident.started_at")
    ended_at = _instant(incident.ended_at, "incident.ended_at") if status is Status.RESOLVED else None
    if status is Status.RESOLVED and ended_at is None:
        ended_at = payload.arrival()
    resource = labels_of(incident.resource.labels or {}) if incident.resource else {}
    metric = labels_of(incident.metric.labels or {}) if incident.metric else {}
    subject = incident.documentation.subject if incident.documentation else None
    return [
        ParsedAlert(
            source="gcp",
            status=status,
            name=_name(incident),
            service=None if _says_service(incident) else first_of(resource, _SERVICES),
            entity=first_of(resource, _ENTITIES) or incident.resource_display_name or incident.resource_name or None,
            severity=_SEVERITIES.get((incident.severity or "").lower()),
            starts_at=started_at or ended_at or payload.arrival(),
            ends_at=ended_at or payload.until(TOLD_ONCE_SECONDS),
            observed_at=ended_at,
            fingerprint=_fingerprint(incident, resource, metric),
            labels=_labels(incident, resource, metric),
            summary=subject or incident.summary or "",
            links=links_of(incident.policy_user_labels or {}, source=incident.url),
        )
    ]


def _instant(seconds: float | None, where: str) -> int | None:
    """Return an instant; zero is how one is written that there is not."""
    return counted(seconds, where) if seconds else None


def _name(incident: _Incident) -> str:
    shown = incident.condition.display_name if incident.condition else None
    return incident.condition_name or shown or incident.policy_name or "incident"


def _says_service(incident: _Incident) -> bool:
    return bool((incident.policy_user_labels or {}).get("service"))


def _fingerprint(incident: _Incident, resource: dict[str, str], metric: dict[str, str]) -> str:
    condition = incident.condition.name if incident.condition else None
    parts = [condition or f"{incident.policy_name}/{incident.condition_name}", incident.resource_name or ""]
    for labels in (resource, metric):
        for pair in sorted(labels.items()):
            parts += pair
        parts.append("")
    return identity("gcp", *parts)


def _labels(incident: _Incident, resource: dict[str, str], metric: dict[str, str]) -> dict[str, str]:
    metadata = incident.metadata
    own = {
        "project_id": incident.scoping_project_id,
        "policy": incident.policy_name,
        "resource_type": incident.resource.type if incident.resource else None,
    }
    labels = labels_of(metadata.system_labels) if metadata and metadata.system_labels else {}
    labels |= labels_of(own)
    labels |= metric
    labels |= resource
    if metadata and metadata.user_labels:
        labels |= labels_of(metadata.user_labels)
    return labels | labels_of(incident.policy_user_labels) if incident.policy_user_labels else labels


FORMAT = Format(name="gcp", signs=("incident",), recognises=_recognises, read=_read)
