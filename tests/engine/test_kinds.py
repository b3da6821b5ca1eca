"""What an alert's words say of its kind, in the vocabularies that senders use, and what a configuration says first."""

from __future__ import annotations

import msgspec
import pytest

from correlator.config import KindRule
from correlator.domain import AlertEvent, Severity
from correlator.engine.kinds import Kind, KindTable
from tests.engine.drive import event

#: Names as mixins, exporters, clouds and checks write them.
NAMES = {
    Kind.DOWN: (
        "KubePodCrashLooping KubePodNotReady KubeContainerWaiting KubeDeploymentReplicasMismatch KubeNodeUnreachable"
        " KubeStatefulSetGenerationMismatch KubernetesContainerOomKiller TargetDown PrometheusTargetMissing"
        " EtcdNoLeader EtcdInsufficientMembers ElasticsearchClusterRed ElasticsearchUnassignedShards RedisMissingMaster"
        " RedisReplicationBroken RabbitmqClusterPartition MysqlSlaveSqlThreadNotRunning BlackboxProbeFailed"
        " SslCertificateWillExpireSoon UnHealthyHostCount StatusCheckFailed check_ping NodeRAIDDegraded PodEvicted"
        " UnderReplicatedPartitions OfflineLogDirectoryCount InstancesFlapping NodeCertificateExpiresSoon"
    ),
    Kind.SATURATION: (
        "CPUThrottlingHigh HostOutOfMemory MemoryUtilization NodeFilesystemAlmostOutOfSpace FreeStorageSpace check_load"
        " KubePersistentVolumeFillingUp NodeHighLoad NodeFilesystemFilesFillingUp HostOutOfInodes KubeHpaMaxedOut"
        " KafkaConsumerLag ApproximateAgeOfOldestMessage RabbitmqTooManyUnackMessages ElasticsearchPendingTasks"
        " MysqlTooManyOpenFiles PostgresqlTooManyLocksAcquired TooManyConnections RedisEvictions GoGoroutineSpike"
        " Php-fpmMax-childrenReached NodeHighNumberConntrackEntriesUsed IteratorAge disk_used_percent socket"
        " OutstandingRequests KafkaRunningOutOfSpace"
    ),
    Kind.ERRORS: (
        "HighErrorRate HTTPCode_Target_5XX_Count KubeJobFailed NodeNetworkReceiveErrs PacketLoss ErrorBudgetBurn"
        " RedisRejectedConnections PostgresqlDeadLocks RabbitmqUnroutableMessages AvailabilityLow ErrorRateSpike"
        " FailedRequestsRateHigh EnvoyHighDownstreamHttp5xxErrorRate RabbitmqDeadLetter"
    ),
    Kind.LATENCY: (
        "HighRequestLatency TargetResponseTime SlowQueries KubeJobNotCompleted latency-90 HaproxyHttpSlowingDown"
    ),
    Kind.DEPENDENCY: (
        "UpstreamLatencyHigh EnvoyClusterCircuitBreakerTripped IntegrationLatency TargetConnectionErrorCount"
        " PrometheusNotConnectedToAlertmanager DownstreamServiceFailing"
    ),
    Kind.TRAFFIC: (
        "TrafficDrop IstioLowTotalRequestRate ElasticsearchNoNewDocuments PostgresqlCommitRateLow NoTraffic ZeroSQLQps"
    ),
    Kind.SURGE: "RequestSurge MysqlHighQps IstioHighTotalRequestRate ElasticsearchHighQueryRate RequestRateHigh",
    Kind.OTHER: "Watchdog InfoInhibitor ClockSkew",
}


def alert(name: str, summary: str = "", severity: Severity = Severity.WARNING, metric: str = "") -> AlertEvent:
    labels = {"metric": metric} if metric else {}
    return msgspec.structs.replace(event("web", name, 0), summary=summary, severity=severity, labels=labels)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NAMES.items() for name in names.split()])
def test_the_words_that_senders_use(kind: Kind, name: str) -> None:
    assert KindTable().kind(alert(name)) is kind


def test_where_the_name_says_nothing_metric_and_summary_do() -> None:
    table = KindTable()
    assert table.kind(alert("Rule 17", metric="CPUUtilization")) is Kind.SATURATION
    assert table.kind(alert("Rule 17", "p99 of web is 3 s")) is Kind.LATENCY
    assert table.kind(alert("PodNotReady", "p99 of web is 3 s")) is Kind.DOWN


def test_configured_rules_come_first_whatever_they_match() -> None:
    table = KindTable(
        [
            KindRule(kind="dependency", pattern="^card_scheme_"),
            KindRule(kind="down", pattern="lost its lease"),
            KindRule(kind="other", pattern="^MemoryHint$"),
            KindRule(kind="change", pattern="migration"),
        ]
    )
    assert table.kind(alert("HighErrorRate", metric="card_scheme_declines")) is Kind.DEPENDENCY
    assert table.kind(alert("HighErrorRate")) is Kind.ERRORS
    assert table.kind(alert("HighErrorRate", "the leader lost its lease")) is Kind.DOWN
    assert table.kind(alert("MemoryHint")) is Kind.OTHER
    assert table.kind(alert("SchemaMigration", severity=Severity.INFO)) is Kind.CHANGE
    assert table.kind(alert("SchemaMigration", "timeout", severity=Severity.CRITICAL)) is Kind.LATENCY


def test_only_what_is_harmless_is_a_change() -> None:
    table = KindTable()
    assert table.kind(alert("DeploymentFinished", severity=Severity.INFO)) is Kind.CHANGE
    assert table.kind(alert("DeploymentFailed", severity=Severity.CRITICAL)) is Kind.ERRORS
