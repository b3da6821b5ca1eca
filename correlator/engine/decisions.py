"""What the engine says: a decision on every event at once, a verdict on every node when its fate is sealed."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from correlator.domain import Disposition, FeedbackAction, IncidentEvent


class Reason(StrEnum):
    """Why an event was dealt with as it was; a closed set."""

    # firing, first of its episode: the fate of its node decides
    NEW_TROUBLE = "new_trouble"  # first alert of a service's episode
    SAME_SERVICE = "same_service"  # another facet of an episode
    FLAPPING = "flapping"  # fires too often to begin an episode of its own
    # at once
    REPEAT = "repeat"  # firing, known to fire
    REPEATED_RESOLVE = "repeated_resolve"
    ALERT_RESOLVED = "alert_resolved"
    INSTANCE_RESOLVED = "instance_resolved"  # other instances of the alert still fire
    OLDER_EPISODE = "older_episode"  # about a firing that is over
    RESOLVED_BEFORE_FIRING = "resolved_before_firing"
    CHANGE = "change"  # a deploy or the like: context, never a page
    # verdicts
    ROOT_OF_INCIDENT = "root_of_incident"
    EXPLAINED = "explained"  # by the root of its incident, over the graph
    BACKGROUND = "background"  # more likely everyday noise than a fault
    TRANSIENT = "transient"  # over before it was worth a page
    LOW_SEVERITY = "low_severity"


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was done with one event. Where `disposition` is None, the verdict on `node` will say."""

    event_id: str
    fingerprint: str
    disposition: Disposition | None
    reason: Reason
    scope: str
    node: int  # 0 where it belongs to none


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The final fate of a node and so of the events in it."""

    node: int
    scope: str
    incident_id: str | None
    disposition: Disposition  # attached or suppressed
    reason: Reason
    opening_event: str | None  # the event that opened the incident, where this node holds it


class Outcome(StrEnum):
    """What came of an operator's word; whatever it is, the log keeps the word."""

    ACTED = "acted"
    KEPT = "kept"  # it is for figures and training, or says what is so already
    ENDED = "ended"  # the incident is over
    LATE = "late"  # something said later was heard before
    REPEATED = "repeated"  # the delivery was heard before
    NO_SUCH_INCIDENT = "no_such_incident"  # to be merged with: unknown to this engine, or over
    OTHER_SCOPE = "other_scope"  # to be merged with: of a scope with which nothing of this one is correlated
    NO_SUCH_SERVICE = "no_such_service"  # to be split off: not in the incident
    NO_SUCH_ALERT = "no_such_alert"  # to be split off: not in the incident, or over and forgotten
    NOTHING_LEFT = "nothing_left"  # all of the incident was to be split off


#: What cannot be done as it was said; who said it is to learn why.
REFUSALS = frozenset({
    Outcome.NO_SUCH_INCIDENT, Outcome.OTHER_SCOPE, Outcome.NO_SUCH_SERVICE, Outcome.NO_SUCH_ALERT, Outcome.NOTHING_LEFT,
})  # fmt: skip


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's word about an incident of this engine's. Engines that do not know the incident say nothing."""

    id: str
    incident_id: str
    action: FeedbackAction
    outcome: Outcome


Output = Decision | Verdict | Heard | IncidentEvent
