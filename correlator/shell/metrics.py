"""What the worker tells Prometheus (docs/metrics.md). Labels come from closed sets: no fingerprint, no incident."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from faust.sensors.prometheus import FaustMetrics, PrometheusMonitor
from faust.types import TP
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from correlator import __version__
from correlator.domain import Disposition, Severity
from correlator.engine.decisions import Reason
from correlator.shell.http.metrics import HttpMetrics

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_DELAY_SECONDS = (1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 300.0, 600.0)
_DURATION_SECONDS = (60.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14_400.0, 43_200.0, 86_400.0)
_ALERTS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000, 100_000)

#: More teams than anybody has, and few enough for a label.
_MOST_TEAMS = 1000
#: The word for the owner of a root that has none.
NO_TEAM = "none"
#: Fates that recording rules divide by: a series that is absent would make the ratio absent.
_FATES = (
    (Disposition.DUPLICATE, Reason.REPEAT),
    (Disposition.SUPPRESSED, Reason.BACKGROUND),
    (Disposition.SUPPRESSED, Reason.TRANSIENT),
    (Disposition.SUPPRESSED, Reason.LOW_SEVERITY),
    (Disposition.ATTACHED, Reason.EXPLAINED),
    (Disposition.ATTACHED, Reason.ROOT_OF_INCIDENT),
    (Disposition.OPENED, Reason.ROOT_OF_INCIDENT),
)

#: Sources with a name of their own in metrics; what senders call themselves has no bound.
SOURCES = frozenset(
    re.split(
        r"\s+",
        "alertmanager azure checkmk cloudwatch datadog gcp grafana graylog icinga2 keep kibana loki mimir nagios "
        "newrelic opsgenie otlp pagerduty pingdom prometheus riemann sensu sentry splunk vmalert vmware zabbix",
    )
)


def source_word(source: str, own: Collection[str] = ()) -> str:
    """Return the word of a closed set that stands for a sender; `own` are the formats of the configuration."""
    word = source.lower()
    return word if word in SOURCES or word in own else "other" if word else "none"


class Metrics:
    """The worker's metrics in a registry of the caller's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._teams: set[str] = set()
        self.http = HttpMetrics(registry)
        self._ingest(registry)
        self._incidents(registry)
        self._state(registry)
        self._imports(registry)
        ProcessCollector(registry=registry)
        self.faust = FaustMetrics.create(registry, "faust")
        Gauge("correlator_build_info", "1, with the version of the program.", ["version"], registry=registry).labels(
            __version__
        ).set(1)

    def team_word(self, team: str) -> str:
        """Return what stands for a team: alerts name theirs, and what senders write is of no closed set."""
        if team not in self._teams:
            if len(self._teams) >= _MOST_TEAMS:
                return "other"
            self._teams.add(team)
        return team

    def _ingest(self, registry: CollectorRegistry) -> None:
        self.received = Counter(
            "correlator_alerts_received",
            "Alert events that were understood and forwarded.",
            ["source", "status"],
            registry=registry,
        )
        self.defaulted = Counter(
            "correlator_alerts_defaulted",
            "Firings of no known severity, taken for warnings, and firings whose service nothing names.",
            ["source", "field"],
            registry=registry,
        )
        self.named = Counter(
            "correlator_alerts_named",
            "Firings by the rule that named their service, and whether the dependency graph knows it.",
            ["source", "rule", "known"],
            registry=registry,
        )
        self.invalid = Counter(
            "correlator_alerts_invalid", "Alert events that nobody could use.", ["reason"], registry=registry
        )
        self.messages = Counter(
            "correlator_messages", "Messages by the format they were recognised as.", ["format"], registry=registry
        )
        self.notices = Counter(
            "correlator_notices",
            "What messages tell beside or instead of alerts, by its word.",
            ["format", "notice"],
            registry=registry,
        )
        self.clock_skew = Gauge(
            "correlator_clock_skew_seconds",
            "How far starts of a source's alerts lay ahead of their arrival, the most in its last messages.",
            ["source"],
            registry=registry,
        )
        self.dead_letters = Counter(
            "correlator_dead_letters", "Records written to the topic of rejected input.", ["reason"], registry=registry
        )
        self.clocks = Counter(
            "correlator_clock_disagreements",
            "Times in the log that are more than a minute off the brokers' clock, and were not believed alone.",
            ["direction"],
            registry=registry,
        )
        for direction in ("ahead", "behind"):
            self.clocks.labels(direction)
        self.repeats = Counter(
            "correlator_log_repeats",
            "Messages of the alerts topic that the log holds again, left out.",
            registry=registry,
        )

    def _incidents(self, registry: CollectorRegistry) -> None:
        self.events = Counter(
            "correlator_events",
            "Alert events by what became of them, and why; with the pending ones as many as were applied.",
            ["disposition", "reason"],
            registry=registry,
        )
        self.events_applied = Counter(
            "correlator_events_applied", "Alert events that the engines were given.", registry=registry
        )
        self.flapping = Counter(
            "correlator_flapping_events",
            "Firings of alerts that come and go too often to begin anything, whatever became of them.",
            registry=registry,
        )
        self.events_pending = Gauge("correlator_events_pending", "Alert events whose fate is open.", registry=registry)
        self.opened = Counter(
            "correlator_incidents_opened",
            "Incidents published for the first time, by the owner of their root.",
            ["team", "severity"],
            registry=registry,
        )
        self.pages = Counter(
            "correlator_pages",
            "Incident events that interrupt a human, by the owner of the root.",
            ["team", "severity"],
            registry=registry,
        )
        self.open = Gauge(
            "correlator_incidents_open", "Published incidents that are not resolved.", ["severity"], registry=registry
        )
        self.incident_alerts = Histogram(
            "correlator_incident_alerts", "Alerts of an incident at its end.", buckets=_ALERTS, registry=registry
        )
        self.delay = Histogram(
            "correlator_correlation_delay_seconds",
            "Time from the arrival of an incident's first alert to its publication, by the time of the log.",
            buckets=_DELAY_SECONDS,
            registry=registry,
        )
        self.detection = Histogram(
            "correlator_detection_delay_seconds",
            "Time from the first start of an incident's alerts, by their senders' clocks, to its publication.",
            buckets=_DELAY_SECONDS,
            registry=registry,
        )
        self.duration = Histogram(
            "correlator_incident_duration_seconds",
            "Time from an incident's publication to its end.",
            buckets=_DURATION_SECONDS,
            registry=registry,
        )
        self.feedback_received = Counter(
            "correlator_feedback_received",
            "What operators say, as it was forwarded to the engines.",
            ["action", "source"],
            registry=registry,
        )
        self.feedback_heard = Counter(
            "correlator_feedback_heard",
            "What operators said of incidents that the engines know, by what came of it.",
            ["action", "outcome"],
            registry=registry,
        )
        for severity in Severity:
            self.opened.labels(NO_TEAM, severity), self.pages.labels(NO_TEAM, severity), self.open.labels(severity)
        for disposition, reason in _FATES:
            self.events.labels(disposition, reason)

    def _state(self, registry: CollectorRegistry) -> None:
        self.processing = Histogram(
            "correlator_processing_seconds",
            "Time of one batch of records in a stage: ingest, correlate, publish (until acknowledged).",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.topology_nodes = Gauge("correlator_topology_nodes", "Services of the dependency graph.", registry=registry)
        self.topology_edges = Gauge(
            "correlator_topology_edges", "Dependencies of the dependency graph.", registry=registry
        )
        self.unknown_service = Counter(
            "correlator_topology_unknown_service",
            "Alert events of services that the dependency graph does not know.",
            registry=registry,
        )
        self.lag = Gauge(
            "correlator_consumer_lag_messages",
            "Records that wait for this worker.",
            ["topic", "partition"],
            registry=registry,
        )
        self.watermark_delay = Gauge(
            "correlator_watermark_delay_seconds",
            "How far the time of a partition's engine lies behind the clock.",
            ["partition"],
            registry=registry,
        )
        self.snapshot_bytes = Gauge(
            "correlator_snapshot_bytes", "Size of the last snapshot.", ["partition"], registry=registry
        )
        self.snapshot_seconds = Histogram(
            "correlator_snapshot_seconds",
            "Time of one round of snapshots, until acknowledged.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.restore_seconds = Gauge(
            "correlator_restore_seconds", "Time the last loading of snapshots took.", registry=registry
        )
        self.ticks = Counter(
            "correlator_ticks", "Times that this worker told its partitions what time it is.", registry=registry
        )
        self.stalled = Gauge(
            "correlator_stalled_seconds",
            "For how long records have waited without any being dealt with.",
            registry=registry,
        )
        self.ready = Gauge("correlator_ready", "1 while the worker does its work.", registry=registry)

    def _imports(self, registry: CollectorRegistry) -> None:
        self.topology_announced = Gauge(
            "correlator_topology_announced_timestamp_seconds",
            "When the dependency graph that the engines go by was announced.",
            registry=registry,
        )
        self.imports = Counter(
            "correlator_topology_imports", "Questions to topology sources.", ["source", "outcome"], registry=registry
        )
        self.source_dependencies = Gauge(
            "correlator_topology_source_dependencies",
            "Dependencies that a topology source tells of.",
            ["source"],
            registry=registry,
        )
        self.source_success = Gauge(
            "correlator_topology_last_success_timestamp_seconds",
            "When a topology source answered last.",
            ["source"],
            registry=registry,
        )
        self.span_messages = Counter(
            "correlator_topology_span_messages", "Messages of spans.", ["outcome"], registry=registry
        )
        self.span_halves = Gauge(
            "correlator_topology_span_halves", "Spans whose other side may still come.", registry=registry
        )
        for outcome in ("read", "invalid", "skipped"):
            self.span_messages.labels(outcome)


class Monitor(PrometheusMonitor):
    """Faust's own metrics. Right after a rebalance the end of a partition is not known, on which Faust's fails."""

    def track_tp_end_offset(self, tp: TP, offset: Any) -> None:
        """Note the end of a partition, where it is known."""
        if offset is not None:
            super().track_tp_end_offset(tp, offset)
