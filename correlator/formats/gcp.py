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
    resource, metric = incident.resource or _Resource(), incident.metric or _Resource()
    documentation = incident.documentation or _Documentation()
    return [
        ParsedAlert(
            source="gcp",
            status=status,
            name=_name(incident),
            service=None if _says_service(incident) else first_of(labels_of(resource.labels or {}), _SERVICES),
            entity=_entity(incident, resource),
            severity=_SEVERITIES.get((incident.severity or "").lower()),
            starts_at=started_at or ended_at or payload.arrival(),
            ends_at=ended_at or payload.until(TOLD_ONCE_SECONDS),
            observed_at=ended_at,
            fingerprint=_fingerprint(incident, resource, metric),
            labels=_labels(incident, resource, metric),
            summary=documentation.subject or incident.summary or "",
        )
    ]


def _instant(seconds: float | None, where: str) -> int | None:
    """Return an instant; zero is how one is written that there is not."""
    return counted(seconds, where) if seconds else None


def _name(incident: _Incident) -> str:
    condition = incident.condition or _Condition()
    return incident.condition_name or condition.display_name or incident.policy_name or "incident"


def _says_service(incident: _Incident) -> bool:
    return bool((incident.policy_user_labels or {}).get("service"))


def _entity(incident: _Incident, resource: _Resource) -> str | None:
    found = first_of(labels_of(resource.labels or {}), _ENTITIES)
    return found or incident.resource_display_name or incident.resource_name or None


def _fingerprint(incident: _Incident, resource: _Resource, metric: _Resource) -> str:
    condition = incident.condition or _Condition()
    parts = [condition.name or f"{incident.policy_name}/{incident.condition_name}", incident.resource_name or ""]
    for labels in (resource.labels, metric.labels):
        parts += [part for pair in sorted(labels_of(labels or {}).items()) for part in (*pair,)] + [""]
    return identity("gcp", *parts)


def _labels(incident: _Incident, resource: _Resource, metric: _Resource) -> dict[str, str]:
    metadata = incident.metadata or _Metadata()
    own = {"project_id": incident.scoping_project_id, "policy": incident.policy_name, "resource_type": resource.type}
    labels: dict[str, str] = {}
    for some in (
        metadata.system_labels, own, metric.labels, resource.labels, metadata.user_labels, incident.policy_user_labels,
    ):  # fmt: skip
        labels |= labels_of(some or {})
    return labels


FORMAT = Format(name="gcp", signs=("incident",), recognises=_recognises, read=_read)
