"""Whether a page goes out now: the gate before a target. Pure: a function of the event, the mark and the time.

The gate holds back openings only. What the target knows of is told to its end, whatever the hour: a resolve is never
held, and neither is an update. A held page is owed: the mark remembers it with the newest event, and it is judged again
when its time comes and, so that changed windows are noticed, every ten seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from correlator.config_pager import QuietHoursConfig, WindowConfig
from correlator.domain import IncidentEvent, IncidentStatus, Severity
from correlator.pager.exchange import Reply, Request, Verdict
from correlator.pager.hours import held_until, rules_of
from correlator.pager.mark import Dialect, Hold, HoldReason, Mark, Standing, Step, Verb, ends
from correlator.pager.windows import silencing

REVISIT_SECONDS = 10.0


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What may hold back a page: the severity floor, windows, quiet hours, in this order.

    `windows` returns those that are configured at the moment, for an operator adds them while the pager runs.
    """

    floor: Severity = Severity.INFO
    quiet_hours: QuietHoursConfig | None = None
    windows: Callable[[], Sequence[WindowConfig]] | None = None

    def hold(self, event: IncidentEvent, now: float) -> Hold | None:
        """Return why a page for this incident must wait, None if it goes out; `now` is seconds since the epoch."""
        if _weight(event.severity) < self.floor.rank:
            return Hold(reason=HoldReason.BELOW_FLOOR, by=self.floor.value)
        if self.windows is not None and (found := silencing(self.windows(), event, now)) is not None:
            window, end = found
            # A weekly window without a last day ends all the same, each time.
            return Hold(reason=HoldReason(window.kind), by=window.id, until=round(end * 1000))
        if self.quiet_hours is not None:
            rules = rules_of(self.quiet_hours, event.owner.team if event.owner else None)
            quiet = held_until(rules, event.severity, now)
            if quiet is not None:
                return Hold(reason=HoldReason.QUIET_HOURS, by=quiet[0], until=round(quiet[1] * 1000))
        return None


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """A dialect behind a policy. `hears_all` is True where the target hears every event, not pages only."""

    inner: Dialect
    policy: Policy
    hears_all: bool = False

    @property
    def name(self) -> str:
        """Return the target's name."""
        return self.inner.name

    @property
    def coalesces(self) -> bool:
        """Return what the target allows."""
        return self.inner.coalesces

    def step(self, event: IncidentEvent, mark: Mark, *, missed: bool, now: float) -> Step:
        """Say what comes next: what the target's dialect says, unless it is a page that must wait."""
        is_owed = mark.hold is not None
        if ends(event):
            if self.hears_all and is_owed and not mark.owes_resolve:
                # It was never told of, so its end is no news.
                return Step(verb=Verb.NONE, leaves=Standing.CLOSED)
            return self.inner.step(event, mark, missed=missed, now=now)
        told = msgspec.structs.replace(event, page=True) if is_owed and not self.hears_all else event
        may_have_paged = missed and event.status is IncidentStatus.TRIGGERED
        opens = self.hears_all or told.page or may_have_paged
        if mark.owes_resolve or not opens:
            return self.inner.step(told, mark, missed=missed, now=now)
        if is_owed and event.status is IncidentStatus.ACKNOWLEDGED:
            # Somebody has it in hand; if they let go, the page is still owed.
            return _held(Hold(reason=HoldReason.ACKNOWLEDGED), now)
        hold = self.policy.hold(event, now)
        return self.inner.step(told, mark, missed=missed, now=now) if hold is None else _held(hold, now)

    def rate_key(self, step: Step) -> str:
        """Return what the target counts calls by."""
        return self.inner.rate_key(step)

    def request(self, event: IncidentEvent, step: Step, now: float) -> Request:
        """Write the request of a step."""
        return self.inner.request(event, step, now)

    def verdict(self, reply: Reply, now: float) -> Verdict:
        """Read a reply."""
        return self.inner.verdict(reply, now)


def _held(hold: Hold, now: float) -> Step:
    again_at = 0
    if hold.until:
        again_at = min(hold.until, round((now + REVISIT_SECONDS) * 1000))
    return Step(verb=Verb.NONE, leaves=Standing.CLOSED, hold=hold, again_at=again_at)


def _weight(severity: Severity) -> int:
    return Severity.WARNING.rank if severity is Severity.UNKNOWN else severity.rank
