"""What is said and counted when a page is held, goes out after all, or is not needed any more."""

from __future__ import annotations

import structlog

from correlator.domain import rfc3339
from correlator.pager.delivery import Work
from correlator.pager.mark import Mark, ends
from correlator.pager.metrics import PagerMetrics

log = structlog.get_logger("correlator.pager")


def tell_of_hold(target: str, work: Work, before: Mark, after: Mark, metrics: PagerMetrics) -> None:
    """Tell of a hold that began, changed its reason or ended; nothing of one that goes on."""
    old, new = before.hold, after.hold
    if old == new or (old is None and new is None):
        return
    event = work.event
    context = {"target": target, "incident_id": event.incident_id, "revision": event.revision, "title": event.title}
    if new is not None:
        if old is None or (old.reason, old.by) != (new.reason, new.by):
            until = rfc3339(new.until) if new.until else None
            log.info("page held", reason=new.reason.value, by=new.by, until=until, **context)
        if old is None:
            metrics.holds.labels(target, new.reason.value, "held").inc()
        return
    assert old is not None
    outcome = "dropped" if ends(event) else "released"
    text = "held page not needed any more, the incident ended" if outcome == "dropped" else "held page released"
    metrics.holds.labels(target, old.reason.value, outcome).inc()
    log.info(text, reason=old.reason.value, by=old.by, since=rfc3339(old.since), **context)
