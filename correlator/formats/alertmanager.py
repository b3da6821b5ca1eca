"""Alertmanager's webhook, version 4; and Grafana Alerting's, version 1, which is the same with more fields.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
A group is sent again whole whenever one of its alerts changes, and at every `repeat_interval`.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from correlator.domain import Status
from correlator.formats.alert import ParsedAlert
from correlator.formats.format import Document, Element, Format, Headers, Notice, Payload, each, listed, shaped
from correlator.formats.instants import end
from correlator.formats.labelled import labelled_alert

#: Alertmanager and Grafana tell of a firing at least every `repeat_interval`, four hours by default: two may be missed.
_LEASE_SECONDS = 12 * 3600


class _Alert(msgspec.Struct, rename="camel"):
    status: Status
    labels: dict[str, str]
    annotations: dict[str, str] | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    fingerprint: str | None = None
    generator_url: str | None = msgspec.field(name="generatorURL", default=None)
    #: Grafana's. The panel is what a human wants to see; from there the dashboard is one step.
    dashboard_url: str | None = msgspec.field(name="dashboardURL", default=None)
    panel_url: str | None = msgspec.field(name="panelURL", default=None)


class _Group(msgspec.Struct, rename="camel"):
    """The whole of it, as far as it is used; read alert by alert, so that a bad one spoils no other."""

    alerts: list[_Alert]
    truncated_alerts: int = 0


def _read_from(source: str, payload: Payload) -> list[Element]:
    def one(item: object, at: str) -> ParsedAlert:
        alert = shaped(item, _Alert, at=at)
        status = alert.status
        ends_at = end(alert.ends_at)
        if ends_at is None and status is Status.FIRING:
            ends_at = payload.until(_LEASE_SECONDS)
        return labelled_alert(
            alert.labels,
            alert.annotations or {},
            status=status,
            starts_at=payload.began(alert.starts_at, f"{at}.startsAt"),
            ends_at=ends_at,
            source=source,
            fingerprint=alert.fingerprint or None,
            dashboard=alert.panel_url or alert.dashboard_url,
            source_url=alert.generator_url,
        )

    elements = each(listed(payload.document, "alerts"), one, at="alerts")
    truncated = payload.document.get("truncatedAlerts")
    if isinstance(truncated, int) and truncated > 0:
        elements.append(Notice("truncated_alerts", truncated))
    return elements


def _recognises(document: Document, headers: Headers) -> bool:
    return "alerts" in document and ("groupKey" in document or document.get("version") == "4")


def _recognises_grafana(document: Document, headers: Headers) -> bool:
    return "alerts" in document and "orgId" in document


FORMAT = Format(
    name="alertmanager",
    signs=("alerts",),
    recognises=_recognises,
    read=lambda payload: _read_from("alertmanager", payload),
    shape=_Group,
)
#: Before `FORMAT` in the table: to Alertmanager's its documents look like its own.
GRAFANA = Format(
    name="grafana",
    signs=("orgId",),
    recognises=_recognises_grafana,
    read=lambda payload: _read_from("grafana", payload),
    shape=_Group,
)
