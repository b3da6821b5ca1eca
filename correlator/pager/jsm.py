"""Jira Service Management operations, and Opsgenie before it: the same API at another address.

https://support.atlassian.com/jira-service-management-cloud/docs/integrate-with-your-api and
https://docs.opsgenie.com/docs/alert-api. The `alias` is the incident id. An alert that is created again under an open
alias is only counted: what changed is put into it, priority before message. All requests are processed later (202), so
a reply does not prove that the alert exists; a close of what does not is an error nobody sees, and does no harm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from correlator.domain import IncidentEvent, Severity
from correlator.pager.exchange import Delivered, Refused, Reply, Request, Verdict, detail, retry
from correlator.pager.links import Links
from correlator.pager.mark import Mark, Step, Verb, paging_step
from correlator.pager.routes import Routes
from correlator.pager.wording import clip, extent, headline, reasons, rivals

#: https://docs.opsgenie.com/docs/alert-api#create-alert, in characters.
MAX_ALIAS, MAX_MESSAGE, MAX_DESCRIPTION, MAX_ENTITY, MAX_SOURCE, MAX_TAG = 512, 130, 15_000, 512, 100, 50
#: All names and values of `details` together.
MAX_DETAILS = 8_000
MAX_DETAIL = 1_000

_PRIORITY = {
    Severity.CRITICAL: "P1",
    Severity.ERROR: "P2",
    Severity.WARNING: "P3",
    Severity.UNKNOWN: "P3",
    Severity.INFO: "P5",
}


class Jsm(msgspec.Struct, frozen=True, kw_only=True):
    """Speaks to JSM; the addresses of `routes` are integration keys, `responders` maps teams to those there.

    A mark's `ref` is what was told of the incident: its priority and a digest of its message.
    """

    name: str
    base_url: str
    routes: Routes
    responders: Mapping[str, str] = {}
    links: Links = Links()
    coalesces: bool = True

    def step(self, event: IncidentEvent, mark: Mark, *, missed: bool, now: float) -> Step:
        """Say what comes next; what was told already is not told again."""
        route = self.routes.of(event)
        moves = self.routes.address(mark.route) != self.routes.address(route)
        step = paging_step(event, mark, missed=missed, route=route, moves=moves)
        if step.verb is not Verb.TRIGGER:
            # An acknowledgement changes nothing of what was told.
            return msgspec.structs.replace(step, ref=mark.ref) if step.verb is Verb.ACKNOWLEDGE else step
        priority, text = _PRIORITY[event.severity], _digest(headline(event))
        if not mark.owes_resolve or not mark.ref:
            return msgspec.structs.replace(step, ref=f"{priority} {text}")
        told_priority, _, told_text = mark.ref.partition(" ")
        if told_priority != priority:
            return msgspec.structs.replace(
                step, ref=f"{priority} {told_text}", part="priority", final=told_text == text
            )
        if told_text != text:
            return msgspec.structs.replace(step, ref=f"{priority} {text}", part="message")
        return msgspec.structs.replace(step, verb=Verb.NONE, ref=mark.ref)

    def rate_key(self, step: Step) -> str:
        """Return the integration's key: requests are counted by it."""
        return self.routes.address(step.route)

    def request(self, event: IncidentEvent, step: Step, now: float) -> Request:
        """Write the request of a step."""
        alerts = f"{self.base_url.rstrip('/')}/v2/alerts"
        alias = f"{alerts}/{quote(event.incident_id[:MAX_ALIAS], safe='')}"
        document: dict[str, Any] = {"source": "correlator"}
        method, url = "POST", alerts
        if step.verb is Verb.RESOLVE:
            url = f"{alias}/close?identifierType=alias"
        elif step.verb is Verb.ACKNOWLEDGE:
            url = f"{alias}/acknowledge?identifierType=alias"
        elif step.part == "priority":
            method, url, document = (
                "PUT",
                f"{alias}/priority?identifierType=alias",
                {"priority": _PRIORITY[event.severity]},
            )
        elif step.part == "message":
            method, url = "PUT", f"{alias}/message?identifierType=alias"
            document = {"message": clip(headline(event), MAX_MESSAGE)}
        else:
            document = self._alert(event)
        headers = {"Content-Type": "application/json", "Authorization": f"GenieKey {self.routes.address(step.route)}"}
        return Request(url=url, body=msgspec.json.encode(document), headers=headers, method=method)

    def verdict(self, reply: Reply, now: float) -> Verdict:
        """Read a reply: 2xx taken, 400 and 422 never will be; all else, a wrong key too, an operator can mend."""
        if 200 <= reply.status < 300:
            return Delivered()
        if reply.status in (400, 413, 422):
            return Refused(detail(reply, self.routes.secrets()))
        return retry(reply, now)

    def _alert(self, event: IncidentEvent) -> dict[str, Any]:
        root = event.root_cause
        lines = [event.summary, "", *(f"- {reason}" for reason in reasons(event, 10)), "", extent(event)]
        if others := rivals(event, 5):
            lines.append(f"Other possible causes: {', '.join(others)}")
        lines += [f"{text}: {address}" for text, address in self.links.of(event)]
        team = self.responders.get(event.owner.team) if event.owner else None
        alert: dict[str, Any] = {
            "message": clip(headline(event), MAX_MESSAGE),
            "alias": event.incident_id[:MAX_ALIAS],
            "description": clip("\n".join(lines).strip(), MAX_DESCRIPTION),
            "entity": clip(root.service, MAX_ENTITY),
            "priority": _PRIORITY[event.severity],
            "source": clip("correlator", MAX_SOURCE),
            "tags": ["correlated", clip(event.severity.value, MAX_TAG)],
            "details": _bounded(
                {
                    "incident_id": event.incident_id,
                    "scope": event.scope,
                    "root_cause": root.service,
                    "alert": root.alert or "",
                    "confidence": f"{root.confidence:.2f}",
                    "owner": event.owner.team if event.owner else "",
                    "since": event.started_at,
                    "services": ", ".join(event.services[:20]),
                    "blast_radius": ", ".join(event.blast_radius[:20]),
                }
            ),
        }
        # A team that is not known there would undo the whole alert, without a word in the reply.
        return alert | ({"responders": [{"type": "team", "name": team}]} if team else {})


def _bounded(details: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    left = MAX_DETAILS
    for name, value in details.items():
        shown = clip(value, MAX_DETAIL)
        left -= len(name) + len(shown)
        if shown and left >= 0:
            found[name] = shown
    return found


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=6).hexdigest()
