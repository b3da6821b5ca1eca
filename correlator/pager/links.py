"""Where a human reads more: addresses made of templates."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from correlator.domain import IncidentEvent

#: No target takes longer addresses everywhere.
MAX_URL_CHARACTERS = 1024


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """Templates with {incident_id}, {service}, {alert}, {team} and {scope}; empty for none."""

    incident_url: str = ""
    runbook_url: str = ""
    dashboard_url: str = ""

    def page(self, event: IncidentEvent) -> str:
        """Return the address of the incident's page, "" for none."""
        return _filled(self.incident_url, event)

    def runbook(self, event: IncidentEvent) -> str:
        """Return the address of the runbook, "" for none."""
        return _of_the_root(self.runbook_url, event)

    def dashboard(self, event: IncidentEvent) -> str:
        """Return the address of the root cause's dashboard, "" for none."""
        return _of_the_root(self.dashboard_url, event)

    def of(self, event: IncidentEvent) -> list[tuple[str, str]]:
        """Return (text, address) of every link there is."""
        found = [
            ("Incident", self.page(event)),
            ("Runbook", self.runbook(event)),
            ("Dashboard", self.dashboard(event)),
        ]
        return [(text, address) for text, address in found if address]


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
    address = template.format(**{key: quote(value, safe="") for key, value in values.items()})
    return address if len(address) <= MAX_URL_CHARACTERS else ""
