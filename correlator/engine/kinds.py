"""Kinds of trouble: what an alert's words say about how its trouble travels.

An ordered table of patterns: the first that matches the alert's name wins, where none does the first that matches its
metric or summary. A configuration may put its own rules before it. The words are those of common monitoring
vocabularies (Kubernetes and node mixins, exporters of databases, queues and proxies, service-level objectives, cloud
providers), not of any one system.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
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
    (
        Kind.CHANGE,
        r"\b(deploy(ed|ment)?|rollout|release[ds]?|feature ?flag|config(uration)? ?chang|change event)"
        r"|\bconfig ?map updated|has (been )?changed",
    ),
    (
        Kind.DEPENDENCY,
        # A proxy's "downstream" is who calls it, everybody else's is what is called.
        r"upstream|downstream(?! ?(http|connection|request|ssl|tls))|outbound|egress|dependenc|circuit ?breaker"
        r"|client (latency|error|request|side|time)|remote call|external service|third.party|integration latency"
        r"|\bretr(y|ies)\b|outlier detection|cluster membership|no alive backends|not connected to|connectivity"
        r"|(backend|server|target) connection error",
    ),
    (
        Kind.DOWN,
        r"(?<!slowing )(?<!slow )(?<!scale )(?<!cool )\bdown\b|crash|panic|\boom|killed|back ?off|restart|offline"
        r"|\bnot (ready|running|live|alive|available|healthy|enough healthy|reporting|rolled out|scheduled|respond)"
        r"|unready|unreachable|unresponsive|unhealthy|unavailable|\binactive|disconnected|absent|heartbeat|readiness"
        r"|\bdead\b(?! (letter|lock|tuple|message|man))|\bevicted|pods? evict|fail(ed)? ?over|probe fail|status check"
        r"|\b(targets?|job|master|replicas?|instances?) missing|missing (target|master|replica|instance)|no replicas"
        r"|healthy (host|node|data node|pod|backend)|no (\w+ )?consumers?\b|systemd|\bpod pending|claim pending"
        r"|container waiting|image ?pull|(replica\w*|generation) mismatch|roll ?out ?stuck"
        r"|no leader|leader change|insufficient members|quorum|split ?brain|cluster (partition|red|yellow)"
        r"|(unassigned|initializing) shards|under.?replicated|under min isr|flapping|\braid\b"
        r"|bond(ing)? degraded|replication (broken|stopped)"
        r"|cert(ificate)?s? (will |is |are |about to )*expir|certificate revoked"
        r"|\bcheck (ping|tcp|ssh|https?|icmp|procs|ssl)\b",
    ),
    (
        Kind.TRAFFIC,
        r"(traffic|request|transmit|receive|throughput|workload|orders?|volume|rps|qps)\w* "
        r"(\w+ )?\(?(drop|low|fell|stop|loss)|drop in|no (new )?(traffic|requests|data|documents|messages?)\b"
        r"|(?<!availability )(?<!packet )(?<!packets )\bdrop\b|\blow (\w+ )?(requests?|traffic|throughput|hits)\b"
        r"|(commit|transaction|consumption|message|event|ingestion|indexing) (rate )?low"
        r"|zero (\w+ )?(qps|rps|requests|traffic)",
    ),
    (
        Kind.SURGE,
        r"surge|(?<!failed )(?<!flight )(traffic|requests?|rps|qps|hits) ((rate|volume) )?(spike|high|increase)"
        r"|spike (in|of) (traffic|requests|hits)|(increase|rise) (in|of) (traffic|requests|hits|load)|load increase"
        r"|high (\w+ )?(request|query|queries|indexing|message|hit)s? (rate|volume)|high (traffic|qps|rps|tps)"
        r"|too many requests|ddos",
    ),
    (
        Kind.SATURATION,
        r"\bcpu|memory|\bmem\b|disk|inode|throttl|saturat|pool|thread|quota|file ?desc|heap|\bgc\b|garbage|exhaust"
        r"|full\b|\blag\b|queue|backlog|swap|iops|capacity|eviction|replication|utili[sz]ation|\busage\b|bandwidth"
        r"|(?<!rejected)(?<!rejected )(?<!refused )connections?\b(?! (error|reject|refuse|time|reset|fail|lost))"
        r"|load (average|high)|(high|node|host|system|check) load|^load\b|file ?system|filling|almost out|open files"
        r"|(out of|low|free|no) (space|storage|files)|storage (space|low|usage)|pending|outstanding|in.?flight"
        r"|too many (?!request|error|fail|restart|dead|[45])|messages? (ready|un\w+|visible|age)|age of oldest"
        r"|iterator age|burst balance|goroutine|max(ed|imum)? ?(out|children|conn)|\bbusy|active sessions|cursors"
        r"|conntrack|sockets?\b|cardinality|series limit|context switch|network throughput (in|out)|locks acquired"
        r"|(database|wal|log) (growth|size)|scale capability|check mailq",
    ),
    (
        Kind.LATENCY,
        r"latenc|\bslow|duration|\bp\d{2,3}\b|(response|wait|transactions?|execution|processing) ?time|delay|apdex"
        r"|time ?out|too long|not completed|job completion|time \(high\)",
    ),
    (
        Kind.ERRORS,
        r"error|\berrs?\b|fail|5 ?xx|4 ?xx|availab|success|exception|\bslo\b|burn|status code|reject|refus|abort|denied"
        r"|corrupt|rollback|dead ?lock|dead ?letter|dead message|unroutable|\bloss\b|dropped|packets? drop|rate limit"
        r"|terminated|violation",
    ),
    (Kind.SURGE, r"\bspike"),  # of something that none of the above names
)

#: Trouble of the service itself, which no dependent's or dependency's trouble usually brings about.
CAUSE_LIKE = frozenset({Kind.DOWN, Kind.SATURATION})


_Rules = Sequence[tuple[Kind, re.Pattern[str]]]

_BUILT_IN: _Rules = [(kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _TABLE]


class KindTable:
    """Find the kind of an event; remembers what it found for a name."""

    def __init__(self, rules: Iterable[KindRule] = ()) -> None:
        self._own: _Rules = [(Kind(rule.kind), re.compile(rule.pattern, re.IGNORECASE)) for rule in rules]
        self._known: tuple[dict[str, Kind], dict[str, Kind]] = ({}, {})  # of what is harmless, of what is not

    def kind(self, event: AlertEvent) -> Kind:
        """Return the kind by the configured rules, else by the alert's name, else by its metric and summary.

        Only what nobody calls a problem can be a mere change: an alert on a failed deployment is no change event. Where
        the sender itself knows that a parent is down, that outranks all words: "host down" is the parent's then.
        """
        if event.unreachable:
            return Kind.DEPENDENCY
        harmless = event.severity is Severity.INFO or event.severity is Severity.UNKNOWN
        metric = event.labels.get("metric", "")
        if self._own:
            texts = (event.name, _words(event.name), metric, event.summary)
            if (own := _first(self._own, texts, harmless)) is not None:
                return own
        of_name = self._known[0 if harmless else 1]
        known = of_name.get(event.name)
        if known is not None:
            return known
        kind = _first(_BUILT_IN, (_words(event.name),), harmless)
        if kind is None:
            return _first(_BUILT_IN, (_words(metric), _words(event.summary)), harmless=False) or Kind.OTHER
        if len(of_name) < 100_000:
            of_name[event.name] = kind
        return kind


def _first(rules: _Rules, texts: Sequence[str], harmless: bool) -> Kind | None:
    """Return the kind of the first rule that matches any of the texts; a change is only what is harmless."""
    for kind, pattern in rules:
        if (harmless or kind is not Kind.CHANGE) and any(pattern.search(text) for text in texts):
            return kind
    return None


_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_\-./:]+")


def _words(text: str) -> str:
    """Split CamelCase and snake_case into words, keeping the original so that rules can match either."""
    return f"{_BOUNDARY.sub(' ', text)} {text}"
