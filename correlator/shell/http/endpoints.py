"""Where alerts may be posted: one table, made of the table of formats; routes and OpenAPI are both made of this one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from correlator.formats import pagerduty, prometheus
from correlator.formats.format import Format
from correlator.shell.http.answers import ALERTMANAGER, PAGERDUTY, PAGERDUTY_CHANGE, WEBHOOK, Answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One path.

    `format` is None where the format is recognised by itself. `body` is what a document must be at its outside.
    `gives_key`: a trigger without a `dedup_key` gets one, as PagerDuty does, or the sender could never resolve it.
    """

    path: str
    format: Format | None
    answers: Answers
    summary: str
    body: Literal["array", "object", "any"] = "any"
    gives_key: bool = False


#: The interfaces of other programs, by the path their clients post to.
_CLONES = (
    Endpoint(
        path="/api/v2/alerts",
        format=prometheus.FORMAT,
        answers=ALERTMANAGER,
        summary="Alerts as Prometheus, vmalert, Loki and Mimir post them to Alertmanager",
        body="array",
    ),
    Endpoint(
        path="/v2/enqueue",
        format=pagerduty.FORMAT,
        answers=PAGERDUTY,
        summary="An event of PagerDuty's Events API v2",
        body="object",
        gives_key=True,
    ),
    Endpoint(
        path="/v2/change/enqueue",
        format=pagerduty.CHANGE,
        answers=PAGERDUTY_CHANGE,
        summary="A change event of PagerDuty's Events API v2",
        body="object",
    ),
)


def endpoints_of(formats: Iterable[Format]) -> tuple[Endpoint, ...]:
    """Return all endpoints, given the formats in the order in which they are tried."""
    detection = Endpoint(
        path="/webhooks/", format=None, answers=WEBHOOK, summary="Alerts of any format, which is recognised by itself"
    )
    named = [
        Endpoint(
            path=f"/webhooks/{one.name}", format=one, answers=WEBHOOK, summary=f"Alerts of the format `{one.name}`"
        )
        for one in formats
    ]
    return (*_CLONES, detection, *named)
