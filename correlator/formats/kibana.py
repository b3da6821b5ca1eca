"""Kibana's alerts as data: documents of `.alerts-*` indices, or what a connector sends by our template.

The template is `deploy/templates/kibana-webhook.json`.

https://www.elastic.co/docs/reference/kibana/alert-schema
"""

from __future__ import annotations

from typing import Any

import msgspec

from correlator.domain import Severity, Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert, first_of, identity, label_pairs, labels_of, severity_of, tags_of
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Notice, Payload, shaped
from correlator.formats.instants import written
from correlator.formats.links import links_of
from correlator.paths import found

_STATUSES = {
    "active": Status.FIRING,
    "recovered": Status.RESOLVED,
    "untracked": Status.RESOLVED,  # its rule is gone or off: nobody will ever say more
}
_UUID = "kibana.alert.uuid"
#: Fields of Elastic's common schema that name the service, and what it runs on.
_SERVICES = ("service.name", "service")
_ENTITIES = ("kubernetes.pod.name", "host.name", "host.hostname", "container.id")


class _Alert(msgspec.Struct, rename=lambda name: "kibana.alert." + name.replace("__", ".")):
    rule__name: str
    status: str | None = None
    #: Of a connector, which knows no status: `recovered`, or the group of actions that an alert is in.
    action_group: str | None = None
    uuid: str | None = None
    rule__uuid: str | None = None
    instance__id: str | None = None
    start: str | None = None
    end: str | None = None
    severity: Any = None
    reason: str | None = None
    maintenance_window_ids: Any = None
    told_at: str | None = msgspec.field(name="@timestamp", default=None)
    #: What the rule groups by, as objects of field and value.
    group: Any = None
    tags: Any = msgspec.field(name="tags", default=None)
    rule__tags: Any = None
    url: Any = None


def _recognises(document: Document, headers: Headers) -> bool:
    if _UUID in document:
        return True
    source = document.get("_source")
    return isinstance(source, dict) and _UUID in source


def _read(payload: Payload) -> list[Element]:
    document = payload.document
    if isinstance(document, dict) and _UUID not in document and isinstance(document.get("_source"), dict):
        document = document["_source"]  # as a search or a dump of an index has it
    alert = shaped(document, _Alert)
    status = _status(alert)
    if status is Status.FIRING and alert.maintenance_window_ids and isinstance(alert.maintenance_window_ids, list):
        return [Notice("maintenance")]
    told_at = _instant(alert.told_at, "@timestamp")
    ended_at = None
    if status is Status.RESOLVED:
        ended_at = _instant(alert.end, "kibana.alert.end") or told_at or payload.arrival()
    labels = _labels(alert, document)
    return [
        ParsedAlert(
            source="kibana",
            status=status,
            name=alert.rule__name,
            service=first_of(labels, _SERVICES),
            entity=first_of(labels, _ENTITIES) or alert.instance__id or None,
            severity=_severity(alert),
            starts_at=_instant(alert.start, "kibana.alert.start") or ended_at or told_at or payload.arrival(),
            ends_at=ended_at or payload.until(TOLD_ONCE_SECONDS),
            observed_at=told_at,
            # `kibana.alert.uuid` is of one firing.
            fingerprint=identity("kibana", alert.rule__uuid or alert.rule__name, alert.instance__id or ""),
            labels=labels,
            summary=alert.reason or alert.rule__name,
            links=links_of(labels, source=alert.url),
        )
    ]


def _status(alert: _Alert) -> Status:
    if alert.status is None:
        if not alert.action_group:
            raise InputError("missing_field", "missing required field `kibana.alert.status`")
        return Status.RESOLVED if alert.action_group == "recovered" else Status.FIRING
    word = alert.status.lower()
    if word not in _STATUSES:
        raise InputError("wrong_value", f"kibana.alert.status: {word[:40]!r} is none of {', '.join(_STATUSES)}")
    return _STATUSES[word]


def _instant(text: str | None, where: str) -> int | None:
    return written(text, where) if text else None


def _severity(alert: _Alert) -> Severity | None:
    return severity_of(alert.severity) if isinstance(alert.severity, str) else None


def _labels(alert: _Alert, document: dict[str, Any]) -> dict[str, str]:
    fields = {key: _common(document, key) for key in (_SERVICES[0], *_ENTITIES)} | {"instance_id": alert.instance__id}
    tags = tags_of([*_listed(alert.tags), *_listed(alert.rule__tags)])
    return tags | label_pairs(alert.group, name="field") | labels_of(fields)


def _common(document: dict[str, Any], key: str) -> object:
    """Return a field of the common schema, written with dots or as objects within objects."""
    return document[key] if key in document else found(document, tuple(key.split(".")))


def _listed(tags: object) -> list[Any]:
    """Return tags as a list; a connector writes them as one text."""
    if isinstance(tags, str):
        return tags.split(",")
    return tags if isinstance(tags, list) else []


FORMAT = Format(name="kibana", signs=(_UUID, "_source"), recognises=_recognises, read=_read)
