"""What one target has been told of one incident, and what is to be said next. Frozen values."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import msgspec

from correlator.domain import Action, IncidentEvent, IncidentStatus
from correlator.pager.exchange import Delivered, Refused, Reply, Request, Verdict

#: Half of the largest record that Kafka takes by default.
MAX_KEPT_BYTES = 500_000


class Verb(StrEnum):
    """What a target hears."""

    TRIGGER = "trigger"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    POST = "post"
    #: Say again what was said, for a target that forgets it otherwise.
    RENEW = "renew"
    NONE = "none"


class Standing(StrEnum):
    """How an incident stands at the target."""

    CLOSED = "closed"
    #: A trigger was about to be sent: the target may or may not know of the incident, so a resolve is owed.
    OPENING = "opening"
    OPEN = "open"


class HoldReason(StrEnum):
    """Why a page is not sent now."""

    BELOW_FLOOR = "below_floor"
    MAINTENANCE = "maintenance"
    SILENCE = "silence"
    QUIET_HOURS = "quiet_hours"
    ACKNOWLEDGED = "acknowledged"


class Hold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page that is owed and not sent: why, by which window or class of hours, from when until when.

    Instants are milliseconds since the epoch; `until` is 0 where only news of the incident can end it.
    """

    reason: HoldReason
    by: str = ""
    since: int = 0
    until: int = 0


class Mark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The durable memory of one incident at one target: the highest revision that is done, and how it stands.

    `route` is the one used at the opening, where everything that follows must go. `partition` is that of the incidents
    topic; `at` is when it was written, milliseconds since the epoch. `ref` is what the target calls the incident, or
    what it was told of it. An incident with a `hold` is owed a page. `kept` is told again at `again_at`, without news.
    """

    revision: int = 0
    action: Action | None = None
    standing: Standing = Standing.CLOSED
    route: str = ""
    ended: bool = False
    partition: int = 0
    at: int = 0
    ref: str = ""
    hold: Hold | None = None
    kept: IncidentEvent | None = None
    again_at: int = 0

    @property
    def owes_resolve(self) -> bool:
        """True when the target may hold the incident open."""
        return self.standing is not Standing.CLOSED


NOTHING = Mark()


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to say to the target, and how the incident stands there afterwards.

    `final` is False when the same event needs another step, computed afresh from the mark this one leaves. `ref` is
    remembered with the mark; `part` tells apart the requests of one verb. `again_at` (milliseconds) asks to come back
    to the event without any news.
    """

    verb: Verb
    leaves: Standing
    route: str = ""
    final: bool = True
    ref: str = ""
    part: str = ""
    hold: Hold | None = None
    again_at: int = 0


class Dialect(Protocol):
    """How one kind of target is spoken to: pure functions of an incident event and the mark."""

    @property
    def name(self) -> str:
        """Return the target's name in the configuration."""

    @property
    def coalesces(self) -> bool:
        """Return True if an update may be skipped when a newer event of the incident waits."""

    def step(self, event: IncidentEvent, mark: Mark, *, missed: bool, now: float) -> Step:
        """Say what comes next for an event; `missed` when revisions before it never reached us, `now` as below."""

    def rate_key(self, step: Step) -> str:
        """Return what the target counts calls by; never shown to anyone."""

    def request(self, event: IncidentEvent, step: Step, now: float) -> Request:
        """Write the request of a step; `now` is seconds since the epoch."""

    def verdict(self, reply: Reply, now: float) -> Verdict:
        """Read a reply; `now` is seconds since the epoch."""


def ends(event: IncidentEvent) -> bool:
    """True for the event after which the incident is over: resolved or merged into another."""
    return event.status is IncidentStatus.RESOLVED or event.action in (Action.RESOLVED, Action.MERGED)


def urgent(event: IncidentEvent) -> bool:
    """True for what must not wait behind updates: pages and resolves."""
    return event.page or ends(event)


def every_event(event: IncidentEvent) -> Step:
    """Return the step of a target that hears every event, whatever it heard before."""
    return Step(verb=Verb.POST, leaves=Standing.CLOSED if ends(event) else Standing.OPEN)


def paging_step(event: IncidentEvent, mark: Mark, *, missed: bool, route: str, moves: bool) -> Step:
    """Return the step of a target that knows incidents as open or closed and hears of those that page.

    Where revisions are missing (compacted away while no pager ran) and the incident is open, one of them may have been
    the page: then it pages.

    Args:
        route: where the event would be opened now.
        moves: True if that is another place than the one it was opened at.
    """
    if ends(event):
        return Step(verb=Verb.RESOLVE if mark.owes_resolve else Verb.NONE, route=mark.route, leaves=Standing.CLOSED)
    if event.page and mark.owes_resolve and moves:
        # It goes to another team: the old one is released first, for a resolve at the new place would be dropped.
        return Step(verb=Verb.RESOLVE, route=mark.route, leaves=Standing.CLOSED, final=False)
    if event.page:
        return Step(verb=Verb.TRIGGER, route=mark.route if mark.owes_resolve else route, leaves=Standing.OPEN)
    if mark.owes_resolve:
        if event.action is Action.ACKNOWLEDGED:
            return Step(verb=Verb.ACKNOWLEDGE, route=mark.route, leaves=mark.standing)
        return Step(verb=Verb.TRIGGER, route=mark.route, leaves=Standing.OPEN)
    if missed and event.status is IncidentStatus.TRIGGERED:
        return Step(verb=Verb.TRIGGER, route=route, leaves=Standing.OPEN)
    return Step(verb=Verb.NONE, leaves=Standing.CLOSED)


def intent_before(step: Step, mark: Mark) -> Mark | None:
    """Return what must be durable before a step is taken: that a resolve may be owed from now on.

    A page that was held stays owed until the outcome is recorded: its event is not read from the topic again.
    """
    if step.verb is not Verb.TRIGGER or mark.owes_resolve:
        return None
    return msgspec.structs.replace(mark, standing=Standing.OPENING, route=step.route, ref="", ended=False)


def mark_after(
    event: IncidentEvent, step: Step, mark: Mark, verdict: Delivered | Refused, *, partition: int, at: int
) -> Mark:
    """Return the mark that a finished step leaves.

    A refused trigger leaves the standing as it was: an earlier attempt may have been taken although its reply was lost,
    and the next update, with other content, may pass.
    """
    refused = isinstance(verdict, Refused)
    standing = mark.standing if refused and step.verb is Verb.TRIGGER else step.leaves
    ref = verdict.ref if isinstance(verdict, Delivered) else ""
    if not refused or not step.final:
        # Even where a part of a step is refused: what follows must not begin with the same part again.
        ref = ref or step.ref
    ref = ref or mark.ref
    is_closed = standing is Standing.CLOSED
    if not step.final:
        return msgspec.structs.replace(
            mark,
            standing=standing,
            route="" if is_closed else step.route,
            ref="" if is_closed else ref,
            partition=partition,
            at=at,
        )
    again_at = 0 if refused else step.again_at
    hold = step.hold
    if hold is not None:
        hold = msgspec.structs.replace(hold, since=mark.hold.since if mark.hold else at)
    return Mark(
        revision=event.revision,
        action=event.action,
        standing=standing,
        route="" if is_closed and not step.again_at else step.route,
        ref="" if is_closed else ref,
        ended=ends(event),
        partition=partition,
        at=at,
        hold=hold,
        kept=kept_form(event) if again_at or hold else None,
        again_at=again_at,
    )


def supersedes(mark: Mark, known: Mark) -> bool:
    """True if a mark that was written later than a known one says more: of a revision at least as high.

    A hold does not take the place of an opening by the same event. Only a member that was suspended while it wrote the
    hold, and another meanwhile let the page out, writes in this order; the resolve is owed all the same.
    """
    if mark.revision == known.revision and mark.hold is not None and known.owes_resolve and not mark.owes_resolve:
        return False
    return mark.revision >= known.revision


def says_the_same(mark: Mark, other: Mark) -> bool:
    """True if two marks differ in nothing that a restart would not find out by itself: when, and when again."""
    return msgspec.structs.replace(mark, at=0, again_at=0) == msgspec.structs.replace(other, at=0, again_at=0)


def kept_form(event: IncidentEvent) -> IncidentEvent:
    """Return an event as it is kept in a mark: a large one without its sample and its changes.

    A mark is a record of Kafka, which takes a megabyte.
    """
    if len(msgspec.json.encode(event)) <= MAX_KEPT_BYTES:
        return event
    alerts = msgspec.structs.replace(event.alerts, sample=[])
    return msgspec.structs.replace(event, alerts=alerts, changes=[])
