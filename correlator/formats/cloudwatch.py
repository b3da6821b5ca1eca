"""Alarms of Amazon CloudWatch, as SNS and as EventBridge tell them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
An alarm tells each change of its state once. It has no severity: its name may hold a word for one.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import msgspec

from correlator.domain import Severity, Status
from correlator.errors import InputError
from correlator.formats import sns
from correlator.formats.alert import ParsedAlert, identity, label_pairs, labels_of, severity_of
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Notice, Payload, shaped
from correlator.formats.instants import written
from correlator.formats.links import MAX_URL_CHARACTERS, links_of

_STATES = {
    "ALARM": Status.FIRING,
    "OK": Status.RESOLVED,
    # Whoever is told of this by SNS has asked for it by an action of its own: someone is to look.
    "INSUFFICIENT_DATA": Status.FIRING,
}
_NO_DATA = "INSUFFICIENT_DATA"
#: Alarms whose severity is remembered: an account has thousands.
_MOST_NAMES = 8192
#: Words in names of alarms that can mean nothing but a severity; `HighErrors` is no more than what is measured.
_SEVERITY_IN_NAME = re.compile(
    r"(?<![a-z0-9])(critical|crit|fatal|emergency|warning|warn|sev-?[0-4]|p[0-5])(?![a-z0-9])", re.IGNORECASE
)
_ARN = re.compile(r"arn:aws:cloudwatch:([a-z0-9-]+):\d*:alarm:(.+)")
#: Dimensions that name a service, the narrower first.
_SERVICES = {name: rank for rank, name in enumerate((
    "ServiceName", "FunctionName", "ApiName", "DBClusterIdentifier", "DBInstanceIdentifier", "CacheClusterId",
    "QueueName", "TopicName", "TableName", "StreamName", "DomainName", "BucketName", "Service",
))}  # fmt: skip
#: Dimensions that name what a service runs on or behind.
_ENTITIES = {name: rank for rank, name in enumerate((
    "PodName", "InstanceId", "NodeName", "AutoScalingGroupName", "TargetGroup", "LoadBalancer", "ClusterName",
))}  # fmt: skip


class _Trigger(msgspec.Struct, rename="pascal", gc=False):
    metric_name: str | None = None
    namespace: str | None = None
    dimensions: Any = None
    #: Of an alarm on an expression, the metrics in it.
    metrics: Any = None


class _Alarm(msgspec.Struct, rename="pascal", gc=False):
    """What stands in the message of SNS."""

    alarm_name: str
    new_state_value: str
    new_state_reason: str | None = None
    state_change_time: str | None = None
    alarm_arn: str | None = None
    alarm_description: str | None = None
    account: str | None = msgspec.field(name="AWSAccountId", default=None)
    region: str | None = None
    trigger: _Trigger | None = None


class _State(msgspec.Struct, gc=False):
    value: str
    reason: str | None = None
    timestamp: str | None = None


class _Configuration(msgspec.Struct):
    description: str | None = None
    metrics: Any = None


class _Detail(msgspec.Struct, rename="camel"):
    alarm_name: str
    state: _State
    configuration: _Configuration | None = None


class _Event(msgspec.Struct):
    """What EventBridge sends."""

    detail: _Detail
    id: str | None = None
    account: str | None = None
    region: str | None = None
    resources: list[str] | None = None


def _recognises(document: Document, headers: Headers) -> bool:
    return ("AlarmName" in document and "NewStateValue" in document) or (
        document.get("detail-type") == "CloudWatch Alarm State Change" and "detail" in document
    )


def _read(payload: Payload) -> list[Element]:
    document = payload.document
    if isinstance(document, dict) and "AlarmName" not in document:
        if sns.recognises(document, payload.headers):
            return sns.read(payload)  # sent by name to the address of this format
        if "detail" in document:
            return [_from_eventbridge(payload, shaped(document, _Event))]
    return [_from_sns(payload, shaped(document, _Alarm))]


def _from_sns(payload: Payload, alarm: _Alarm) -> ParsedAlert:
    trigger = alarm.trigger or _Trigger()
    dimensions = label_pairs(trigger.dimensions)
    for metric in trigger.metrics if isinstance(trigger.metrics, list) else ():
        dimensions = label_pairs(_dimensions_of(metric, "MetricStat", "Metric", "Dimensions")) | dimensions
    return _alert(
        payload,
        name=alarm.alarm_name,
        state=alarm.new_state_value,
        reason=alarm.new_state_reason,
        changed=alarm.state_change_time,
        at="StateChangeTime",
        arn=alarm.alarm_arn,
        description=alarm.alarm_description,
        dimensions=dimensions,
        labels={
            "account": alarm.account,
            "region": alarm.region,
            "namespace": trigger.namespace,
            "metric": trigger.metric_name,
        },
    )


def _from_eventbridge(payload: Payload, event: _Event) -> Element:
    detail = event.detail
    if detail.state.value == _NO_DATA:
        # Here every change of every alarm is told: a metric that is sparse has no data most of the time.
        return Notice("insufficient_data")
    configuration = detail.configuration or _Configuration()
    dimensions: dict[str, str] = {}
    metric: dict[str, Any] = {}
    for one in configuration.metrics if isinstance(configuration.metrics, list) else ():
        found = _dimensions_of(one, "metricStat", "metric")
        if isinstance(found, dict):
            metric = metric or found
            inner = found.get("dimensions")
            dimensions = labels_of(inner if isinstance(inner, dict) else {}) | dimensions
    alert = _alert(
        payload,
        name=detail.alarm_name,
        state=detail.state.value,
        reason=detail.state.reason,
        changed=detail.state.timestamp,
        at="detail.state.timestamp",
        arn=event.resources[0] if event.resources else None,
        description=configuration.description,
        dimensions=dimensions,
        labels={
            "account": event.account,
            "region": event.region,
            "namespace": metric.get("namespace"),
            "metric": metric.get("name"),
        },
    )
    return msgspec.structs.replace(alert, id=event.id or None)


def _alert(
    payload: Payload,
    *,
    name: str,
    state: str,
    reason: str | None,
    changed: str | None,
    at: str,
    arn: str | None,
    description: str | None,
    dimensions: dict[str, str],
    labels: dict[str, object],
) -> ParsedAlert:
    status = _STATES.get(state)
    if status is None:
        raise InputError("wrong_value", f"state: {state[:40]!r} is none of {', '.join(_STATES)}")
    changed_at = written(changed, at) if changed else payload.arrival()
    service, entity = _narrowest(dimensions)
    return ParsedAlert(
        source="cloudwatch",
        status=status,
        name=name,
        service=service,
        entity=entity,
        severity=Severity.UNKNOWN if state == _NO_DATA else _severity(name),
        starts_at=changed_at,
        ends_at=changed_at if status is Status.RESOLVED else payload.until(TOLD_ONCE_SECONDS),
        fingerprint=arn or identity("cloudwatch", str(labels["account"] or ""), str(labels["region"] or ""), name),
        labels=labels_of(labels) | dimensions,
        summary=description or reason or name,
        links=links_of({}, source=_page(arn) if arn and len(arn) <= MAX_URL_CHARACTERS else None),
    )


def _narrowest(dimensions: dict[str, str]) -> tuple[str | None, str | None]:
    """Return service and entity, what the dimension of the lowest rank says; an alarm has few, and names are many."""
    service = entity = None
    of_service, of_entity = len(_SERVICES), len(_ENTITIES)
    for name, text in dimensions.items():
        if name in _SERVICES:
            if (rank := _SERVICES[name]) < of_service:
                of_service, service = rank, text
        elif name in _ENTITIES and (rank := _ENTITIES[name]) < of_entity:
            of_entity, entity = rank, text
    return service, entity


@lru_cache(maxsize=_MOST_NAMES)
def _severity(name: str) -> Severity | None:
    match = _SEVERITY_IN_NAME.search(name)
    return severity_of(match[1].replace("-", "")) if match else None


@lru_cache(maxsize=_MOST_NAMES)
def _page(arn: str) -> str | None:
    """Return the address of an alarm in the console; None for what stands in no region of the public cloud."""
    match = _ARN.fullmatch(arn)
    if match is None:
        return None
    region, name = match.groups()
    return (
        f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
        f"#alarmsV2:alarm/{quote(name, safe='', errors='replace')}"
    )


def _dimensions_of(value: object, *path: str) -> object:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


FORMAT = Format(name="cloudwatch", signs=("AlarmName", "detail-type"), recognises=_recognises, read=_read)
