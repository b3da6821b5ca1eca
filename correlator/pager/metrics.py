"""What the pager tells Prometheus. Labels come from closed sets and the configured targets' names."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

#: From a terminal's microseconds to a time-out.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
#: From at once to the end of an outage.
_PAGE_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)


class PagerMetrics:
    """The pager's metrics in a registry of the caller's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        ProcessCollector(registry=registry)
        self.notifications = Counter(
            "correlator_notifications",
            "Steps of incident events by outcome: delivered, refused, superseded (a newer event of the incident was "
            "waiting) or unneeded (the target has no use for it).",
            ["target", "action", "outcome"],
            registry=registry,
        )
        self.seconds = Histogram(
            "correlator_notification_seconds",
            "Time of one request to a target, answered or not.",
            ["target"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.pending = Gauge(
            "correlator_notifications_pending",
            "Records of the incidents topic that were read and are not done with.",
            ["target"],
            registry=registry,
        )
        self.oldest = Gauge(
            "correlator_notifications_oldest_timestamp_seconds",
            "When the oldest incident event that waits for delivery was published; 0 while none waits.",
            ["target"],
            registry=registry,
        )
        self.page_delay = Histogram(
            "correlator_page_delivery_seconds",
            "Time from the publication of a page to its acceptance by a target; pages that were held are not among "
            "them.",
            ["target"],
            buckets=_PAGE_SECONDS,
            registry=registry,
        )
        self.retries = Counter(
            "correlator_notification_retries",
            "Attempts that failed and will be repeated.",
            ["target", "reason"],
            registry=registry,
        )
        self.records = Counter(
            "correlator_pager_records",
            "Records read from the incidents topic, once per target: accepted, repeated, tombstone, not_json, "
            "wrong_schema.",
            ["outcome"],
            registry=registry,
        )
        self.kafka_up = Gauge(
            "correlator_pager_kafka_up",
            "1 while Kafka answers.",
            ["target"],
            registry=registry,
        )
        self.withheld = Gauge(
            "correlator_pages_withheld",
            "Incidents of which a page is owed and held back, by the severity floor, a window or quiet hours.",
            ["target"],
            registry=registry,
        )
        self.holds = Counter(
            "correlator_page_holds",
            "Pages by what became of them at the gate: held, released (went out after all), dropped (the incident "
            "ended meanwhile).",
            ["target", "reason", "outcome"],
            registry=registry,
        )
        self.interruptions = Counter(
            "correlator_interruptions",
            "Incidents opened at a target that interrupts humans, by the class of the hour in the owner's time zone.",
            ["target", "hour_class"],
            registry=registry,
        )
        self.windows = Gauge(
            "correlator_windows",
            "Maintenance windows and silences: open, waiting, over, and invalid ones, which silence nothing.",
            ["state"],
            registry=registry,
        )
        self.unrouted = Counter(
            "correlator_pages_unrouted",
            "Pages that went to a target's default because neither route nor team is in its table.",
            ["target"],
            registry=registry,
        )
