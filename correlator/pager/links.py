"""Where a human reads more: links that the alerts at the root cause brought, else addresses made of templates."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from correlator.domain import IncidentEvent
from correlator.formats.links import MAX_URL_CHARACTERS, address


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """Templates with {incident_id}, {service}, {alert}, {team} and {scope}; empty for none.

    What the author of a rule wrote on its alert knows more than a template for all of them.
    """

    incident_url: str = ""
    runbook_url: str = ""
    dashboard_url: str = ""

    def page(self, event: IncidentEvent) -> str:
        """Return the address of the incident's page, "" for none."""
        return _filled(self.incident_url, event)

    def runbook(self, event: IncidentEvent) -> str:
        """Return the address of the runbook, "" for none."""
        return _brought(event, "runbook") or _of_the_root(self.runbook_url, event)

    def dashboard(self, event: IncidentEvent) -> str:
        """Return the address of the root cause's dashboard, "" for none."""
        return _brought(event, "dashboard") or _of_the_root(self.dashboard_url, event)

    def alert(self, event: IncidentEvent) -> str:
        """Return the address of the root's alert at its sender, "" for none."""
        return _brought(event, "source")

    def of(self, event: IncidentEvent) -> list[tuple[str, str]]:
        """Return (text, address) of every link there is."""
        found = [
            ("Incident", self.page(event)),
            ("Runbook", self.runbook(event)),
            ("Dashboard", self.dashboard(event)),
            ("Alert", self.alert(event)),
        ]
        return [(text, url) for text, url in found if url]


def _brought(event: IncidentEvent, kind: str) -> str:
    # Whoever writes into the topic writes what he likes, and a target may refuse a whole page for a bad address.
    return next((url for link in event.links if link.kind == kind and (url := address(link.url))), "")


def _of_the_root(template: str, event: IncidentEvent) -> str:
    # A silent root has no alert, so no page of one.
    return "" if "{alert}" in template and not event.root_cause.alert else _filled(template, event)


def _filled(template: str, event: IncidentEvent) -> str:
    values = {
        "incident_id": event.incident_id,
        "service": event.root_cause.service,
        "alert": event.root_cause.alert or "",
        "team": event.owner.team if event.owner else "",
        "scope": event.scope,
    }
    filled = template.format(**{key: quote(value, safe="") for key, value in values.items()})
    return filled if len(filled) <= MAX_URL_CHARACTERS else ""
