"""The life of an incident as a table: at each stage, what a trigger leads to and what is published of it.

What is not in the table cannot happen: a missing key is an error of the program. docs/lifecycle.md shows it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from correlator.domain import Action, IncidentStatus
from correlator.engine.state import Incident


class Stage(StrEnum):
    """Where an incident stands; nobody has heard of a pending one."""

    PENDING = "pending"
    OPEN = "open"
    QUIET = "quiet"  # open, but nothing in it fires
    RESOLVED = "resolved"  # over, and remembered for a while
    ENDED = "ended"  # resolved by an operator, whether or not something in it fires
    GONE = "gone"


class Trigger(StrEnum):
    """What moves an incident on."""

    HELD = "held"  # looked at, and not worth a page (yet)
    WORTH_A_PAGE = "worth_a_page"
    CONTINUES = "continues"  # it is more of an incident that was told before
    FIRES = "fires"  # something in it fires
    FALLS_QUIET = "falls_quiet"  # nothing in it fires any more
    STAYED_QUIET = "stayed_quiet"  # for `resolve_after_seconds`
    ENDED_BY_HAND = "ended_by_hand"  # an operator resolves it
    PAGES_AGAIN = "pages_again"  # what an operator resolved got worse, fires on for too long, or is reopened by one
    NEWS = "news"  # it has become another thing to its reader
    OVER = "over"  # nothing in it fires, all keep their places, and the time to come back is over
    EMPTIED = "emptied"  # all that was in it went into another


class Step(NamedTuple):
    """The stage that follows, and what is published on the way."""

    stage: Stage
    action: Action | None = None
    page: bool = False


TABLE: dict[tuple[Stage, Trigger], Step] = {
    (Stage.PENDING, Trigger.HELD): Step(Stage.PENDING),
    (Stage.PENDING, Trigger.WORTH_A_PAGE): Step(Stage.OPEN, Action.OPENED, page=True),
    (Stage.PENDING, Trigger.CONTINUES): Step(Stage.GONE),
    (Stage.PENDING, Trigger.OVER): Step(Stage.GONE),
    (Stage.PENDING, Trigger.EMPTIED): Step(Stage.GONE),
    (Stage.OPEN, Trigger.FIRES): Step(Stage.OPEN),
    (Stage.OPEN, Trigger.NEWS): Step(Stage.OPEN, Action.UPDATED),
    (Stage.OPEN, Trigger.FALLS_QUIET): Step(Stage.QUIET),
    (Stage.OPEN, Trigger.ENDED_BY_HAND): Step(Stage.ENDED, Action.RESOLVED),
    (Stage.OPEN, Trigger.EMPTIED): Step(Stage.GONE, Action.MERGED),
    (Stage.QUIET, Trigger.FIRES): Step(Stage.OPEN),
    (Stage.QUIET, Trigger.NEWS): Step(Stage.QUIET, Action.UPDATED),
    (Stage.QUIET, Trigger.STAYED_QUIET): Step(Stage.RESOLVED, Action.RESOLVED),
    (Stage.QUIET, Trigger.ENDED_BY_HAND): Step(Stage.ENDED, Action.RESOLVED),
    (Stage.QUIET, Trigger.EMPTIED): Step(Stage.GONE, Action.MERGED),
    (Stage.RESOLVED, Trigger.FIRES): Step(Stage.OPEN, Action.REOPENED, page=True),
    (Stage.RESOLVED, Trigger.OVER): Step(Stage.GONE),
    (Stage.RESOLVED, Trigger.EMPTIED): Step(Stage.GONE),
    (Stage.ENDED, Trigger.PAGES_AGAIN): Step(Stage.OPEN, Action.REOPENED, page=True),
    (Stage.ENDED, Trigger.OVER): Step(Stage.GONE),
    (Stage.ENDED, Trigger.EMPTIED): Step(Stage.GONE),
}


def stage_of(incident: Incident) -> Stage:
    if incident.revision == 0:
        return Stage.PENDING
    if incident.status is IncidentStatus.RESOLVED:
        return Stage.ENDED if incident.ended_by_hand else Stage.RESOLVED
    return Stage.QUIET if incident.quiet_since else Stage.OPEN


def take(incident: Incident, trigger: Trigger, now: int, *, quiet_since: int = 0) -> Step:
    """Bring an incident to the stage that follows, and return the step.

    Args:
        quiet_since: when the last of it stopped firing, where it falls quiet.
    """
    step = TABLE[stage_of(incident), trigger]
    if step.action in (Action.RESOLVED, Action.MERGED):
        incident.status, incident.resolved_at = IncidentStatus.RESOLVED, now
        incident.ended_by_hand = step.stage is Stage.ENDED
    elif step.stage is Stage.OPEN:
        incident.quiet_since = 0
        if incident.status is IncidentStatus.RESOLVED:
            incident.status, incident.resolved_at, incident.ended_by_hand = IncidentStatus.TRIGGERED, 0, False
    elif step.stage is Stage.QUIET:
        incident.quiet_since = incident.quiet_since or max(1, quiet_since)  # 0 would say that it is open
    return step
