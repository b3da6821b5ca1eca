"""Zabbix, whose media type's script decides the body: ours is `deploy/templates/zabbix-media-type.yaml`.

https://www.zabbix.com/documentation/current/en/manual/appendix/macros/supported_by_location
The script knows the server's time zone, and so sends instants; dates are understood where their offset from UTC stands
beside them. A common short template is read too: `hostname`, `trigger`, `status`, `severity`.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from correlator.domain import Severity, Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert, identity, labels_of, plain
from correlator.formats.format import TOLD_ONCE_SECONDS, Document, Element, Format, Headers, Notice, Payload, shaped
from correlator.formats.instants import told, written
from correlator.formats.links import links_of

_STATUSES = {
    "1": Status.FIRING,
    "problem": Status.FIRING,
    "0": Status.RESOLVED,
    "ok": Status.RESOLVED,
    "resolved": Status.RESOLVED,
}
_SEVERITIES = {
    "0": Severity.UNKNOWN,
    "not classified": Severity.UNKNOWN,
    "1": Severity.INFO,
    "information": Severity.INFO,
    "2": Severity.WARNING,
    "warning": Severity.WARNING,
    "3": Severity.WARNING,
    "average": Severity.WARNING,
    "4": Severity.ERROR,
    "high": Severity.ERROR,
    "5": Severity.CRITICAL,
    "disaster": Severity.CRITICAL,
}


class _Problem(msgspec.Struct):
    """What our script sends. Macros are text; one that does not resolve is left as `{IT.STANDS}`."""

    event_value: Any
    event_name: str
    trigger_id: str | int
    host: str
    event_id: str | int | None = None
    event_update_status: Any = None
    event_nseverity: Any = None
    event_started_at: str | int | float | None = None
    event_ended_at: str | int | float | None = None
    event_date: str | None = None
    event_time: str | None = None
    event_recovery_date: str | None = None
    event_recovery_time: str | None = None
    #: Minutes that the server's clock on the wall is ahead of UTC.
    utc_offset_minutes: Annotated[int, msgspec.Meta(ge=-1000, le=1000)] | None = None
    event_tags: Any = None
    event_opdata: str | None = None
    host_group: str | None = None
    url: str | None = None


class _Short(msgspec.Struct):
    hostname: str
    trigger: str
    status: str
    severity: str = ""
    item: str | None = None
    link: Any = None


def _recognises(document: Document, headers: Headers) -> bool:
    return ("event_nseverity" in document and "trigger_id" in document) or (
        "hostname" in document and "trigger" in document and "severity" in document
    )


def _read(payload: Payload) -> list[Element]:
    document = payload.document
    if isinstance(document, dict) and "hostname" in document and "trigger" in document:
        return [_short(payload, shaped(document, _Short))]
    problem = shaped(document, _Problem)
    if plain(problem.event_update_status) == "1":
        return [Notice("update")]  # someone acknowledged, commented or changed the severity
    return [_problem(payload, problem)]


def _problem(payload: Payload, problem: _Problem) -> ParsedAlert:
    status = _status(plain(problem.event_value) or "", "event_value")
    started_at = _instant(problem, problem.event_started_at, problem.event_date, problem.event_time, "event_started_at")
    ended_at = None
    if status is Status.RESOLVED:
        ended_at = _instant(
            problem, problem.event_ended_at, problem.event_recovery_date, problem.event_recovery_time, "event_ended_at"
        )
        ended_at = ended_at or payload.arrival()
    tags = _tags(problem.event_tags)
    return ParsedAlert(
        source="zabbix",
        status=status,
        name=problem.event_name,
        service=tags.get("service"),
        entity=problem.host or None,
        severity=_SEVERITIES.get((plain(problem.event_nseverity) or "").lower()),
        starts_at=started_at or ended_at or payload.arrival(),
        ends_at=ended_at or payload.until(TOLD_ONCE_SECONDS),
        observed_at=ended_at,
        # A trigger is of one host; its numbers are those of one Zabbix.
        fingerprint=identity("zabbix", problem.url or "", problem.host, str(problem.trigger_id)),
        # A trigger may open several problems at once.
        instance=str(problem.event_id) if problem.event_id else None,
        labels=labels_of({**tags, "host": problem.host, "host_group": _resolved(problem.host_group)}),
        summary=f"{problem.event_name}: {data}" if (data := _resolved(problem.event_opdata)) else problem.event_name,
        links=links_of(tags, source=_page(problem)),
    )


def _short(payload: Payload, problem: _Short) -> ParsedAlert:
    status, arrived_at = _status(problem.status, "status"), payload.arrival()
    return ParsedAlert(
        source="zabbix",
        status=status,
        name=problem.trigger,
        entity=problem.hostname or None,
        severity=_SEVERITIES.get(problem.severity.lower()),
        starts_at=arrived_at,
        ends_at=arrived_at if status is Status.RESOLVED else payload.until(TOLD_ONCE_SECONDS),
        fingerprint=identity("zabbix", problem.hostname, problem.trigger),
        labels=labels_of({"host": problem.hostname}),
        summary=problem.item or problem.trigger,
        links=links_of({}, source=problem.link),
    )


def _page(problem: _Problem) -> str | None:
    """Return the address of a problem in Zabbix; None where its own address or its numbers are not known."""
    base, event = _resolved(problem.url), _resolved(problem.event_id)
    if base is None or event is None:
        return None
    return f"{base.rstrip('/')}/tr_events.php?triggerid={problem.trigger_id}&eventid={event}"


def _status(word: str, where: str) -> Status:
    status = _STATUSES.get(word.lower())
    if status is None:
        raise InputError("wrong_value", f"{where}: {word[:40]!r} is none of {', '.join(_STATUSES)}")
    return status


def _instant(
    problem: _Problem, instant: str | float | None, date: str | None, time: str | None, where: str
) -> int | None:
    """Return an instant, of a number or of a date on the server's wall; None where neither tells."""
    if text := _resolved(instant):
        return told(text, where)
    if not (_resolved(date) and _resolved(time)) or problem.utc_offset_minutes is None:
        return None
    moment = written(f"{date}T{time}".replace(".", "-"), where)
    return moment - 60_000 * problem.utc_offset_minutes


def _resolved(value: str | float | None) -> str | None:
    """Return a macro's value; None where it did not resolve, and stands there as it was written."""
    text = plain(value)
    return None if text is None or (text.startswith("{") and text.endswith("}")) else text


def _tags(tags: object) -> dict[str, str]:
    """Return the tags of an event, `{EVENT.TAGSJSON}`: an array of objects, which may still be text."""
    if isinstance(tags, str):
        try:
            tags = msgspec.json.decode(tags)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return {}
    fields: dict[str, object] = {}
    for tag in reversed(tags) if isinstance(tags, list) else ():
        if isinstance(tag, dict) and isinstance(key := tag.get("tag"), str):
            fields[key] = tag.get("value")
    return labels_of(fields)


FORMAT = Format(name="zabbix", signs=("trigger_id", "trigger"), recognises=_recognises, read=_read)
