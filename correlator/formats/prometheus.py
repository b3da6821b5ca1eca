"""What Prometheus posts to Alertmanager (`POST /api/v2/alerts`), and with it vmalert, Loki, Mimir and amtool.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml, `postableAlert`
A firing is a lease, renewed about once a minute: `endsAt` lies some minutes ahead. An `endsAt` that has passed is a
resolve, which is repeated too. So what a message says depends on when it arrived.
What Alertmanager gives back (`GET /api/v2/alerts`, `/alerts/groups`) is read as well, for replays.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from correlator.domain import Status
from correlator.formats.alert import ParsedAlert
from correlator.formats.format import Document, Element, Format, Headers, Payload, each, listed, shaped
from correlator.formats.instants import end
from correlator.formats.labelled import labelled_alert

#: Alertmanager's default `resolve_timeout`, for alerts without an `endsAt`.
_LEASE_SECONDS = 300
_SIGNS = frozenset({"startsAt", "endsAt", "generatorURL"})


class _Alert(msgspec.Struct, rename="camel"):
    labels: dict[str, str]
    annotations: dict[str, str] | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    generator_url: str | None = msgspec.field(name="generatorURL", default=None)
    #: Not posted, but written by those who read alerts back from Alertmanager.
    status: Any = None


def _recognises(document: Document, headers: Headers) -> bool:
    if "labels" not in document:
        return False
    labels = document["labels"]
    if not _SIGNS.isdisjoint(document) or (isinstance(labels, dict) and "alertname" in labels):
        return True
    return _is_group(document)


def _is_group(document: Document) -> bool:
    return "receiver" in document and "alerts" in document


def _read(payload: Payload) -> list[Element]:
    document = payload.document
    if isinstance(document, dict) and _is_group(document):
        return each(
            listed(document, "alerts"), lambda item, at: _alert(payload, shaped(item, _Alert, at=at), at), at="alerts"
        )
    return [_alert(payload, shaped(document, _Alert), "")]


def _alert(payload: Payload, alert: _Alert, at: str) -> ParsedAlert:
    ends_at = end(alert.ends_at)
    arrived_at = payload.arrived_at
    resolved = alert.status == "resolved" or (ends_at is not None and arrived_at is not None and ends_at <= arrived_at)
    # Without a start Alertmanager takes the end for it, else the arrival.
    start = alert.ends_at if alert.starts_at is None and (resolved or arrived_at is None) else alert.starts_at
    return labelled_alert(
        alert.labels,
        alert.annotations or {},
        status=Status.RESOLVED if resolved else Status.FIRING,
        starts_at=payload.began(start, f"{at}.startsAt" if at else "startsAt"),
        ends_at=ends_at if resolved or ends_at is not None else payload.until(_LEASE_SECONDS),
        source="prometheus",
        source_url=alert.generator_url,
    )


FORMAT = Format(name="prometheus", signs=("labels",), recognises=_recognises, read=_read, shape=_Alert)
