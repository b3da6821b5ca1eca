"""The values of the field: alert events, alerts, incidents. Frozen, without behaviour beyond their own meaning.

All instants are integers: milliseconds since the epoch, UTC. Names end in `_at`. Spans are seconds as floats.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

import msgspec


class Status(StrEnum):
    FIRING = "firing"
    RESOLVED = "resolved"


class Severity(StrEnum):
    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    UNKNOWN = "unknown"

    @property
    def rank(self) -> int:
        """0 (info) to 4 (critical); unknown ranks as a warning would, in doubt."""
        return _SEVERITY_RANK[self]


_SEVERITY_RANK = {
    Severity.CRITICAL: 4,
    Severity.ERROR: 3,
    Severity.WARNING: 2,
    Severity.UNKNOWN: 1,
    Severity.INFO: 0,
}


class Edge(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A call between two services, for alerts on the call itself."""

    caller: str
    callee: str


class AlertEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a sender sent, parsed and named: one alert fires or is resolved.

    `fingerprint` identifies the alert, `instance` the series behind it (a replica, a pod): an alert fires while any
    of its instances does. `observed_at` is arrival time; `starts_at` and `ends_at` are the sender's.
    """

    id: str
    status: Status
    name: str
    service: str
    fingerprint: str
    starts_at: int
    observed_at: int
    instance: str = ""
    known_service: bool = True
    ends_at: int | None = None
    scope: str = "default"
    severity: Severity = Severity.UNKNOWN
    entity: str | None = None
    edge: Edge | None = None
    source: str = ""
    team: str = ""  # whose it is, by its own word
    named_by: str = ""  # what named the service: `sender`, `label:` and which, `call`, `entity`, `nothing`
    summary: str = ""
    labels: dict[str, str] = {}
    unreachable: bool = False  # its sender knows that something it depends on is down
    links: dict[str, str] = {}  # where a human reads more: kind (`runbook`, `dashboard`, `source`) -> address


class Disposition(StrEnum):
    """The one fate of every event; received = sum of dispositions."""

    OPENED = "opened"
    ATTACHED = "attached"
    DUPLICATE = "duplicate"
    RESOLVED = "resolved"
    SUPPRESSED = "suppressed"
    REJECTED = "rejected"
    STALE = "stale"


class Action(StrEnum):
    OPENED = "opened"
    UPDATED = "updated"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    MERGED = "merged"


class IncidentStatus(StrEnum):
    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reason for a candidate, for a human to read and a machine to check."""

    kind: str
    text: str
    weight: float | None = None
    path: list[str] = []


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    service: str
    probability: float
    evidence: list[Evidence] = []


class RootCause(msgspec.Struct, frozen=True, kw_only=True):
    service: str
    entity: str | None
    alert: str | None
    silent: bool
    confidence: float
    candidates: list[Candidate]


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    team: str
    route: str | None = None


class AlertSample(msgspec.Struct, frozen=True, kw_only=True):
    fingerprint: str
    name: str
    service: str
    entity: str | None
    severity: Severity
    status: Status
    starts_at: str
    why: str


class AlertCounts(msgspec.Struct, frozen=True, kw_only=True):
    firing: int
    total: int
    events: int
    sample: list[AlertSample]


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Where a human reads more, by the word of an alert: `runbook`, `dashboard`, or `source`, the sender's own page."""

    kind: str
    url: str
    alert: str


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """What the decision depended on, so that it can be reproduced."""

    topology: str
    model: str
    config: str


class IncidentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The whole current state of an incident, published once per revision (contract `incident-event/1`)."""

    schema: str = "incident-event/1"
    incident_id: str
    revision: int
    action: Action
    page: bool
    status: IncidentStatus
    severity: Severity
    title: str
    summary: str
    scope: str
    root_cause: RootCause
    owner: Owner | None
    services: list[str]
    blast_radius: list[str]
    alerts: AlertCounts
    changes: list[dict[str, str]]
    links: list[Link] = []  # of the alerts at the root cause, of each kind the first
    merged_into: str | None
    split_from: str | None = None  # the incident that its alerts were told of in before
    started_at: str
    opened_at: str
    resolved_at: str | None
    published_at: str
    versions: Versions


class FeedbackAction(StrEnum):
    """What an operator says of an incident."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    REASSIGN = "reassign"
    ANNOTATE = "annotate"
    NOISE = "noise"
    USEFUL = "useful"
    WRONG_ROOT = "wrong_root"
    MERGE = "merge"
    SPLIT = "split"


class FeedbackSource(StrEnum):
    PAGERDUTY = "pagerduty"
    HTTP = "http"
    TOPIC = "topic"


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator said of one incident, once; a line of `--feedback-out`.

    `at` is when it was said (RFC 3339 in UTC, milliseconds). Two with the same `id` are one.
    """

    incident_id: str
    action: FeedbackAction
    at: str
    by: str | None = None
    source: FeedbackSource
    id: str
    to: str | None = None  # reassign: the owner, team or user
    to_person: bool = False  # reassign: that is a person, of whatever team
    root: str | None = None  # wrong_root: the right service
    into: str | None = None  # merge: the incident it belongs to
    services: list[str] = []  # split: the services whose alerts are another incident
    alerts: list[str] = []  # split: the fingerprints of alerts that are

    def __post_init__(self) -> None:
        """Check the instant: to decode a word that has none is an error like any other."""
        _ = self.said_at

    @property
    def said_at(self) -> int:
        """When it was said, milliseconds since the epoch."""
        return instant_of(datetime.fromisoformat(self.at))


def instant_of(moment: datetime) -> int:
    """Return milliseconds since the epoch; a moment without a zone is taken as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def rfc3339(instant: int) -> str:
    """Write an instant as RFC 3339 in UTC with milliseconds: `2026-01-31T08:00:00.000Z`."""
    seconds, millis = divmod(instant, 1000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"
