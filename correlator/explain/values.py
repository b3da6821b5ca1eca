"""What an explanation says: plain values, written as JSON as they stand.

Weights are in nats: natural logarithms of how much likelier one explanation is than another. Instants are RFC 3339.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from correlator.domain import Action, Disposition, Evidence, IncidentStatus, Severity, Versions


class Bond(StrEnum):
    """How a node belongs to its tree."""

    FAULT = "fault"  # a fault of its own: the tree begins here
    SILENT_CAUSE = "silent_cause"  # explained by a service that says nothing
    CAUSED = "caused"  # by its parent, over a known path
    AGAIN = "again"  # the same service, an episode earlier
    BEYOND_THE_GRAPH = "beyond_the_graph"  # began with the others; no path is known
    KEPT = "kept"  # was told to belong here, and nothing explains it any more


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a path: `source` depends on `to`, or says so in its alert."""

    source: str
    to: str
    type: str  # a type of dependency, `text` or `call`


class AlertOf(msgspec.Struct, frozen=True, kw_only=True):
    """One alert of a node."""

    fingerprint: str
    name: str
    kind: str
    severity: Severity
    starts_at: str
    event_id: str
    summary: str


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One node of the tree.

    Args:
        strength: how much likelier this explanation is than everyday noise, nats; None where it is no longer weighed.
            Those of all members sum to the incident's gain.
        margin: how much likelier than the node's next best explanation, nats; negative where what was told was kept.
        elsewhere: the other incident that holds the node, where what was told keeps it there.
    """

    node: int
    parent: int | None
    bond: Bond
    service: str
    alerts: list[AlertOf]
    alerts_total: int
    firing: int
    onset_at: str
    cause: str | None
    delay_seconds: float | None
    path: list[Hop]
    silent: list[str]
    strength: float | None
    strength_words: str
    margin: float | None
    next_best: str
    elsewhere: str | None


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate for the root.

    Args:
        weighed: its probability before calibration.
        log_weight: of all explanations that begin with it, relative to the best candidate's, nats.
        features: what the ranker knows of it; zeros are left out.
    """

    service: str
    probability: float
    weighed: float
    log_weight: float | None
    silent: bool
    evidence: list[Evidence]
    features: dict[str, float]


class Factor(msgspec.Struct, frozen=True, kw_only=True):
    """One feature that sets the root apart from a rival; positive nats speak for the root."""

    feature: str
    words: str
    root: float
    rival: float
    nats: float


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A change that was applied to the input and turned the root, and to which service."""

    change: str
    root: str
    probability: float


class Rival(msgspec.Struct, frozen=True, kw_only=True):
    """Why the root and not this candidate.

    Args:
        lead: how much more the root weighs, nats.
        turns: changes that make this one the root, each applied and seen.
    """

    service: str
    probability: float
    lead: float
    factors: list[Factor]
    turns: list[Turn]


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """A service that says nothing although it ought to if the root were in trouble.

    Args:
        cost: how much its silence speaks against a fault of the whole root, nats.
    """

    service: str
    where: str
    cost: float | None


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """Other trouble at the time that is not in the incident, and why not.

    Args:
        short_by: how much likelier its own explanation is than the best one by a member, nats; None where there is
            none at all.
    """

    service: str
    alerts: list[str]
    onset_at: str
    offset_seconds: float
    incident_id: str | None
    published: bool
    explained_by: str
    short_by: float | None
    why: str


class ChangeConsidered(msgspec.Struct, frozen=True, kw_only=True):
    """A deploy or the like near the incident; `raises` is by how much it makes a fault of its service likelier."""

    service: str
    name: str
    summary: str
    at: str
    seconds_before_onset: float | None
    raises: float


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """How many changes of the input were applied to see whether the root turns; `why_none` where none was."""

    changes: int
    turned: int
    why_none: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of one incident, explained.

    Args:
        gain: log odds that the incident is a fault rather than noise throughout, nats.
        faults_of_late: how much of it is because faults were frequent here of late, nats.
        real: the same as a probability.
        as_published: whether what was replayed is what was published; None where there was nothing to compare with.
    """

    schema: str = "explanation/1"
    incident_id: str
    scope: str
    revision: int
    revisions: int
    action: Action
    page: bool
    status: IncidentStatus
    title: str
    at: str
    root: str
    root_silent: bool
    confidence: float
    gain: float
    faults_of_late: float
    real: float
    members: list[Member]
    suspects: list[Suspect]
    rivals: list[Rival]
    turns: list[Turn]
    tried: Tried
    silences: list[Silence]
    neighbours: list[Neighbour]
    changes: list[ChangeConsidered]
    merged_into: str | None
    as_published: bool | None
    versions: Versions


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What an incident that has not paged was judged by.

    Args:
        faults_of_late: how much of `gain` is because faults were frequent here of late, nats.
        real: probability that it is a fault; below `threshold` it does not page.
        firings_per_day: how often each of its rules fires by noise alone, as learned.
    """

    severity: Severity
    services: list[str]
    gain: float
    faults_of_late: float
    real: float
    threshold: float
    firing: bool
    lasted_seconds: float
    firings_per_day: dict[str, float]


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """A change that was applied to the input, and whether the alert's incident paged then."""

    change: str
    pages: bool
    after_seconds: float | None  # from its first arrival to the page


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one alert, and what it would have needed to page."""

    schema: str = "fate/1"
    event_id: str
    fingerprint: str
    name: str
    service: str
    scope: str
    severity: Severity
    arrived_at: str
    disposition: Disposition | None  # None while it is pending
    reason: str
    words: str
    incident_id: str | None
    member: Member | None
    judgement: Judgement | None
    needs: list[Need]
