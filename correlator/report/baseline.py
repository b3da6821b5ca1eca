"""What would have paged without us: Alertmanager's usual grouping, by alert name, cluster and service."""

from __future__ import annotations

from correlator.domain import Severity
from correlator.report.noise import Fate

#: A firing that is neither renewed nor resolved counts as over after this time, unless its sender said when.
_LEASE_MS = 3_600_000


class Baseline:
    """Counts the notifications of groups: one whenever a group begins to fire, none while it does.

    It is generous to the baseline: what joins a group that fires notifies nobody, and nothing is repeated.
    """

    def __init__(self) -> None:
        self._firing: dict[tuple[str, str, str], dict[str, int]] = {}
        #: (service, instant in milliseconds) of each notification.
        self.pages: list[tuple[str, int]] = []

    def add(self, fate: Fate) -> None:
        """Take one event, in the order of arrival, of which name, service and time are known."""
        if fate.name is None or fate.service is None or fate.at is None or fate.fingerprint is None:
            return
        if fate.reason == "change" or fate.severity is Severity.INFO:
            return  # whatever groups them, these page nobody
        group = self._firing.setdefault((fate.name, fate.cluster, fate.service), {})
        for fingerprint in [known for known, until in group.items() if until <= fate.at]:
            del group[fingerprint]
        if not fate.firing:
            group.pop(fate.fingerprint, None)
            return
        if not group:
            self.pages.append((fate.service, fate.at))
        group[fate.fingerprint] = max(fate.at + 1, fate.ends_at or fate.at + _LEASE_MS)
