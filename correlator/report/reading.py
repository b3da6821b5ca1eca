"""What a report reads: lines of files, and of dumps of topics, as values. Every problem names its line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from correlator.config import Config
from correlator.domain import AlertEvent, Disposition, Feedback, FeedbackSource, IncidentEvent, Severity
from correlator.errors import ConfigError, InputError, LogError
from correlator.formats import log
from correlator.formats.feedback import Word, meant
from correlator.formats.instants import LATEST
from correlator.replay import Arrivals, DumpedRecord, Refusal
from correlator.report.noise import Fate, fires
from correlator.report.stories import instant
from correlator.sinks import Assignment
from topology.graph import ServiceGraph

T = TypeVar("T")
#: Why an assignment stays without its event.
_APART = "the assignments are not of these alerts: no event {!r} follows"


_dumped = msgspec.json.Decoder(DumpedRecord)


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """An input event as it was named; `event` is None for what nobody could use."""

    id: str
    event: AlertEvent | None = None
    cluster: str = ""


def incidents(lines: Iterable[bytes], source: str) -> Iterator[IncidentEvent]:
    """Read incident events, one a line, or a dump of their topic.

    Raises:
        ConfigError: a line is neither.
    """
    for number, event in _records(lines, source, IncidentEvent):
        _check(source, number, (event.started_at, event.opened_at, event.published_at, event.resolved_at))
        yield event


def feedback(lines: Iterable[bytes], source: str) -> Iterator[Feedback]:
    """Read what humans said, one record a line, or a dump of the topic.

    Raises:
        ConfigError: a line is neither, or does not say when.
    """
    for number, word in _records(lines, source, Word):
        try:
            if word.at is None:
                raise InputError("missing_field", "missing field `at`")
            yield meant(word, arrived_at=LATEST, delivery=f"line-{number}", source=FeedbackSource.TOPIC)
        except InputError as error:
            raise ConfigError(source, [f"line {number}: {error.detail}"]) from None


def fates(assignments: Iterable[bytes], source: str, arrived: Iterable[Arrived] | None) -> Iterator[Fate]:
    """Join assignments with the events they are of; both are in the order of arrival.

    Without events a fate has no name, service or time. Events without an assignment are passed over: the worker, too,
    applied once what its log holds twice.

    Raises:
        ConfigError: a line is no assignment, or one is of another input.
    """
    events = iter(arrived) if arrived is not None else None
    for number, one in _records(assignments, source, Assignment):
        if events is None:
            yield _fate(one, None)
            continue
        match = next((event for event in events if event.id == one.event_id), None)
        if match is None:
            raise ConfigError(source, [f"line {number}: {_APART.format(one.event_id)}"])
        yield _fate(one, match)


def alerts(lines: Iterable[bytes], config: Config, graph: ServiceGraph) -> Iterator[Arrived]:
    """Read alerts of any format, a message a line, as a replay names and orders them."""
    arrivals = Arrivals(config, graph, lambda notices: None)
    for number, line in enumerate(lines, start=1):
        for read in arrivals.read(number, line) if line.strip() else ():
            if isinstance(read, Refusal):
                yield Arrived(id=read.event_id)
            else:
                yield Arrived(id=read.event.id, event=read.event, cluster=read.alert.labels.get("cluster", ""))


def logged(lines: Iterable[bytes], source: str) -> Iterator[Arrived]:
    """Read the events of a dump of the event log; foreign records are passed over, as the workers do.

    Raises:
        ConfigError: a line is no record of a dump.
    """
    for number, line in enumerate(lines, start=1):
        try:
            value = bytes(_dumped.decode(line).value)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(source, [f"line {number}: {error}"]) from None
        try:
            parts = list(log.parts(log.decode(value)))
        except LogError:
            continue
        for part in parts:
            for event in part.events if isinstance(part, log.Alerts) else ():
                yield Arrived(id=event.id, event=event)


def _fate(assignment: Assignment, arrived: Arrived | None) -> Fate:
    event = arrived.event if arrived else None
    return Fate(
        fingerprint=assignment.fingerprint,
        disposition=Disposition(assignment.disposition),
        reason=assignment.reason,
        incident_id=assignment.incident_id,
        firing=fires(assignment.disposition, assignment.reason) if event is None else event.status == "firing",
        name=event.name if event else None,
        service=event.service if event else None,
        severity=event.severity if event else Severity.UNKNOWN,
        cluster=arrived.cluster if arrived else "",
        at=event.observed_at if event else None,
        ends_at=event.ends_at if event else None,
    )


def _records(lines: Iterable[bytes], source: str, kind: type[T]) -> Iterator[tuple[int, T]]:
    """Yield the values of lines, or of the records that are dumped in them; tombstones hold none."""
    decode: Callable[[bytes | msgspec.Raw], T] = msgspec.json.Decoder(kind).decode
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            if line.startswith(b'{"partition":'):
                value = _dumped.decode(line).value
                if bytes(value) != b"null":
                    yield number, decode(value)
            else:
                yield number, decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(source, [f"line {number}: {error}"]) from None


def _check(source: str, number: int, instants: Iterable[Any]) -> None:
    for text in instants:
        try:
            _ = instant(text) if text is not None else None
        except ValueError:
            raise ConfigError(source, [f"line {number}: {text!r} is no RFC 3339 instant"]) from None
