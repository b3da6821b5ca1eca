"""What the web port tells of the posts it gets."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class HttpMetrics:
    """Metrics of posts of alerts, in a registry of the caller's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "correlator_http_requests", "Posts of alerts, answered.", ["format", "status"], registry=registry
        )
        self.refused = Counter(
            "correlator_http_refused",
            "Posts that were not taken, in whole or in part, by the first reason.",
            ["reason"],
            registry=registry,
        )
        self.bytes = Counter(
            "correlator_http_request_bytes", "Bytes of bodies that were read, inflated.", ["format"], registry=registry
        )
        self.webhooks = Counter(
            "correlator_feedback_webhooks", "PagerDuty's webhooks by what they tell.", ["outcome"], registry=registry
        )
        self.seconds = Histogram(
            "correlator_http_request_seconds",
            "Time of a post until its answer.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "correlator_http_in_flight_requests", "Posts that wait for an answer.", registry=registry
        )
        self.in_flight_bytes = Gauge(
            "correlator_http_in_flight_bytes",
            "Bytes of posts that are being read or not acknowledged by Kafka.",
            registry=registry,
        )
