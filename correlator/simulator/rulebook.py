"""The words of monitoring: how teams of different habits call the same rule, how loud it is, and what it writes.

No style names all aspects apart, and some name the service or nothing at all: a name alone does not tell the kind.
"""

from __future__ import annotations

import msgspec

from correlator.simulator.aspects import Aspect as A
from correlator.simulator.system import VertexKind as K


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """One rule in all styles; `{service}` stands for the vertex.

    `text` is its summary, over `{where}`, `{value}`, `{limit}`; `limit` is the typical threshold in `unit`.
    """

    names: tuple[str, ...]
    severities: tuple[str, ...]
    text: str
    unit: str
    limit: float
    per_pod: bool = False


#: How many naming styles there are: mixin, camel, snake, cloud, terse.
STYLES = 5

WATCHED: dict[K, tuple[A, ...]] = {
    K.SERVICE: (A.LATENCY, A.TAIL, A.ERRORS, A.BUDGET, A.CPU, A.MEMORY, A.POOL, A.DOWN, A.PROBE, A.TRAFFIC, A.LAG),
    K.DATASTORE: (A.LATENCY, A.TAIL, A.ERRORS, A.CPU, A.MEMORY, A.DISK, A.POOL, A.DOWN, A.PROBE, A.TRAFFIC),
    K.QUEUE: (A.LAG, A.ERRORS, A.MEMORY, A.DISK, A.DOWN, A.TRAFFIC),
    K.HOST: (A.CPU, A.MEMORY, A.DISK, A.NETWORK, A.DOWN, A.PROBE),
    K.EXTERNAL: (A.PROBE, A.ERRORS),
}

TEMPLATES: dict[A, Template] = {
    A.LATENCY: Template(
        names=(
            "RequestLatencyP95High",
            "SlowResponses",
            "http_latency_p95_high",
            "{service}-latency-alarm",
            "PerformanceDegraded",
        ),
        severities=("warning", "critical"),
        text="p95 latency of {where} is {value} ms, above {limit} ms",
        unit="ms",
        limit=450,
    ),
    A.TAIL: Template(
        names=(
            "RequestLatencyP99High",
            "TailLatencyHigh",
            "http_latency_p99_high",
            "{service}-p99-alarm",
            "PerformanceDegraded",
        ),
        severities=("warning",),
        text="p99 latency of {where} is {value} ms, above {limit} ms",
        unit="ms",
        limit=1200,
    ),
    A.ERRORS: Template(
        names=(
            "HighErrorRate",
            "Http5xxRatioHigh",
            "http_5xx_ratio_high",
            "{service}-5XXError-alarm",
            "ServiceUnhealthy",
        ),
        severities=("critical", "error"),
        text="{value} % of requests to {where} fail, above {limit} %",
        unit="%",
        limit=5,
    ),
    A.BUDGET: Template(
        names=(
            "ErrorBudgetBurn",
            "SLOBurnRateFast",
            "slo_burn_rate_1h",
            "{service}-availability-slo",
            "SLOViolation",
        ),
        severities=("critical", "warning"),
        text="{where} burns its error budget {value} times too fast, above {limit}",
        unit="x",
        limit=6,
    ),
    A.CPU: Template(
        names=("CPUThrottlingHigh", "PodCPUHigh", "cpu_usage_high", "{service}-CPUUtilization", "ResourcesHigh"),
        severities=("warning", "info"),
        text="CPU of {where} at {value} %, above {limit} %",
        unit="%",
        limit=85,
        per_pod=True,
    ),
    A.MEMORY: Template(
        names=(
            "KubeContainerMemoryNearLimit",
            "PodMemoryHigh",
            "memory_working_set_high",
            "{service}-MemoryUtilization",
            "ResourcesHigh",
        ),
        severities=("warning",),
        text="working set of {where} at {value} % of its limit, above {limit} %",
        unit="%",
        limit=90,
        per_pod=True,
    ),
    A.DISK: Template(
        names=(
            "KubePersistentVolumeFillingUp",
            "DiskSpaceLow",
            "disk_used_percent_high",
            "{service}-FreeStorageSpace",
            "ResourcesHigh",
        ),
        severities=("critical", "warning"),
        text="disk of {where} is {value} % full, above {limit} %",
        unit="%",
        limit=90,
    ),
    A.POOL: Template(
        names=(
            "ConnectionPoolExhausted",
            "ThreadPoolSaturated",
            "db_pool_in_use_high",
            "{service}-DatabaseConnections",
            "ServiceUnhealthy",
        ),
        severities=("warning", "critical"),
        text="{value} % of the connections of {where} are in use, above {limit} %",
        unit="%",
        limit=90,
    ),
    A.DOWN: Template(
        names=(
            "KubePodCrashLooping",
            "PodNotReady",
            "container_restarts_high",
            "{service}-UnhealthyHostCount",
            "ServiceUnhealthy",
        ),
        severities=("critical", "warning"),
        text="{where} is restarting or not ready ({value} restarts in 10 minutes, above {limit})",
        unit="",
        limit=2,
        per_pod=True,
    ),
    A.PROBE: Template(
        names=("TargetDown", "ProbeFailed", "blackbox_probe_failed", "{service}-health-check", "CheckFailed"),
        severities=("critical",),
        text="{value} % of the probes of {where} fail, above {limit} %",
        unit="%",
        limit=20,
    ),
    A.LAG: Template(
        names=("KafkaConsumerLag", "QueueBacklogGrowing", "consumer_group_lag_high", "{service}-QueueDepth", "Backlog"),
        severities=("warning", "critical"),
        text="{where} lags {value} messages behind, above {limit}",
        unit="",
        limit=10_000,
    ),
    A.TRAFFIC: Template(
        names=(
            "RequestRateDrop",
            "TrafficDrop",
            "http_requests_anomaly_low",
            "{service}-RequestCount-low",
            "TrafficAnomaly",
        ),
        severities=("warning", "error"),
        text="traffic of {where} fell by {value} %, more than {limit} %",
        unit="%",
        limit=50,
    ),
    A.NETWORK: Template(
        names=(
            "NodeNetworkReceiveErrs",
            "NetworkLatencyHigh",
            "node_tcp_retransmits_high",
            "{service}-StatusCheckFailed",
            "CheckFailed",
        ),
        severities=("warning", "critical"),
        text="{value} % of the packets of {where} are retransmitted, above {limit} %",
        unit="%",
        limit=3,
    ),
    A.CALL_LATENCY: Template(
        names=(
            "IstioRequestLatencyHigh",
            "UpstreamLatencyHigh",
            "upstream_rq_time_high",
            "{service}-upstream-latency",
            "UpstreamDegraded",
        ),
        severities=("warning",),
        text="calls from {where} take {value} ms, above {limit} ms",
        unit="ms",
        limit=600,
    ),
    A.CALL_ERRORS: Template(
        names=(
            "IstioHigh5xxRate",
            "UpstreamErrorsHigh",
            "upstream_rq_5xx_high",
            "{service}-upstream-errors",
            "UpstreamDegraded",
        ),
        severities=("warning", "error"),
        text="{value} % of the calls from {where} fail, above {limit} %",
        unit="%",
        limit=5,
    ),
    A.CHANGE: Template(
        names=("Deployment", "DeploymentStarted", "deploy_event", "{service}-release", "FeatureFlagChanged"),
        severities=("info",),
        text="{where} changed",
        unit="",
        limit=0,
    ),
}
