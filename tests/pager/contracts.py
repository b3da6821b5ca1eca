"""What the documentation of each target but PagerDuty asks of a request, by the path it arrives at."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_JSM_FIELDS = {
    "message": 130,
    "alias": 512,
    "description": 15_000,
    "entity": 512,
    "source": 100,
    "note": 25_000,
    "user": 100,
}


def breaches(request: web.Request, body: bytes) -> list[str]:
    """Return what the contract of the target behind a path does not allow; nothing for paths of no known target."""
    checks: dict[str, Callable[[Mapping[str, str], str, str, Any], list[str]]] = {
        "/api/v2/alerts": alertmanager_alerts,
        "/alertmanager-webhook": alertmanager_webhook,
        "/slack-api/": slack_method,
        "/slack-hook": slack_hook,
        "/v2/alerts": jsm,
    }
    for prefix, check in checks.items():
        if request.path.startswith(prefix):
            try:
                document = json.loads(body)
            except ValueError:
                return ["not JSON"]
            headers = {name.lower(): value for name, value in request.headers.items()}
            if not headers.get("content-type", "").startswith("application/json"):
                return ["not declared as JSON"]
            return check(headers, request.method, request.path_qs, document)
    return []


def alertmanager_alerts(headers: Mapping[str, str], method: str, path: str, document: Any) -> list[str]:
    """POST /api/v2/alerts of Alertmanager's openapi.yaml, with the checks its handler makes."""
    if method != "POST" or path != "/api/v2/alerts" or not isinstance(document, list) or not document:
        return ["not a POST of alerts to /api/v2/alerts"]
    problems = []
    for alert in document:
        unknown = alert.keys() - {"labels", "annotations", "startsAt", "endsAt", "generatorURL"}
        problems += [f"unknown field {name}" for name in unknown]
        problems += _label_breaches(alert["labels"])
        if "alertname" not in alert["labels"]:
            problems.append("an alert without a name")
        if "generatorURL" in alert and not alert["generatorURL"].startswith(("http://", "https://")):
            problems.append("generatorURL is not a URI")
        starts, ends = _instant(alert["startsAt"]), _instant(alert["endsAt"])
        if starts > ends:
            problems.append("start time must be before end time")
    return problems


def alertmanager_webhook(headers: Mapping[str, str], method: str, path: str, document: Any) -> list[str]:
    """The body of a webhook, version 4, field by field as Alertmanager writes it."""
    fields = {
        "version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels", "commonLabels",
        "commonAnnotations", "externalURL", "alerts",
    }  # fmt: skip
    problems = [f"field {name}" for name in document.keys() ^ fields]
    if document["version"] != "4" or document["status"] not in ("firing", "resolved") or method != "POST":
        problems.append("not version 4, or no status")
    for alert in document["alerts"]:
        fields = {"status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"}
        problems += [f"field {name} of an alert" for name in alert.keys() ^ fields]
        problems += _label_breaches(alert["labels"])
        if not re.fullmatch("[0-9a-f]{16}", alert["fingerprint"]):
            problems.append("fingerprint")
        is_over = _instant(alert["endsAt"]).year > 1
        if is_over != (alert["status"] == "resolved"):
            problems.append("endsAt does not fit the status")
    return problems


def slack_method(headers: Mapping[str, str], method: str, path: str, document: Any) -> list[str]:
    """chat.postMessage and chat.update with a JSON body."""
    problems = slack_message(document, {"channel", "ts"})
    if not headers.get("authorization", "").startswith("Bearer xoxb-"):
        problems.append("no bot token")
    if path not in ("/slack-api/chat.postMessage", "/slack-api/chat.update"):
        problems.append(f"no method {path}")
    if ("ts" in document) != path.endswith("update") or not document.get("channel"):
        problems.append("chat.update needs channel and ts, chat.postMessage the channel")
    return problems


def slack_hook(headers: Mapping[str, str], method: str, path: str, document: Any) -> list[str]:
    """An incoming webhook."""
    return slack_message(document, set())


def slack_message(document: Any, more: set[str]) -> list[str]:
    """Block Kit's bounds: https://docs.slack.dev/reference/block-kit/blocks"""
    problems = [f"unknown field {name}" for name in document.keys() - {"text", "blocks"} - more]
    if not document.get("text"):
        problems.append("no text for notifications")
    blocks = document["blocks"]
    if len(blocks) > 50 or len(json.dumps(blocks, ensure_ascii=False)) > 13_000:
        problems.append("msg_blocks_too_long")
    for block in blocks:
        bounds = {"header": 150, "section": 3000}
        text = block.get("text", {}).get("text", "x")
        if not 0 < len(text) <= bounds.get(block["type"], 3000):
            problems.append(f"text of {block['type']}")
        fields = block.get("fields", [{"text": "x"}])
        if not 0 < len(fields) <= 10 or any(not 0 < len(one["text"]) <= 2000 for one in fields):
            problems.append("fields")
        for element in block.get("elements", []):
            if element["type"] == "button" and (len(element["text"]["text"]) > 75 or len(element["url"]) > 3000):
                problems.append("button")
    if re.search(r"&(?!amp;|lt;|gt;)|<(?!!date\^)", json.dumps(blocks[1:], ensure_ascii=False)):
        problems.append("markup that was not escaped")
    return problems


def jsm(headers: Mapping[str, str], method: str, path: str, document: Any) -> list[str]:
    """The alert API of JSM operations and Opsgenie."""
    problems = []
    if not re.fullmatch(r"GenieKey \S+", headers.get("authorization", "")):
        problems.append("no GenieKey")
    if path == "/v2/alerts":
        return problems + _jsm_create_breaches(method, document)
    found = re.fullmatch(r"/v2/alerts/([^/?]+)/(close|acknowledge|priority|message)\?identifierType=alias", path)
    if found is None:
        return [*problems, f"no such request: {path}"]
    puts = {"priority": {"priority"}, "message": {"message"}}
    if (method, document.keys()) != (
        ("PUT", puts[found[2]]) if found[2] in puts else ("POST", document.keys() & {"user", "source", "note"})
    ):
        problems.append(f"{method} {found[2]} with {sorted(document)}")
    return problems + _jsm_bound_breaches(document)


def _jsm_create_breaches(method: str, document: Any) -> list[str]:
    others = {"priority", "responders", "tags", "details", "actions", "visibleTo"}
    problems = [f"unknown field {name}" for name in document.keys() - _JSM_FIELDS.keys() - others]
    if method != "POST" or not document.get("message"):
        problems.append("a create is a POST with a message")
    if len(document.get("tags", [])) > 20 or any(len(tag) > 50 for tag in document.get("tags", [])):
        problems.append("tags")
    details = document.get("details", {})
    if sum(len(name) + len(value) for name, value in details.items()) > 8000:
        problems.append("details")
    return problems + _jsm_bound_breaches(document)


def _jsm_bound_breaches(document: Any) -> list[str]:
    problems = [name for name, most in _JSM_FIELDS.items() if len(document.get(name, "")) > most]
    if document.get("priority", "P1") not in {"P1", "P2", "P3", "P4", "P5"}:
        problems.append("priority")
    return problems


def _label_breaches(labels: Mapping[str, str]) -> list[str]:
    return [f"label {name}" for name, value in labels.items() if not _LABEL.fullmatch(name) or not value]


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    assert instant.tzinfo is not None
    return instant
