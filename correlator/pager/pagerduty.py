"""PagerDuty Events API v2: https://developer.pagerduty.com/docs/events-api-v2-overview

A trigger opens an incident or, with the dedup_key of an open one, adds to it without paging again. Acknowledge and
resolve act on an open incident of the same routing key and are dropped silently otherwise. After a resolve the same
dedup_key opens a new incident: that is why what was sent is remembered (mark.py).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from correlator.domain import IncidentEvent, Severity
from correlator.pager.exchange import Delivered, Refused, Reply, Request, Verdict, detail, retry
from correlator.pager.links import Links
from correlator.pager.mark import Mark, Step, Verb, paging_step
from correlator.pager.routes import Routes

#: PagerDuty takes 512 KB; Alertmanager stays below with this figure, and so do we.
MAX_BODY_BYTES = 512_000
MAX_SUMMARY_CHARACTERS = 1024
MAX_DEDUP_KEY_CHARACTERS = 255
#: No field for a human to read at night is longer than a summary may be.
MAX_FIELD_CHARACTERS = 1024
MAX_SAMPLE = 20
MAX_CANDIDATES = 5
MAX_NAMES = 50
MAX_LINKS = 8
MAX_CHANGES = 5
MAX_REASONS = 10

_SEVERITY = {
    Severity.CRITICAL: "critical",
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
    Severity.UNKNOWN: "warning",
}

_ANY_KEY = re.compile(r"\b[A-Za-z0-9]{32}\b")

#: What goes first when an event is too large, least missed first.
_SHEDDING = ("alerts_sample", "changes", "services", "candidates", "blast_radius", "why", "summary")


class PagerDuty(msgspec.Struct, frozen=True, kw_only=True):
    """Speaks to PagerDuty.

    An address of `routes` is an integration key. A route that is itself one, as service catalogues annotate them, is
    used as it is.
    """

    name: str
    base_url: str
    routes: Routes
    links: Links = Links()
    coalesces: bool = True

    def step(self, event: IncidentEvent, mark: Mark, *, missed: bool, now: float) -> Step:
        """Say what PagerDuty is to hear next."""
        route = self.route_of(event)
        moves = self._key(mark.route) != self._key(route)
        return paging_step(event, mark, missed=missed, route=route, moves=moves)

    def route_of(self, event: IncidentEvent) -> str:
        """Return the route an event opens on: its owner's route, else team, else the default."""
        own = event.owner.route if event.owner else None
        if own and own not in self.routes.table and looks_like_integration_key(own):
            return own
        return self.routes.of(event)

    def rate_key(self, step: Step) -> str:
        """Return the integration key: PagerDuty counts calls by it."""
        return self._key(step.route)

    def request(self, event: IncidentEvent, step: Step, now: float) -> Request:
        """Write the call of a step."""
        envelope: dict[str, Any] = {
            "routing_key": self._key(step.route),
            "event_action": step.verb.value,
            "dedup_key": event.incident_id[:MAX_DEDUP_KEY_CHARACTERS],
        }
        body = msgspec.json.encode(envelope)
        if step.verb is Verb.TRIGGER:
            body = _fitting(envelope | _trigger(event, self.links))
        return Request(
            url=f"{self.base_url.rstrip('/')}/v2/enqueue", body=body, headers={"Content-Type": "application/json"}
        )

    def verdict(self, reply: Reply, now: float) -> Verdict:
        """Read a reply: 2xx taken, 400 and 413 never will be, all else may pass later."""
        if 200 <= reply.status < 300:
            return Delivered()
        if reply.status in (400, 413):
            complaint = detail(reply, self.routes.secrets())
            return Refused(_ANY_KEY.sub("***", complaint))
        return retry(reply, now)

    def _key(self, route: str) -> str:
        # Only a route of ours can be its own key; a name of 32 letters is a name.
        return self.routes.known(route) or (route if looks_like_integration_key(route) else self.routes.address(""))


def _trigger(event: IncidentEvent, links: Links) -> dict[str, Any]:
    root = event.root_cause
    payload = {
        "summary": _clip(event.title or event.summary or f"{root.service}: incident", MAX_SUMMARY_CHARACTERS),
        "source": _clip(root.entity or root.service or event.scope or "correlator"),
        "severity": _SEVERITY[event.severity],
        "timestamp": event.started_at,
        "component": _clip(root.service),
        "group": _clip(event.scope),
        "class": _clip(root.alert or "silent root cause"),
        "custom_details": _details(event),
    }
    told = [{"href": href, "text": text} for text, href in links.of(event)]
    told += [
        {"href": change["url"], "text": _clip(change.get("summary") or "change")}
        for change in event.changes
        if change.get("url", "").startswith(("http://", "https://")) and len(change["url"]) <= MAX_FIELD_CHARACTERS
    ]
    # PagerDuty shows images from https only.
    images = [
        {"src": change["image_url"], "alt": _clip(change.get("summary") or "change")}
        for change in event.changes
        if change.get("image_url", "").startswith("https://") and len(change["image_url"]) <= MAX_FIELD_CHARACTERS
    ]
    page = links.page(event)
    about = {"client": "correlator", "links": told[:MAX_LINKS], "images": images[:MAX_LINKS]}
    return {"payload": payload, **about, **({"client_url": page} if page else {})}


def _details(event: IncidentEvent) -> dict[str, Any]:
    root = event.root_cause
    main = next((candidate for candidate in root.candidates if candidate.service == root.service), None)
    return {
        "incident_id": event.incident_id,
        "revision": event.revision,
        "summary": _clip(event.summary),
        "root_cause": {
            "service": _clip(root.service),
            "entity": _clip(root.entity or ""),
            "alert": _clip(root.alert or ""),
            "silent": root.silent,
            "confidence": round(root.confidence, 3),
        },
        "why": [_clip(reason.text) for reason in main.evidence[:MAX_REASONS]] if main else [],
        "candidates": [
            {"service": _clip(candidate.service), "probability": round(candidate.probability, 3)}
            for candidate in root.candidates[:MAX_CANDIDATES]
        ],
        "owner": _clip(event.owner.team) if event.owner else "",
        "services": [_clip(service) for service in event.services[:MAX_NAMES]],
        "blast_radius": [_clip(service) for service in event.blast_radius[:MAX_NAMES]],
        "counts": {
            "alerts_firing": event.alerts.firing,
            "alerts": event.alerts.total,
            "events": event.alerts.events,
            "services": len(event.services),
            "blast_radius": len(event.blast_radius),
        },
        "alerts_sample": [
            {
                "fingerprint": _clip(alert.fingerprint),
                "name": _clip(alert.name),
                "service": _clip(alert.service),
                "status": alert.status.value,
                "why": _clip(alert.why),
            }
            for alert in event.alerts.sample[:MAX_SAMPLE]
        ],
        "changes": [
            {_clip(key): _clip(value) for key, value in list(change.items())[:MAX_NAMES]}
            for change in event.changes[:MAX_CHANGES]
        ],
    }


def _fitting(document: dict[str, Any]) -> bytes:
    """Encode an event, shedding details until it is within the limit; bytes of UTF-8 are what counts."""
    details = document["payload"]["custom_details"]
    body = msgspec.json.encode(document)
    for key in _SHEDDING:
        if len(body) <= MAX_BODY_BYTES:
            break
        details.pop(key, None)
        details["note"] = "details were left out: the event was too large for PagerDuty"
        body = msgspec.json.encode(document)
    return body


def _clip(text: str, characters: int = MAX_FIELD_CHARACTERS) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"


def looks_like_integration_key(key: str) -> bool:
    """True for 32 letters or digits, as PagerDuty's integration keys are."""
    return len(key) == 32 and key.isascii() and key.isalnum()
