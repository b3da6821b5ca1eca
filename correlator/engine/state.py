"""What the engine remembers: plain values, so that a snapshot is their encoding and nothing else.

Instants are milliseconds since the epoch. Dictionaries keep their order through a snapshot; nothing iterates a set.
Nothing refers back to what holds it, so the garbage collector need not look (`gc=False`): with a hundred thousand open
alerts it would do little else.
"""

from __future__ import annotations

import msgspec

from correlator.domain import Candidate, Edge, IncidentStatus, Severity
from correlator.engine.kinds import Kind


class Instance(msgspec.Struct, gc=False):
    """One series behind an alert: a pod, a replica of the monitoring."""

    started_at: int
    last_seen_at: int
    lease_until: int
    ended_at: int | None = None
    expired: bool = False  # it ended with its lease; nobody said so


class Alert(msgspec.Struct, gc=False):
    """One fingerprint. It fires while any of its instances does; an episode is one such stretch."""

    fingerprint: str
    name: str
    service: str
    kind: Kind
    severity: Severity
    entity: str | None
    edge: Edge | None
    instances: dict[str, Instance]
    firing: bool = False
    started_at: int = 0
    ended_at: int = 0
    lease_due_at: int = 0  # the entry this alert has in the timers, 0 for none
    resend_ms: int = 0  # the longest interval between the sender's repeats
    resends: int = 0  # how many of them were seen
    activations: list[int] = []  # arrival times, the last few: flapping is read from them
    node: int = 0

    def last_heard(self) -> int:
        """Return when any of its instances was last heard of."""
        return max((instance.last_seen_at for instance in self.instances.values()), default=0)


class ChangeEvent(msgspec.Struct, gc=False):
    """A deploy, a flag, a new configuration."""

    name: str
    summary: str
    started_at: int
    url: str = ""


class Facet(msgspec.Struct, gc=False):
    """One alert as a member of a node, kept as a sample for humans."""

    fingerprint: str
    name: str
    kind: Kind
    severity: Severity
    entity: str | None
    edge: Edge | None
    started_at: int
    event_id: str
    summary: str


class Node(msgspec.Struct, gc=False):
    """One episode of trouble of one service: alerts close in time are facets of one observation."""

    id: int
    service: str
    onset_at: int  # earliest start of an alert, by the senders' clocks
    arrived_at: int
    last_new_at: int
    names: dict[str, int]  # alert names -> how many alerts
    kinds: dict[Kind, int]
    members: dict[str, None]  # fingerprints; bounded, see `total`
    facets: list[Facet]
    severity: Severity
    total: int = 0
    firing: int = 0
    events: int = 0
    ended_at: int = 0  # valid while nothing fires
    steady: int = 0  # activations that are not flapping
    scheduled: list[str] = []  # those of its alert names that fire by a clock at this time
    mentions: list[str] = []
    callers: dict[str, int] = {}  # callers that complain about calls to this service
    relapse_of: int = 0  # the node of the same alert's episode before, in an incident that waited for its end
    parent: int = 0  # the node that explains it; 0 for its own fault or noise
    covered_by: str = ""  # the silent service that explains it
    incident: str = ""
    since: int = 0  # when the incident's first trouble began
    frozen: bool = False
    due_at: int = 0
    pin: str = ""  # an operator said with what it belongs: those of one pin are one tree, those of two are not
    ended_severity: Severity | None = None  # how severe it was when an operator ended its incident
    skewed_source: str = ""  # one of its sources, the clock of which is far off
    team: str = ""  # whose it is, by the word of the first of its alerts that says so
    links: dict[str, dict[str, str]] = {}  # alert names -> kinds of links -> addresses; of the first few names
    told_in: str = ""  # the incident that somebody was told of it in, where it left that for one nobody knows yet


class Incident(msgspec.Struct, gc=False):
    """A tree of nodes with one root cause; pending until `revision` is 1."""

    id: str
    created_at: int
    nodes: list[int]
    revision: int = 0
    status: IncidentStatus = IncidentStatus.TRIGGERED
    started_at: int = 0
    opened_at: int = 0
    opening_event: str = ""
    resolved_at: int = 0  # 0 while it is not resolved
    published_at: int = 0
    grown_at: int = 0  # when the last node joined
    quiet_since: int = 0  # when its last member stopped firing; 0 while one fires
    merged_into: str = ""
    split_from: str = ""  # the incident that most of it was told of in before
    split_at: int = 0  # while nobody was told of it: when the last of it left such an incident
    severity: Severity = Severity.INFO
    root: str = ""
    last_roots: list[Candidate] = []
    told_services: list[str] = []
    nodes_ranked: int = 0  # how many nodes the root was last named from
    weight: float = 0.0  # log density of the explanation of its live nodes
    weighed: list[int] = []  # those nodes
    shares: list[float] = []  # what each of them adds to the weight
    real: float = 0.0  # probability that it is a fault rather than noise
    ready_at: int = 0  # since when it would page but for the hold
    why_not: str = ""  # reason it has not paged, while it has not
    due_at: int = 0
    ended_by_hand: bool = False  # an operator resolved it; its alerts may go on, and page nobody
    said_at: int = 0  # when an operator said last how it stands, or it was reopened since
    team: str = ""  # to whom an operator gave it, in place of the root's owner
    route: str = ""  # where it is told of all the same
    root_said: str = ""  # the root, where an operator named another one
    note: str = ""  # why it pages although an operator had ended it or what it comes from


class Rate(msgspec.Struct, gc=False):
    """Decayed counts."""

    at: int
    count: float = 0.0
    lasted: list[float] = []  # of how it ended as noise, by its length; see `lasting`
    pairs: int = 0  # of a rule: on how many services it was seen
    minutes: list[int] = []  # of a rule on a service: in which minutes since the epoch it fired, of late


class Habit(msgspec.Struct, gc=False):
    """How the senders of a rule behave: whether they tell when it is over."""

    resolves: int = 0
    restamps: int = 0  # firings with a new start while the end of the one before was never told


class Hours(msgspec.Struct, array_like=True, gc=False):
    """Decayed counts: of hours, and of the noise in them."""

    at: int = 0
    hours: float = 0.0
    count: float = 0.0


class Rhythm(msgspec.Struct, gc=False):
    """How noise goes with the hours of the week; see `rhythm`."""

    hour: int = 0  # the one under way, since the epoch
    count: float = 0.0  # the noise in it
    whole: Hours = msgspec.field(default_factory=Hours)
    of_week: dict[int, Hours] = {}


class SenderClock(msgspec.Struct, gc=False):
    """How long after what a source says its messages arrive; see `skew`."""

    lags: list[int] = []  # of the last first firings and ends, in ms
    fresh: int = 0  # how many of them came since `ahead_ms` was found
    ahead_ms: int = 0  # how far its clock is ahead; negative where it is behind


class Background(msgspec.Struct, gc=False):
    """How often each alert fires when nothing is wrong; see `background`."""

    since: int = 0
    total: Rate = msgspec.field(default_factory=lambda: Rate(at=0))
    seen: int = 0  # pairs of service and rule
    counted: int = 0  # firings since what has decayed was last dropped
    names: dict[str, Rate] = {}
    pairs: dict[str, dict[str, Rate]] = {}  # service -> name -> rate
    rhythm: Rhythm = msgspec.field(default_factory=Rhythm)


class Scope(msgspec.Struct, gc=False):
    """All that is correlated together."""

    name: str
    alerts: dict[str, Alert] = {}
    nodes: dict[int, Node] = {}
    current: dict[str, int] = {}  # service -> node that new alerts may join
    incidents: dict[str, Incident] = {}
    background: Background = msgspec.field(default_factory=Background)
    pages: Rate = msgspec.field(default_factory=lambda: Rate(at=0))  # for new trouble, of late; see `faults`
    habits: dict[str, Habit] = {}  # alert name -> how its senders behave
    changes: dict[str, list[ChangeEvent]] = {}  # service -> the last few
    solve_due_at: int = 0
    clocks: dict[str, SenderClock] = {}  # source -> its clock, as far as seen
    ended: dict[str, int] = {}  # incidents that are over -> when; the last few, for what is said of them afterwards
    warm: str = ""  # the version of the warm start that it began with


class ScopeWarmth(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was learned of one scope, as of the instant `until`; see `warmth`."""

    until: int
    background: Background
    habits: dict[str, Habit]


class WarmStart(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a scope will begin with that nothing was heard of yet; `version` names it in incidents."""

    scope: str
    version: str
    learned: ScopeWarmth


class State(msgspec.Struct, gc=False):
    """A whole engine."""

    now: int = 0
    next_node: int = 1
    topology: str = ""
    scopes: dict[str, Scope] = {}
    heard: dict[str, int] = {}  # deliveries of feedback -> when; the last ones
    warm_starts: dict[str, WarmStart] = {}  # of scopes that are not in `scopes` yet
