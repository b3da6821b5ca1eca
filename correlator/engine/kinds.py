"""Kinds of trouble: what an alert's words say about how its trouble travels.

An ordered table of patterns over name, metric and summary; the first match wins, and a configuration may put its own
rules before it. The words are those of common monitoring vocabularies (Kubernetes and node mixins, service-level
objectives, cloud providers), not of any one system.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from correlator.config import KindRule
from correlator.domain import AlertEvent, Severity


class Kind(StrEnum):
    DOWN = "down"  # crashed, not ready, unreachable
    SATURATION = "saturation"  # CPU, memory, disk, threads, connections, quota, queue
    ERRORS = "errors"
    LATENCY = "latency"
    DEPENDENCY = "dependency"  # the service's own calls to others go wrong: it names itself a victim
    TRAFFIC = "traffic"  # requests drop or stop
    SURGE = "surge"  # more requests than usual
    CHANGE = "change"  # deploys, flags, configuration
    OTHER = "other"

    __hash__ = str.__hash__  # an enumeration's own is slow, and every link looks up kinds


_TABLE: tuple[tuple[Kind, str], ...] = (
    (Kind.CHANGE, r"\b(deploy(ed|ment)?|rollout|release[ds]?|feature ?flag|config(uration)? ?chang|change event)"),
    (
        Kind.DEPENDENCY,
        r"upstream|downstream|outbound|egress|dependenc|client (latency|error|request|side|time)|remote call",
    ),
    (
        Kind.DOWN,
        r"\bdown\b|crash|not ready|unready|unreachable|\boom|killed|back ?off|evict|restart|probe fail|\bdead\b|absent"
        r"|unhealthy|no replicas|unavailable|replicas mismatch|heartbeat|host ?down|offline|cert(ificate)? expir",
    ),
    (
        Kind.TRAFFIC,
        r"(traffic|request|transmit|receive|throughput|workload|orders?|volume|rps|qps)\w* "
        r"(\w+ )?(drop|low|fell|stop|loss)|drop in|no (traffic|requests|data)|\bdrop\b",
    ),
    (Kind.SURGE, r"surge|spike|(request|traffic|load|rps|qps)( rate)? (high|increase)|too many requests"),
    (
        Kind.SATURATION,
        r"\bcpu|memory|\bmem\b|disk|inode|throttl|saturat|pool|thread|quota|file ?desc|heap|\bgc\b|garbage|exhaust"
        r"|full\b|\blag\b|queue|backlog|connections?|load average|swap|iops|capacity|evictions|replication",
    ),
    (Kind.LATENCY, r"latenc|slow|duration|\bp\d{2,3}\b|response ?time|delay|apdex|time ?out"),
    (Kind.ERRORS, r"error|fail|5 ?xx|4 ?xx|availab|success|exception|\bslo\b|burn|status code|reject|refus"),
)

#: Trouble of the service itself, which no dependent's or dependency's trouble usually brings about.
CAUSE_LIKE = frozenset({Kind.DOWN, Kind.SATURATION})


class KindTable:
    """Find the kind of an event; remembers what it found for a name."""

    def __init__(self, rules: Iterable[KindRule] = ()) -> None:
        own = [(Kind(rule.kind), re.compile(rule.pattern, re.IGNORECASE)) for rule in rules]
        self._rules = own + [(kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _TABLE]
        self._known: tuple[dict[str, Kind], dict[str, Kind]] = ({}, {})  # of what is harmless, of what is not

    def kind(self, event: AlertEvent) -> Kind:
        """Return the kind by the alert's name, else by its summary's words.

        Only what nobody calls a problem can be a mere change: an alert on a failed deployment is no change event. Where
        the sender itself knows that a parent is down, that outranks all words: "host down" is the parent's then.
        """
        if event.unreachable:
            return Kind.DEPENDENCY
        severity = event.severity
        harmless = severity is Severity.INFO or severity is Severity.UNKNOWN
        of_name = self._known[0 if harmless else 1]
        known = of_name.get(event.name)
        if known is not None:
            return known
        kind = self._match(_words(event.name), harmless)
        if kind is Kind.OTHER:
            return self._match(_words(event.summary), harmless=False)
        if len(of_name) < 100_000:
            of_name[event.name] = kind
        return kind

    def _match(self, text: str, harmless: bool) -> Kind:
        for kind, pattern in self._rules:
            if (harmless or kind is not Kind.CHANGE) and pattern.search(text):
                return kind
        return Kind.OTHER


_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_\-./:]+")


def _words(text: str) -> str:
    """Split CamelCase and snake_case into words, keeping the original so that rules can match either."""
    return f"{_BOUNDARY.sub(' ', text)} {text}"
