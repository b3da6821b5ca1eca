"""What Prometheus posts to Alertmanager (`POST /api/v2/alerts`), and with it vmalert, Loki, Mimir and amtool.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml, `postableAlert`
A firing is a lease, renewed about once a minute: `endsAt` lies some minutes ahead. An `endsAt` that has passed is a
resolve, which is repeated too. So what a message says depends on when it arrived.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from correlator.domain import Status
from correlator.formats.format import Document, Element, Format, Headers, Payload, shaped
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
    #: Not posted, but written by those who read alerts back from Alertmanager.
    status: Any = None


def _recognises(document: Document, headers: Headers) -> bool:
    if "labels" not in document:
        return False
    labels = document["labels"]
    return not _SIGNS.isdisjoint(document) or (isinstance(labels, dict) and "alertname" in labels)


def _read(payload: Payload) -> list[Element]:
    alert = shaped(payload.document, _Alert)
    ends_at = end(alert.ends_at)
    arrived_at = payload.arrived_at
    resolved = alert.status == "resolved" or (ends_at is not None and arrived_at is not None and ends_at <= arrived_at)
    # Without a start Alertmanager takes the end for it, else the arrival.
    start = alert.ends_at if alert.starts_at is None and (resolved or arrived_at is None) else alert.starts_at
    return [
        labelled_alert(
            alert.labels,
            alert.annotations or {},
            status=Status.RESOLVED if resolved else Status.FIRING,
            starts_at=payload.began(start, "startsAt"),
            ends_at=ends_at if resolved or ends_at is not None else payload.until(_LEASE_SECONDS),
            source="prometheus",
        )
    ]


FORMAT = Format(name="prometheus", signs=("labels",), recognises=_recognises, read=_read, shape=_Alert)
