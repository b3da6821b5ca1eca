"""For each alert on the correlator a timeline on which it fires and one, a little different, on which it does not.

Values are in the notation of `promtool test rules`, one a minute: `1+2x3` is 1 3 5 7.
"""

from __future__ import annotations

from typing import NamedTuple

WORKER = 'job="correlator-worker", instance="w1"'
PAGER = 'job="correlator-pager", instance="p1"'
_CRITICAL = 'team="payments", severity="critical"'


class Timeline(NamedTuple):
    """Series by name, and the minute at which the alert is asked for."""

    series: dict[str, str]
    at: int


class Pair(NamedTuple):
    fires: Timeline
    quiet: Timeline | None


def _metric(name: str, labels: str = WORKER, more: str = "") -> str:
    return f"{name}{{{labels}{', ' if more else ''}{more}}}"


def _pair(minutes: int, fires: dict[str, str], quiet: dict[str, str]) -> Pair:
    return Pair(Timeline(fires, minutes), Timeline(quiet, minutes))


_UP = _metric("up")
_PAGER_UP = _metric("up", PAGER)
_START = _metric("process_start_time_seconds", PAGER)
_TICKS = _metric("correlator_ticks_total")
_WATERMARK = _metric("correlator_watermark_delay_seconds", more='partition="0"')
_LAG = _metric("correlator_consumer_lag_messages", more='topic="alerts", partition="0"')
_SNAPSHOTS = _metric("correlator_snapshot_seconds_count")
_FIRING = _metric("correlator_alerts_received_total", more='source="prometheus", status="firing"')
_APPLIED = _metric("correlator_events_applied_total")
_OPENED = _metric("correlator_incidents_opened_total", more=_CRITICAL)
_PAGES = _metric("correlator_pages_total", more=_CRITICAL)
_INVALID = _metric("correlator_alerts_invalid_total", more='reason="not_json"')
_LOG_LETTERS = _metric("correlator_dead_letters_total", more='reason="not_a_log_record"')
_SUPPRESSED = _metric("correlator_events_total", more='disposition="suppressed", reason="background"')
_ATTACHED = _metric("correlator_events_total", more='disposition="attached", reason="explained"')
_ANSWERED = _metric("correlator_http_requests_total", more='format="alertmanager", status="200"')
_FAILED = _metric("correlator_http_requests_total", more='format="alertmanager", status="503"')
_UNKNOWN = _metric("correlator_topology_unknown_service_total")
_PENDING = _metric("correlator_notifications_pending", PAGER, 'target="pagerduty"')
_DELIVERED = _metric(
    "correlator_notifications_total", PAGER, 'target="pagerduty", action="trigger", outcome="delivered"'
)
_REFUSED = _metric("correlator_notifications_total", PAGER, 'target="pagerduty", action="trigger", outcome="refused"')
_OLDEST = _metric("correlator_notifications_oldest_timestamp_seconds", PAGER, 'target="pagerduty"')
_IN_TIME = _metric("correlator_page_delivery_seconds_bucket", PAGER, 'target="pagerduty", le="30.0"')
_ACCEPTED = _metric("correlator_page_delivery_seconds_count", PAGER, 'target="pagerduty"')
_DELAYS = "correlator_correlation_delay_seconds_bucket"


def _delays(within_60: str, within_300: str) -> dict[str, str]:
    values = {"60.0": within_60, "300.0": within_300, "+Inf": within_300}
    return {_metric(_DELAYS, more=f'le="{bound}"'): value for bound, value in values.items()}


#: Alert -> where it fires and where it does not.
PAIRS: dict[str, Pair] = {
    "CorrelatorWatchdog": Pair(Timeline({}, 1), None),
    "CorrelatorAbsent": _pair(5, {_UP: "1 1 0x10"}, {_UP: "1x20"}),
    "CorrelatorWorkerDown": _pair(10, {_UP: "1 0x20"}, {_UP: "1 0 0 1x20"}),
    "CorrelatorPagerAbsent": _pair(5, {_UP: "1x20"}, {_UP: "1x20", _PAGER_UP: "1x20"}),
    "CorrelatorCrashLooping": _pair(15, {_START: "1000+60x20"}, {_START: "1000x5 2000x15"}),
    "CorrelatorNotReady": _pair(
        8, {_metric("correlator_ready"): "1 0x10"}, {_metric("correlator_ready"): "1 0 0 0 1x10"}
    ),
    "CorrelatorStalled": _pair(
        4, {_metric("correlator_stalled_seconds"): "0 0+60x10"}, {_metric("correlator_stalled_seconds"): "0 60 0x10"}
    ),
    "CorrelatorNoTicks": _pair(
        12,
        {_TICKS: "600x20", _WATERMARK: "1+60x20"},
        {_TICKS: "600x20"},  # it owns no partition
    ),
    "CorrelatorWatermarkDelayed": _pair(6, {_WATERMARK: "1 90+60x10"}, {_WATERMARK: "1 90 90 2x10"}),
    "CorrelatorLagging": _pair(30, {_LAG: "0+200x40"}, {_LAG: "6000-150x40"}),
    "CorrelatorSnapshotsFail": _pair(
        20, {_TICKS: "0+60x30", _SNAPSHOTS: "50x30"}, {_TICKS: "0+60x30", _SNAPSHOTS: "0+12x30"}
    ),
    "CorrelatorSlow": _pair(30, _delays("0x40", "0+5x40"), _delays("0+5x40", "0+5x40")),
    "CorrelatorNothingApplied": _pair(
        25, {_FIRING: "0+10x40", _APPLIED: "77x40"}, {_FIRING: "0+10x40", _APPLIED: "0+10x40"}
    ),
    "CorrelatorSilent": _pair(
        500,
        {_FIRING: "0+5x600", _OPENED: "0+1x120 120x480"},
        {_FIRING: "0+5x600", _OPENED: "0x600"},  # nor were there any the day before
    ),
    "CorrelatorIngestSilent": _pair(
        140,
        {_FIRING: "0+20x100 2000x60"},
        {_FIRING: "0+1x100 100x60"},  # it is quiet by day
    ),
    "CorrelatorSuppressionAbnormal": _pair(
        270,
        {_SUPPRESSED: "0+1x180 180+9x100", _ATTACHED: "0+4x180 720+2x100"},
        {_SUPPRESSED: "0+9x280", _ATTACHED: "0+2x280"},  # as ever
    ),
    "CorrelatorPagesAbnormal": _pair(
        100,
        {_PAGES: "0x60 1+1x60"},
        {_PAGES: "0+60x40 2400+0.5x80"},  # 30 in an hour, as in others
    ),
    "CorrelatorDeadLettersRising": _pair(
        25, {_FIRING: "0+100x40", _INVALID: "0+5x40"}, {_FIRING: "0+1000x40", _INVALID: "0+5x40"}
    ),
    "CorrelatorLogDamaged": _pair(20, {_LOG_LETTERS: "_x15 1x20"}, {_LOG_LETTERS: "1x40"}),
    "CorrelatorHttpRefuses": _pair(
        25, {_ANSWERED: "0+50x40", _FAILED: "0+1x40"}, {_ANSWERED: "0+500x40", _FAILED: "0+1x40"}
    ),
    "CorrelatorClockSkew": _pair(
        20,
        {_metric("correlator_clock_skew_seconds", more='source="zabbix"'): "90x30"},
        {_metric("correlator_clock_skew_seconds", more='source="zabbix"'): "2x30"},
    ),
    "CorrelatorTopologyMissing": _pair(
        15, {_metric("correlator_topology_nodes"): "0x30"}, {_metric("correlator_topology_nodes"): "40x30"}
    ),
    "CorrelatorTopologyStale": _pair(
        400,
        {_metric("correlator_topology_last_success_timestamp_seconds", more='source="backstage"'): "600x500"},
        {_metric("correlator_topology_last_success_timestamp_seconds", more='source="backstage"'): "0+60x500"},
    ),
    "CorrelatorUnknownServices": _pair(
        150, {_FIRING: "0+10x200", _UNKNOWN: "0+3x200"}, {_FIRING: "0+10x200", _UNKNOWN: "0+1x200"}
    ),
    "CorrelatorPagerKafkaDown": _pair(
        5,
        {_metric("correlator_pager_kafka_up", PAGER, 'target="pagerduty"'): "0x10"},
        {_metric("correlator_pager_kafka_up", PAGER, 'target="pagerduty"'): "0 0 1x10"},
    ),
    "CorrelatorNotDelivering": _pair(
        12, {_PENDING: "3x20", _DELIVERED: "8x20"}, {_PENDING: "3x20", _DELIVERED: "8+1x20"}
    ),
    "CorrelatorDeliveryOld": _pair(20, {_OLDEST: "0x5 300x20"}, {_OLDEST: "0x5 300 0x20"}),
    "CorrelatorDeliveryRefused": _pair(20, {_REFUSED: "_x10 1x20"}, {_REFUSED: "1x40"}),
    "CorrelatorPagesLate": _pair(
        80, {_IN_TIME: "0+9x100", _ACCEPTED: "0+10x100"}, {_IN_TIME: "0+10x100", _ACCEPTED: "0+10x100"}
    ),
    "CorrelatorPagesLateSlowly": _pair(
        100, {_IN_TIME: "0+99x120", _ACCEPTED: "0+100x120"}, {_IN_TIME: "0+999x120", _ACCEPTED: "0+1000x120"}
    ),
    "CorrelatorPagesUnrouted": _pair(
        10,
        {_metric("correlator_pages_unrouted_total", PAGER, 'target="pagerduty"'): "0x5 1x20"},
        {_metric("correlator_pages_unrouted_total", PAGER, 'target="pagerduty"'): "3x20"},
    ),
    "CorrelatorWindowInvalid": _pair(
        10,
        {_metric("correlator_windows", PAGER, 'state="invalid"'): "1x20"},
        {_metric("correlator_windows", PAGER, 'state="invalid"'): "0x20"},
    ),
}
