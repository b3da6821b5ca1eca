"""One message of each format, and the real payloads: those of the repository, and those beside it where they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert
from correlator.formats.reading import Contents, Formats
from tests.formats.vendor_examples import VENDORS

PAYLOADS = Path(__file__).parent / "payloads"
SHARED = Path(__file__).parents[3] / "shared" / "payloads"
#: 2026-11-23T03:40:30Z: after the captured payloads' first firing, before its end.
AT = 1_795_405_230_000

EXAMPLES: dict[str, Any] = {
    "cloudevents": {
        "specversion": "1.0", "id": "7", "source": "/eu", "type": "alert", "time": "2026-11-23T03:40:00Z",
        "severitynumber": 17, "data": {"status": "firing", "name": "N", "starts_at": "2026-11-23T03:40:00Z"},
    },
    "grafana": {
        "orgId": 1, "version": "1", "groupKey": "{}", "status": "firing", "state": "alerting", "alerts": [
            {"status": "firing", "labels": {"alertname": "Memory", "app": "cart"}, "values": {"B": 44.2},
             "annotations": {"summary": "high"}, "startsAt": "2026-11-23T04:40:00.157076+01:00",
             "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "c6eadffa33fcdf37"},
        ],
    },
    "alertmanager": json.loads((PAYLOADS / "alertmanager_webhook_v4_firing.json").read_text()),
    "alertmanager-events": {
        "@timestamp": "2026-11-23T03:28:10.120Z", "instance": "am-0", "data": {"alertCreated": {"alert": {
            "fingerprint": "1360705177172387247", "name": "HighErrorRate",
            "labels": {"labels": [{"key": "alertname", "value": "HighErrorRate"}, {"key": "empty"}]},
            "annotations": {"labels": [{"key": "summary", "value": "bad"}]},
            "startsAt": "2026-11-23T03:28:10Z", "endsAt": "2026-11-23T03:32:10Z"}}},
    },
    "pagerduty": json.loads((PAYLOADS / "pagerduty_events_v2_trigger_by_alertmanager.json").read_text()),
    "pagerduty-change": {
        "routing_key": "k", "links": [],
        "payload": {"summary": "Deployed 2.1", "source": "build-7", "timestamp": "2026-11-23T03:39:00.000+0000",
                    "custom_details": {"service": "cart", "build": 220}},
    },
    "grafana-legacy": {
        "ruleId": 58, "ruleName": "Battery", "ruleUrl": "https://g.example/d/x", "state": "alerting", "message": "low",
        "evalMatches": [{"value": 1, "metric": "m", "tags": {"service": "core", "rack": "1"}}],
        "tags": {"severity": "warning"},
    },
    "keep": {
        "id": "1", "name": "Pod lacks memory", "status": "firing", "lastReceived": "2026-11-23T03:40:00.000Z",
        "environment": "production", "service": "backend", "source": ["prometheus"], "severity": "high",
        "message": "out", "labels": {"pod": "p", "cpu": 88}, "fingerprint": "1234",
    },
    "prometheus": json.loads((PAYLOADS / "prometheus_post_api_v2_alerts_firing.json").read_text())[0],
    "canonical": {
        "status": "firing", "name": "N", "starts_at": "2026-11-23T03:40:00Z", "edge": {"caller": "a", "callee": "b"},
        "labels": {"a": "b"}, "annotations": {"summary": "s"},
    },
    **VENDORS,
}  # fmt: skip


def payload(name: str) -> Any:
    """Return a payload as a document; skip the test where it is not at hand."""
    for path in (PAYLOADS / f"{name}.json", SHARED / "input" / f"{name}.json", SHARED / "output" / f"{name}.json"):
        if path.exists():
            return json.loads(path.read_text())
    pytest.skip(f"{name}.json lies neither in {PAYLOADS} nor in {SHARED}")


def read(document: Any, headers: dict[str, str] | None = None, *, at: int | None = AT) -> Contents:
    data = document if isinstance(document, bytes) else json.dumps(document).encode("utf-8", "surrogatepass")
    return Formats().read(data, headers, arrived_at=at)


def alerts(document: Any, headers: dict[str, str] | None = None, *, at: int | None = AT) -> list[ParsedAlert]:
    """Return the alerts of a message all of whose events are alerts."""
    contents = read(document, headers, at=at)
    assert errors(contents) == []
    return contents.alerts


def alert(document: Any, headers: dict[str, str] | None = None, *, at: int | None = AT) -> ParsedAlert:
    (one,) = alerts(document, headers, at=at)
    return one


def errors(contents: Contents) -> list[str]:
    return [str(one.event) for one in contents.events if isinstance(one.event, InputError)]


def error(document: Any, headers: dict[str, str] | None = None) -> str:
    """Return the one refusal of a message."""
    (one,) = errors(read(document, headers))
    return one
