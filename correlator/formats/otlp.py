"""OpenTelemetry's logs by OTLP, as JSON or protobuf: each record of some weight is an event that nobody resolves.

opentelemetry/proto/logs/v1/logs.proto, and the JSON mapping of the OTLP specification: numbers of 64 bits may be
strings.
Protobuf is told by a header, `content-type: application/x-protobuf` or `format: otlp`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from correlator.domain import Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert, first_of, identity, labels_of, name_in, plain
from correlator.formats.format import Document, Element, Format, Headers, Notice, Payload, Refusal, listed, shaped
from correlator.formats.instants import counted
from correlator.formats.severity_numbers import severity_numbered

_PROTOBUF = ("application/x-protobuf", "application/protobuf")
#: What is logged once may never be again: without another record for so long it is over.
_LEASE_SECONDS = 900
#: TRACE and DEBUG are for who looks at one program.
_DEBUG = 8
_SERVICE, _NAMESPACE = "service.name", "service.namespace"
_ENVIRONMENTS = ("deployment.environment.name", "deployment.environment")
_ENTITIES = ("k8s.pod.name", "service.instance.id", "container.name", "host.name")
_NAMES = ("event.name", "exception.type")
_SCALARS = ("stringValue", "boolValue", "intValue", "doubleValue")


class _Record(msgspec.Struct, rename="camel"):
    time_unix_nano: str | int | float | None = None
    observed_time_unix_nano: str | int | float | None = None
    severity_number: int | str | None = None
    severity_text: str | None = None
    event_name: str | None = None
    body: Any = None
    attributes: Any = None


#: Where a record stands, the labels of its resource, and itself with its body and attributes plain; or why it is none.
_Found = tuple[str, dict[str, str], _Record | InputError]


def _claims(headers: Headers) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() in _PROTOBUF


def _recognises(document: Document, headers: Headers) -> bool:
    return "resourceLogs" in document


def _read(payload: Payload) -> list[Element]:
    elements: list[Element] = []
    for at, resource, record in _records(payload):
        try:
            if isinstance(record, InputError):
                raise record
            elements.append(_element(payload, resource, record))
        except InputError as error:
            detail = error.detail if error.detail.startswith(at) else f"{at}: {error.detail}"
            elements.append(Refusal(error=InputError(error.reason, detail)))
    return elements


def _records(payload: Payload) -> Iterator[_Found]:
    if _claims(payload.headers):
        return _from_protobuf(payload.data)
    try:
        document = payload.document
    except InputError:
        if payload.headers.get("format") != FORMAT.name:
            raise
        return _from_protobuf(payload.data)
    return _from_json(document)


def _element(payload: Payload, resource: dict[str, str], record: _Record) -> Element:
    number, text = record.severity_number, record.severity_text
    if isinstance(number, int) and 0 < number <= _DEBUG:
        return Notice("debug")
    if isinstance(number, str):
        # The number's name, as some writers of JSON have it.
        text = text or number.removeprefix("SEVERITY_NUMBER_")
    body, attributes = record.body or "", record.attributes
    name = record.event_name or first_of(attributes, _NAMES) or name_in(body)
    if not name.strip():
        raise InputError("missing_field", "neither `eventName` nor `body` says what happened")
    service = resource.get(_SERVICE)
    whose = (resource.get(_NAMESPACE) or "", service or "", first_of(resource, _ENVIRONMENTS) or "")
    return ParsedAlert(
        source="otlp",
        status=Status.FIRING,
        name=name,
        service=service,
        entity=first_of(resource, _ENTITIES),
        severity=severity_numbered(number, text),
        starts_at=_time(payload, record),
        ends_at=payload.until(_LEASE_SECONDS),
        fingerprint=identity("otlp", *whose, name),
        labels=attributes | resource,
        summary=body or attributes.get("exception.message") or name,
    )


def _time(payload: Payload, record: _Record) -> int:
    return (
        _counted(record.time_unix_nano, "timeUnixNano")
        or _counted(record.observed_time_unix_nano, "observedTimeUnixNano")
        or payload.arrival()
    )


def _counted(value: str | float | None, where: str) -> int | None:
    try:
        nanoseconds = float(value or 0)
    except ValueError:
        raise InputError("bad_timestamp", f"{where}: {str(value)[:40]!r} is no number") from None
    # Zero is how none is written.
    return counted(nanoseconds, where) if nanoseconds != 0 else None


def _from_json(document: Any) -> Iterator[_Found]:
    for i, of_resource in enumerate(listed(document, "resourceLogs")):
        at = f"resourceLogs[{i}]"
        resource = of_resource.get("resource") if isinstance(of_resource, dict) else None
        labels = _labels(resource.get("attributes") if isinstance(resource, dict) else None)
        try:
            for j, of_scope in enumerate(_inner(of_resource, "scopeLogs", at)):
                inside = f"{at}.scopeLogs[{j}]"
                for k, item in enumerate(_inner(of_scope, "logRecords", inside)):
                    place = f"{inside}.logRecords[{k}]"
                    yield place, labels, _json_record(item, place)
        except InputError as error:
            yield at, labels, error


def _json_record(item: object, at: str) -> _Record | InputError:
    try:
        record = shaped(item, _Record, at=at)
    except InputError as error:
        return error
    record.body, record.attributes = _scalar(record.body) or "", _labels(record.attributes)
    return record


def _inner(value: object, key: str, at: str) -> list[Any]:
    """Return the list under a key; protobuf's JSON leaves out what is empty."""
    if isinstance(value, dict) and value.get(key) is None:
        return []
    try:
        return listed(value, key)
    except InputError as error:
        place = f"{at}." if isinstance(value, dict) else f"{at}: "
        raise InputError(error.reason, f"{place}{error.detail}") from None


def _labels(attributes: object) -> dict[str, str]:
    fields: dict[str, object] = {}
    for item in attributes if isinstance(attributes, list) else ():
        if isinstance(item, dict) and isinstance(key := item.get("key"), str):
            fields[key] = _scalar(item.get("value"))
    return labels_of(fields)


def _scalar(value: object) -> str | None:
    """Return a value of OTLP as text; None for lists, objects and bytes."""
    if not isinstance(value, dict):
        return None
    for kind in _SCALARS:
        if kind in value:
            return plain(value[kind])
    return None


def _from_protobuf(data: bytes) -> Iterator[_Found]:
    # Only whoever reads protobuf pays for loading it.
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

    try:
        logs = LogsData.FromString(data)
    except DecodeError:
        raise InputError("wrong_value", "neither JSON nor protobuf of OTLP logs") from None
    if data and not logs.resource_logs:
        raise InputError("wrong_value", "no OTLP logs are in this protobuf")
    for i, of_resource in enumerate(logs.resource_logs):
        labels = _message_labels(of_resource.resource.attributes)
        for j, of_scope in enumerate(of_resource.scope_logs):
            for k, message in enumerate(of_scope.log_records):
                record = _Record(
                    time_unix_nano=message.time_unix_nano,
                    observed_time_unix_nano=message.observed_time_unix_nano,
                    severity_number=int(message.severity_number),
                    severity_text=message.severity_text,
                    event_name=message.event_name,
                    body=plain(_message_scalar(message.body)) or "",
                    attributes=_message_labels(message.attributes),
                )
                yield f"resourceLogs[{i}].scopeLogs[{j}].logRecords[{k}]", labels, record


def _message_labels(attributes: Any) -> dict[str, str]:
    return labels_of({item.key: _message_scalar(item.value) for item in attributes})


def _message_scalar(value: Any) -> object:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind in ("string_value", "bool_value", "int_value", "double_value") else None


FORMAT = Format(name="otlp", signs=("resourceLogs",), recognises=_recognises, read=_read, claims=_claims)
