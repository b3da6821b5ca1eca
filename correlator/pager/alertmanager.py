"""Alertmanager as a target: an incident is one alert of its API, or one notification of its webhook.

API: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml, POST /api/v2/alerts. An alert is a lease:
it is sent again before `endsAt`, and ends by an `endsAt` that is past. A resolve is sent again for a while too, as
Prometheus does: Alertmanager keeps alerts in memory only, and one that is restarted before it notified would not know
that there is something to resolve. Of a cluster every replica is a target of its own, as Prometheus has it: a load
balancer before them would starve all but one.

Webhook: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config, version 4. The group is the incident.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

import msgspec

from correlator.domain import IncidentEvent, rfc3339
from correlator.pager.exchange import PASSING, Delivered, Refused, Reply, Request, Verdict, detail, retry
from correlator.pager.links import Links
from correlator.pager.mark import Mark, Standing, Step, Verb, ends, paging_step
from correlator.pager.wording import clip, extent, headline, reasons, rivals

#: Alertmanager forgets an alert that was not renewed for so many intervals; Prometheus has the same factor.
LEASE_INTERVALS = 4
#: For so long a resolve is repeated; Prometheus' figure.
RESOLVE_SECONDS = 900.0
ALERT_NAME = "CorrelatedIncident"
NEVER = "0001-01-01T00:00:00Z"
MAX_ANNOTATION_CHARACTERS = 4096
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Alertmanager(msgspec.Struct, frozen=True, kw_only=True):
    """Speaks to the API of one Alertmanager."""

    name: str
    url: str
    token: str | None = None
    resend_seconds: float = 60.0
    labels: Mapping[str, str] = {}
    links: Links = Links()
    coalesces: bool = True

    def step(self, event: IncidentEvent, mark: Mark, *, missed: bool, now: float) -> Step:
        """Say what comes next, and when to renew it."""
        step = paging_step(event, mark, missed=missed, route=place_of(event), moves=_moves(event, mark))
        again_at = round((now + self.resend_seconds) * 1000)
        if ends(event):
            told_before = mark.ended and mark.again_at > 0
            if not mark.owes_resolve and not told_before:
                return step
            until = _seconds(event.resolved_at or event.published_at) + RESOLVE_SECONDS
            # The time in the event is the engine's: of an old log it lies far back, and once is enough.
            repeats = again_at if now + self.resend_seconds <= until else 0
            verb = Verb.RENEW if told_before else Verb.RESOLVE
            return Step(verb=verb, route=mark.route, leaves=Standing.CLOSED, again_at=repeats)
        if step.verb in (Verb.NONE, Verb.RESOLVE):
            return step
        renews = mark.owes_resolve and mark.revision == event.revision
        verb = Verb.RENEW if renews else Verb.TRIGGER
        return msgspec.structs.replace(step, verb=verb, leaves=Standing.OPEN, again_at=again_at)

    def rate_key(self, step: Step) -> str:
        """Return one key for all."""
        return self.name

    def request(self, event: IncidentEvent, step: Step, now: float) -> Request:
        """Write the alert of an incident."""
        alert = {
            "labels": labels_of(event, step.route, self.labels),
            "annotations": annotations_of(event, self.links),
            "startsAt": event.started_at,
            "endsAt": _ended_at(event) if _ends_here(event, step) else rfc3339(round(self._lease_end(now) * 1000)),
            "generatorURL": self.links.page(event) or self.links.alert(event),
        }
        if not alert["generatorURL"]:
            del alert["generatorURL"]
        return Request(
            url=f"{self.url.rstrip('/')}/api/v2/alerts", body=msgspec.json.encode([alert]), headers=_headers(self.token)
        )

    def verdict(self, reply: Reply, now: float) -> Verdict:
        """Read a reply: 200 taken, 400 never will be, all else may pass."""
        if 200 <= reply.status < 300:
            return Delivered()
        if reply.status in (400, 413):
            return Refused(detail(reply, (self.token,) if self.token else ()))
        return retry(reply, now)

    def _lease_end(self, now: float) -> float:
        return now + LEASE_INTERVALS * self.resend_seconds


class AlertmanagerWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """Speaks to whatever takes Alertmanager's notifications."""

    name: str
    url: str
    token: str | None = None
    links: Links = Links()
    coalesces: bool = True

    def step(self, event: IncidentEvent, mark: Mark, *, missed: bool, now: float) -> Step:
        """Say what comes next: a notification when it pages, when it changes and when it ends."""
        step = paging_step(event, mark, missed=missed, route=place_of(event), moves=_moves(event, mark))
        # The format has no acknowledgement: it would be one more notification of the same.
        is_told = step.verb is not Verb.ACKNOWLEDGE
        return step if is_told else Step(verb=Verb.NONE, leaves=mark.standing, route=mark.route)

    def rate_key(self, step: Step) -> str:
        """Return one key for all."""
        return self.name

    def request(self, event: IncidentEvent, step: Step, now: float) -> Request:
        """Write the notification of an incident: a group of one alert."""
        is_over = _ends_here(event, step)
        status = "resolved" if is_over else "firing"
        labels, annotations = labels_of(event, step.route, {}), annotations_of(event, self.links)
        page = self.links.page(event)
        document = {
            "version": "4",
            "groupKey": f"correlator/{event.incident_id}",
            "truncatedAlerts": 0,
            "status": status,
            "receiver": self.name,
            "groupLabels": {"incident_id": event.incident_id},
            "commonLabels": labels,
            "commonAnnotations": annotations,
            "externalURL": page,
            "alerts": [
                {
                    "status": status,
                    "labels": labels,
                    "annotations": annotations,
                    "startsAt": event.started_at,
                    "endsAt": _ended_at(event) if is_over else NEVER,
                    "generatorURL": page or self.links.alert(event),
                    "fingerprint": fingerprint(labels),
                }
            ],
        }
        return Request(url=self.url, body=msgspec.json.encode(document), headers=_headers(self.token))

    def verdict(self, reply: Reply, now: float) -> Verdict:
        """Read a reply: 2xx taken, what complains of the message never will be, all else may pass or be mended."""
        if 200 <= reply.status < 300:
            return Delivered()
        if 400 <= reply.status < 500 and reply.status not in PASSING:
            return Refused(detail(reply, (self.token,) if self.token else ()))
        return retry(reply, now)


def place_of(event: IncidentEvent) -> str:
    """Return the labels by which an Alertmanager routes, as JSON: the route of the opening.

    Labels are the identity of an alert, so those of the opening stay until the end, as a routing key does elsewhere; a
    page that is to go to another team or with another severity resolves the old alert and opens a new one.
    """
    root = event.root_cause
    labels = {
        "service": root.service,
        "severity": event.severity.value,
        "team": event.owner.team if event.owner else "",
    }
    return msgspec.json.encode({name: value for name, value in labels.items() if value}, order="sorted").decode()


def labels_of(event: IncidentEvent, route: str, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of an incident that was opened on a route."""
    own = {"alertname": ALERT_NAME, "incident_id": event.incident_id, "scope": event.scope}
    usable = {name: value for name, value in extra.items() if _LABEL.fullmatch(name)}
    routed = msgspec.json.decode(route or place_of(event), type=dict[str, str])
    return {name: value for name, value in {**usable, **routed, **own}.items() if value}


def _moves(event: IncidentEvent, mark: Mark) -> bool:
    return mark.route != place_of(event)


def _ends_here(event: IncidentEvent, step: Step) -> bool:
    """True if the alert ends: with the incident, or because it goes on under other labels."""
    return step.verb is Verb.RESOLVE or ends(event)


def annotations_of(event: IncidentEvent, links: Links) -> dict[str, str]:
    """Return what a human reads, and what may change while the incident stands."""
    root = event.root_cause
    found = {
        "summary": headline(event),
        "description": "\n".join([event.summary, *reasons(event, 10)]).strip(),
        "severity": event.severity.value,
        "service": root.service,
        "alert": root.alert or "",
        "confidence": f"{root.confidence:.2f}",
        "other_causes": ", ".join(rivals(event, 3)),
        "team": event.owner.team if event.owner else "",
        "extent": extent(event),
        "blast_radius": ", ".join(event.blast_radius[:20]),
        "merged_into": event.merged_into or "",
        "runbook_url": links.runbook(event),
        "dashboard_url": links.dashboard(event),
    }
    return {name: clip(value, MAX_ANNOTATION_CHARACTERS) for name, value in found.items() if value}


def fingerprint(labels: Mapping[str, str]) -> str:
    """Return Alertmanager's fingerprint: FNV-1a, 64 bits, over the sorted labels (prometheus/common, model)."""
    state = 0xCBF29CE484222325
    for name in sorted(labels):
        for byte in name.encode() + b"\xff" + labels[name].encode() + b"\xff":
            state = ((state ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{state:016x}"


def _ended_at(event: IncidentEvent) -> str:
    """Return the end, which Alertmanager wants behind the start."""
    end = event.resolved_at or event.published_at
    if _seconds(end) <= _seconds(event.started_at):
        return rfc3339(round(_seconds(event.started_at) * 1000) + 1)
    return end


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _headers(token: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    return headers if token is None else {**headers, "Authorization": f"Bearer {token}"}
