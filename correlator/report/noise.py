"""Noise reduction and its parts: what became of the firing events, so that nothing is counted twice or left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec

from correlator.domain import Disposition, Severity

#: Reasons of events that are no firing; `older_episode` and `change` may be either, and count as firings.
_RESOLVES = frozenset({"repeated_resolve", "alert_resolved", "instance_resolved", "resolved_before_firing"})


class Fate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of one input event. `name` and what follows are None where only the assignment is known."""

    fingerprint: str | None
    disposition: Disposition
    reason: str
    incident_id: str | None
    firing: bool
    name: str | None = None
    service: str | None = None
    severity: Severity = Severity.UNKNOWN
    cluster: str = ""
    at: int | None = None
    ends_at: int | None = None


def fires(disposition: Disposition, reason: str) -> bool:
    """Tell by its fate whether an event was a firing, where the event itself is not known."""
    return disposition is not Disposition.REJECTED and reason not in _RESOLVES


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Firing events by what became of them; `firing` is the sum of the parts that follow it.

    `deduplicated`: repeats of what was known to fire. `stale`: of firings that were over. `suppressed`: by reason.
    `correlated`: joined an incident that another event opened. `opened`: opened one.
    """

    events: int
    resolves: int
    rejected: int
    firing: int
    deduplicated: int
    stale: int
    suppressed: Mapping[str, int]
    correlated: int
    opened: int
    pages: int

    @property
    def noise_reduction(self) -> float | None:
        """1 - pages / firing events; None without any."""
        return ratio(self.firing - self.pages, self.firing)

    @property
    def deduplication(self) -> float | None:
        return ratio(self.deduplicated, self.firing)

    @property
    def suppression(self) -> float | None:
        """Suppressed of the firings that were news."""
        held = sum(self.suppressed.values())
        return ratio(held, held + self.correlated + self.opened)


class Account:
    """Counts fates and pages into parts."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._suppressed: Counter[str] = Counter()
        self.pages = 0

    def add(self, fate: Fate) -> None:
        self._counts["events"] += 1
        if fate.disposition is Disposition.REJECTED:
            self._counts["rejected"] += 1
        elif not fate.firing:
            self._counts["resolves"] += 1
        else:
            self._counts["firing"] += 1
            if fate.disposition is Disposition.SUPPRESSED:
                self._suppressed[fate.reason] += 1
            else:
                self._counts[fate.disposition] += 1

    def parts(self) -> Parts:
        counts = self._counts
        return Parts(
            events=counts["events"],
            resolves=counts["resolves"],
            rejected=counts["rejected"],
            firing=counts["firing"],
            deduplicated=counts[Disposition.DUPLICATE],
            stale=counts[Disposition.STALE] + counts[Disposition.RESOLVED],
            suppressed=dict(sorted(self._suppressed.items())),
            correlated=counts[Disposition.ATTACHED],
            opened=counts[Disposition.OPENED],
            pages=self.pages,
        )


def ratio(part: float, whole: float) -> float | None:
    """Return a part of a whole, to four digits; None of nothing."""
    return round(part / whole, 4) if whole else None
