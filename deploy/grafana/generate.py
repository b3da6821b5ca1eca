"""Write correlator.json, the Grafana dashboard: `python deploy/grafana/generate.py`. The tables here are the source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

OUT = Path(__file__).with_name("correlator.json")
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
#: Of what a process says itself; recorded figures are of all processes together.
_OF = 'job=~"$job", instance=~"$instance"'


class Panel(NamedTuple):
    """One panel: PromQL with its legend, and what the figures mean."""

    title: str
    queries: list[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    says: str = ""
    stacked: bool = False


def _rate(metric: str, by: str, more: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{{_OF}{more}}}[$__rate_interval]))"


def _quantile(share: float, metric: str, by: str = "") -> str:
    inner = f"sum by ({by + ', ' if by else ''}le) (rate({metric}_bucket{{{_OF}}}[$__rate_interval]))"
    return f"histogram_quantile({share}, {inner})"


def _stat(title: str, expr: str, unit: str, says: str) -> Panel:
    return Panel(title, [(expr, "")], unit, "stat", says)


ROWS: dict[str, list[Panel]] = {
    "Overview": [
        _stat(
            "Noise reduction, a day",
            "correlator:noise_reduction:ratio_rate1d",
            "percentunit",
            "1 - pages / firing events",
        ),
        _stat(
            "Deduplication, a day", "correlator:deduplication:ratio_rate1d", "percentunit", "repeats / firing events"
        ),
        _stat("Suppression, a day", "correlator:suppression:ratio_rate1d", "percentunit", "suppressed / news"),
        _stat("Open incidents", f"sum(correlator_incidents_open{{{_OF}}})", "short", "published and not resolved"),
        _stat("Pages, a day", 'sum(team:correlator_pages:increase1d{team=~"$team"})', "short", "of the chosen teams"),
        _stat(
            "Of them from 22 to 8",
            'sum(hour_class:correlator_interruptions:increase1d{hour_class="sleep"})',
            "short",
            "in the owners' time zones, by what targets accepted",
        ),
        Panel(
            "Pages by team",
            [('sum by (team) (increase(correlator_pages_total{team=~"$team"}[1h]))', "{{team}}")],
            says="in an hour",
            stacked=True,
        ),
        Panel(
            "Open incidents by severity",
            [(f"sum by (severity) (correlator_incidents_open{{{_OF}}})", "{{severity}}")],
            stacked=True,
        ),
        Panel(
            "Time to page",
            [
                (_quantile(0.5, "correlator_correlation_delay_seconds"), "ours, p50"),
                (_quantile(0.99, "correlator_correlation_delay_seconds"), "ours, p99"),
                (_quantile(0.5, "correlator_detection_delay_seconds"), "since the first start, p50"),
            ],
            "s",
            says="From the arrival of the first alert, and from its start by the sender's clock, to publication.",
        ),
        Panel(
            "Received",
            [(_rate("correlator_alerts_received_total", "source, status"), "{{source}} {{status}}")],
            "eps",
            stacked=True,
        ),
        Panel(
            "What became of events",
            [(_rate("correlator_events_total", "disposition, reason"), "{{disposition}}: {{reason}}")],
            "eps",
            stacked=True,
        ),
        Panel(
            "Incidents: alerts and length",
            [
                ("correlator:incident_alerts:mean1d", "alerts, mean of a day"),
                ("correlator:incident_duration_seconds:p50_1d / 60", "minutes, p50 of a day"),
            ],
        ),
    ],
    "Correctness": [
        Panel(
            "Suppressed by reason, a day",
            [("reason:correlator_suppression:ratio_rate1d", "{{reason}}")],
            "percentunit",
            stacked=True,
        ),
        Panel(
            "Suppressed in an hour, and the week's average",
            [
                ("correlator:suppression:ratio_rate1h", "hour"),
                ("avg_over_time(correlator:suppression:ratio_rate1h[1w])", "week"),
            ],
            "percentunit",
        ),
        Panel("Could not be understood", [(_rate("correlator_alerts_invalid_total", "reason"), "{{reason}}")], "eps"),
        Panel("Dead letters", [(_rate("correlator_dead_letters_total", "reason"), "{{reason}}")], "eps"),
        Panel(
            "Of unknown services",
            [
                (
                    f"sum(rate(correlator_topology_unknown_service_total{{{_OF}}}[1h]))"
                    f" / sum(rate(correlator_alerts_received_total{{{_OF}}}[1h]))",
                    "share",
                )
            ],
            "percentunit",
        ),
        Panel(
            "Clocks ahead of ours", [(f"max by (source) (correlator_clock_skew_seconds{{{_OF}}})", "{{source}}")], "s"
        ),
        Panel("Flapping", [(_rate("correlator_flapping_events_total", "job"), "firings")], "eps"),
        Panel("Fate still open", [(f"sum(correlator_events_pending{{{_OF}}})", "events")]),
    ],
    "Health": [
        Panel("Ready", [(f"correlator_ready{{{_OF}}}", "{{instance}}")]),
        Panel(
            "Engines behind the clock",
            [(f"max by (partition) (correlator_watermark_delay_seconds{{{_OF}}})", "partition {{partition}}")],
            "s",
        ),
        Panel("Stalled", [(f"correlator_stalled_seconds{{{_OF}}}", "{{instance}}")], "s"),
        Panel("Ticks", [(_rate("correlator_ticks_total", "instance"), "{{instance}}")], "ops"),
        Panel("Time of a batch, p99", [(_quantile(0.99, "correlator_processing_seconds", "stage"), "{{stage}}")], "s"),
        Panel("Snapshots, p99", [(_quantile(0.99, "correlator_snapshot_seconds", "instance"), "{{instance}}")], "s"),
        Panel("Size of snapshots", [(f"correlator_snapshot_bytes{{{_OF}}}", "partition {{partition}}")], "bytes"),
        Panel("Memory", [(f"process_resident_memory_bytes{{{_OF}}}", "{{job}} {{instance}}")], "bytes"),
        Panel("CPU", [(_rate("process_cpu_seconds_total", "job, instance"), "{{job}} {{instance}}")], "percentunit"),
        Panel("Restarts", [(f"changes(process_start_time_seconds{{{_OF}}}[1h])", "{{job}} {{instance}}")]),
    ],
    "Kafka and HTTP": [
        Panel(
            "Lag",
            [(f"sum by (topic, partition) (correlator_consumer_lag_messages{{{_OF}}})", "{{topic}} {{partition}}")],
        ),
        Panel("Messages sent", [(_rate("faust_topic_messages_sent_total", "topic"), "{{topic}}")], "ops"),
        Panel("Rebalances", [(f"faust_total_rebalances{{{_OF}}}", "{{instance}}")]),
        Panel(
            "Posts by answer",
            [(_rate("correlator_http_requests_total", "status"), "{{status}}")],
            "reqps",
            stacked=True,
        ),
        Panel(
            "Time of a post",
            [
                (_quantile(0.5, "correlator_http_request_seconds"), "p50"),
                (_quantile(0.99, "correlator_http_request_seconds"), "p99"),
            ],
            "s",
        ),
        Panel("Posts refused", [(_rate("correlator_http_refused_total", "reason"), "{{reason}}")], "reqps"),
    ],
    "Pager": [
        Panel("Waits for delivery", [(f"sum by (target) (correlator_notifications_pending{{{_OF}}})", "{{target}}")]),
        Panel(
            "Age of the oldest that waits",
            [
                (
                    f"time() - (max by (target) (correlator_notifications_oldest_timestamp_seconds{{{_OF}}}) > 0)",
                    "{{target}}",
                )
            ],
            "s",
        ),
        Panel(
            "Publication to acceptance of a page",
            [
                (_quantile(0.5, "correlator_page_delivery_seconds", "target"), "{{target}} p50"),
                (_quantile(0.99, "correlator_page_delivery_seconds", "target"), "{{target}} p99"),
            ],
            "s",
        ),
        Panel(
            "In time (30 s)",
            [("target:correlator_pages_in_time:ratio_rate1h", "{{target}}")],
            "percentunit",
            says="The objective is 99.9 %.",
        ),
        Panel(
            "Steps by outcome",
            [(_rate("correlator_notifications_total", "target, action, outcome"), "{{target}} {{action}} {{outcome}}")],
            "ops",
            stacked=True,
        ),
        Panel(
            "Retries",
            [(_rate("correlator_notification_retries_total", "target, reason"), "{{target}} {{reason}}")],
            "ops",
        ),
        Panel(
            "Interruptions by class of hour",
            [("hour_class:correlator_interruptions:increase1d", "{{target}} {{hour_class}}")],
            says="in a day",
            stacked=True,
        ),
        Panel(
            "Pages held back",
            [
                (f"sum by (target) (correlator_pages_withheld{{{_OF}}})", "{{target}} now"),
                (
                    f"sum by (reason, outcome) (increase(correlator_page_holds_total{{{_OF}}}[1h]))",
                    "{{reason}} {{outcome}}, an hour",
                ),
            ],
        ),
    ],
    "Dependency graph": [
        Panel(
            "Size",
            [
                (f"max(correlator_topology_nodes{{{_OF}}})", "services"),
                (f"max(correlator_topology_edges{{{_OF}}})", "dependencies"),
            ],
        ),
        Panel(
            "Sources answered last",
            [(f"time() - max by (source) (correlator_topology_last_success_timestamp_seconds{{{_OF}}})", "{{source}}")],
            "s",
        ),
        Panel(
            "Questions to sources",
            [(_rate("correlator_topology_imports_total", "source, outcome"), "{{source}} {{outcome}}")],
            "ops",
        ),
    ],
}


def dashboard() -> dict[str, Any]:
    """Return the dashboard: rows of panels, eight or twelve of Grafana's twenty-four columns wide, stats four."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS.items():
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": title,
                "collapsed": False,
                "gridPos": _place(0, y, 24, 1),
                "panels": [],
            }
        )
        x, y, height = 0, y + 1, 0
        for panel in row:
            width, tall = (4, 4) if panel.kind == "stat" else (8, 8)
            if x + width > 24:
                x, y = 0, y + height
            panels.append({"id": len(panels) + 1, "gridPos": _place(x, y, width, tall), **_panel(panel)})
            x, height = x + width, tall
        y += height
    return {
        "uid": "correlator",
        "title": "Correlator",
        "description": "Figures are defined in docs/metrics.md; those over a day need the recording rules.",
        "tags": ["correlator"],
        "schemaVersion": 38,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": [_annotation()]},
        "templating": {"list": _variables()},
        "panels": panels,
    }


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit}
    if panel.kind == "timeseries":
        stacking = {"mode": "normal" if panel.stacked else "none", "group": "A"}
        defaults |= {
            "min": 0,
            "custom": {"fillOpacity": 20 if panel.stacked else 5, "stacking": stacking, "showPoints": "never"},
        }
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": _DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}}
        if panel.kind == "stat"
        else {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": _DATASOURCE,
                "expr": expr,
                "legendFormat": legend or "__auto",
                "range": True,
            }
            for number, (expr, legend) in enumerate(panel.queries)
        ],
    }


def _variables() -> list[dict[str, Any]]:
    def query(name: str, text: str) -> dict[str, Any]:
        return {
            "name": name,
            "type": "query",
            "datasource": _DATASOURCE,
            "query": {"query": text, "refId": name},
            "definition": text,
            "refresh": 2,
            "sort": 1,
            "includeAll": True,
            "multi": True,
            "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"]},
        }

    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1},
        query("job", 'label_values(process_start_time_seconds{job=~".*correlator.*"}, job)'),
        query("instance", 'label_values(process_start_time_seconds{job=~"$job"}, instance)'),
        query("team", "label_values(correlator_pages_total, team)"),
    ]


def _annotation() -> dict[str, Any]:
    """Mark when alerts on the correlator itself fire."""
    return {
        "name": "Alerts on the correlator",
        "datasource": _DATASOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": 'ALERTS{component="correlator", alertstate="firing", severity!="none"}',
        "titleFormat": "{{alertname}}",
    }


def written() -> str:
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    OUT.write_text(written(), encoding="utf-8")
