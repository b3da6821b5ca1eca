"""What one target has been told of one incident, and what is to be said next. Frozen values."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import msgspec

from correlator.domain import Action, IncidentEvent, IncidentStatus
from correlator.pager.exchange import Delivered, Refused, Reply, Request, Verdict


class Verb(StrEnum):
    """What a target hears."""

    TRIGGER = "trigger"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    POST = "post"
    NONE = "none"


class Standing(StrEnum):
    """How an incident stands at the target."""

    CLOSED = "closed"
    #: A trigger was about to be sent: the target may or may not know of the incident, so a resolve is owed.
    OPENING = "opening"
    OPEN = "open"


class Mark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The durable memory of one incident at one target: the highest revision that is done, and how it stands.

    `route` is the one used at the opening, where everything that follows must go. `partition` is that of the incidents
    topic; `at` is when it was written, milliseconds since the epoch.
    """

    revision: int = 0
    action: Action | None = None
    standing: Standing = Standing.CLOSED
    route: str = ""
    ended: bool = False
    partition: int = 0
    at: int = 0

    @property
    def owes_resolve(self) -> bool:
        """True when the target may hold the incident open."""
        return self.standing is not Standing.CLOSED


NOTHING = Mark()


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to say to the target, and how the incident stands there afterwards.

    `final` is False when the same event needs another step, computed afresh from the mark this one leaves.
    """

    verb: Verb
    leaves: Standing
    route: str = ""
    final: bool = True


class Dialect(Protocol):
    """How one kind of target is spoken to: pure functions of an incident event and the mark."""

    @property
    def name(self) -> str:
        """Return the target's name in the configuration."""

    @property
    def coalesces(self) -> bool:
        """Return True if an update may be skipped when a newer event of the incident waits."""

    def step(self, event: IncidentEvent, mark: Mark, *, missed: bool) -> Step:
        """Say what comes next for an event; `missed` when revisions before it never reached us."""

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


def intent_before(step: Step, mark: Mark) -> Mark | None:
    """Return what must be durable before a step is taken: that a resolve may be owed from now on."""
    if step.verb is not Verb.TRIGGER or mark.owes_resolve:
        return None
    return msgspec.structs.replace(mark, standing=Standing.OPENING, route=step.route, ended=False)


def mark_after(
    event: IncidentEvent, step: Step, mark: Mark, verdict: Delivered | Refused, *, partition: int, at: int
) -> Mark:
    """Return the mark that a finished step leaves.

    A refused trigger leaves the standing as it was: an earlier attempt may have been taken although its reply was lost,
    and the next update, with other content, may pass.
    """
    if not step.final:
        return msgspec.structs.replace(mark, standing=step.leaves, route="", partition=partition, at=at)
    keeps = isinstance(verdict, Refused) and step.verb is Verb.TRIGGER
    standing = mark.standing if keeps else step.leaves
    return Mark(
        revision=event.revision,
        action=event.action,
        standing=standing,
        route=step.route if standing is not Standing.CLOSED else "",
        ended=ends(event),
        partition=partition,
        at=at,
    )
