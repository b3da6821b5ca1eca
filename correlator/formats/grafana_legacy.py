"""Grafana's dashboard alerts before version 9 ("legacy alerting"): a webhook for each change of a rule's state.

`pkg/services/alerting/notifiers/webhook.go` of grafana/grafana, version 8 and before. No times; reminders are repeats.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from correlator.domain import Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert, labels_of
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Notice, Payload, shaped
from correlator.formats.links import links_of

_STATUSES = {
    "alerting": Status.FIRING,
    "no_data": Status.FIRING,  # in doubt, someone looks
    "ok": Status.RESOLVED,
}
_NOTICES = ("paused", "pending", "unknown")
#: What the series that fired may add to the rule's own tags. No more: when the rule is well again none is told of, and
#: both messages must come into the same scope.
_SERIES_TAGS = ("service", "app", "job", "host", "instance")


class _Match(msgspec.Struct):
    metric: str = ""
    tags: dict[str, Any] | None = None


class _Rule(msgspec.Struct, rename="camel"):
    rule_id: int | str
    state: str
    rule_name: str = ""
    rule_url: str = ""
    title: str = ""
    message: str = ""
    tags: dict[str, Any] | None = None
    eval_matches: list[_Match] | None = None


def _recognises(document: Document, headers: Headers) -> bool:
    return "ruleId" in document and "state" in document and ("evalMatches" in document or "ruleName" in document)


def _read(payload: Payload) -> list[Element]:
    rule = shaped(payload.document, _Rule)
    if rule.state in _NOTICES:
        return [Notice(rule.state)]
    if rule.state not in _STATUSES:
        raise InputError("wrong_value", f"state: {rule.state[:40]!r} is none of {', '.join((*_STATUSES, *_NOTICES))}")
    status, arrived_at = _STATUSES[rule.state], payload.arrival()
    return [
        ParsedAlert(
            source="grafana",
            status=status,
            name=rule.rule_name.strip() or rule.title.strip() or f"rule {rule.rule_id}",
            starts_at=arrived_at,
            ends_at=payload.until(TOLD_ONCE_SECONDS) if status is Status.FIRING else arrived_at,
            # A number of its own in every Grafana.
            fingerprint=f"grafana/{_host(rule.rule_url)}/{rule.rule_id}",
            labels=_labels(rule),
            summary=rule.message or rule.title,
            links=links_of({}, source=rule.rule_url),
        )
    ]


def _labels(rule: _Rule) -> dict[str, str]:
    series = [match.tags or {} for match in rule.eval_matches or ()]
    common = {key: series[0][key] for key in _SERIES_TAGS if series and all(key in tags for tags in series)}
    agreed = {key: value for key, value in common.items() if all(tags[key] == value for tags in series)}
    return labels_of({**agreed, **(rule.tags or {})})


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.replace("\x00", "")
    except ValueError:
        return ""


FORMAT = Format(name="grafana-legacy", signs=("ruleId",), recognises=_recognises, read=_read, shape=_Rule)
