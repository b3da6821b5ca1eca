"""What the scorer reads: an alert stream, its truth, and the two outputs of a replay.

Only the fields that a figure needs are read; the rest of a line is ignored. Time is arrival time as a replay sees it:
`observed_at`, else `starts_at`, never going back.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Literal, TypeVar

import msgspec
import zstandard

from correlator.domain import instant_of
from correlator.errors import ConfigError

#: Suffix of a label: the alert stood before the fault began, so it is no alert of the case.
STANDING = "|standing"

#: Labels that name the observer, not the trouble: two senders of one alert differ in them alone.
OBSERVER_LABELS = frozenset({"replica", "prometheus", "prometheus_replica", "__replica__", "receiver"})


_T = TypeVar("_T")


class AlertLine(msgspec.Struct, frozen=True, kw_only=True):
    """One readable event of the stream; `position` counts the lines of the file from 0, blank ones left out."""

    position: int
    event_id: str | None
    firing: bool
    identity: str
    name: str
    arrived_at: int
    starts_at: int
    ends_at: int | None = None
    service: str | None = None
    scope: str = "default"
    summary: str = ""
    labels: dict[str, str] = {}


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One true failure; naming any of `roots` names its cause."""

    name: str
    start: int
    roots: frozenset[str]


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """The cases and which events belong to them; labels of alerts that merely stood are not here."""

    cases: tuple[Case, ...]
    labels: dict[str, str]
    scored_from: int | None = None


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """Where one input line ended."""

    event_id: str
    incident_id: str | None


class IncidentStep(msgspec.Struct, frozen=True, kw_only=True):
    """One incident event, as far as it is judged; `candidates` are services, likeliest first."""

    incident_id: str
    revision: int
    at: int
    page: bool
    candidates: tuple[str, ...]
    merged_into: str | None = None
    #: None where the method states no probability.
    confidence: float | None = None


class _AlertWire(msgspec.Struct):
    status: Literal["firing", "resolved"]
    name: str
    starts_at: datetime
    id: str | None = None
    fingerprint: str | None = None
    service: str | None = None
    entity: str | None = None
    scope: str = "default"
    edge: dict[str, str] | None = None
    labels: dict[str, str] = {}
    summary: str = ""
    ends_at: datetime | None = None
    observed_at: datetime | None = None


class _CaseWire(msgspec.Struct):
    case: str
    start: datetime
    roots: list[str]


class _TruthWire(msgspec.Struct):
    cases: list[_CaseWire]
    labels: dict[str, str]
    scored_from: datetime | None = None


class _CandidateWire(msgspec.Struct):
    service: str


class _RootWire(msgspec.Struct):
    service: str
    confidence: float
    candidates: list[_CandidateWire]


class _IncidentWire(msgspec.Struct):
    incident_id: str
    revision: int
    page: bool
    published_at: datetime
    root_cause: _RootWire
    merged_into: str | None = None


def read_alerts(path: Path) -> list[AlertLine]:
    """Read an alert stream; a line that is no alert event has no part in any figure, as in a replay."""
    decoder = msgspec.json.Decoder(_AlertWire)
    alerts: list[AlertLine] = []
    now = -(2**63)
    for position, (_, line) in enumerate(_lines(path)):
        try:
            wire = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        now = max(now, instant_of(wire.observed_at or wire.starts_at))
        alerts.append(_alert(wire, position, now))
    return alerts


def read_truth(path: Path) -> Truth:
    """Read the truth of a stream.

    Raises:
        ConfigError: naming what is not as documented.
    """
    try:
        wire = msgspec.json.decode(path.read_bytes(), type=_TruthWire)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [str(error)]) from error
    cases = tuple(
        Case(name=case.case, start=instant_of(case.start), roots=frozenset(case.roots)) for case in wire.cases
    )
    names = {case.name for case in cases}
    unknown = sorted({label.removesuffix(STANDING) for label in wire.labels.values()} - names)
    problems = [f"labels: no case is named {name!r}" for name in unknown]
    if len(names) != len(cases):
        problems.append("cases: two have the same name")
    if problems:
        raise ConfigError(str(path), problems)
    labels = {event: case for event, case in wire.labels.items() if not case.endswith(STANDING)}
    return Truth(
        cases=cases, labels=labels, scored_from=None if wire.scored_from is None else instant_of(wire.scored_from)
    )


def read_assignments(path: Path) -> list[Assignment]:
    """Read the assignments of a replay, one a line of its input."""
    return list(_decoded(path, Assignment))


def read_incidents(path: Path) -> list[IncidentStep]:
    """Read the incident events of a replay."""
    return [
        IncidentStep(
            incident_id=wire.incident_id,
            revision=wire.revision,
            at=instant_of(wire.published_at),
            page=wire.page,
            candidates=tuple(candidate.service for candidate in wire.root_cause.candidates),
            merged_into=wire.merged_into,
            confidence=wire.root_cause.confidence,
        )
        for wire in _decoded(path, _IncidentWire)
    ]


def check_pairing(alerts: Sequence[AlertLine], assignments: Sequence[Assignment], truth: Truth) -> None:
    """Make sure that the files belong together, since a figure over files that do not is worse than none.

    Raises:
        ConfigError: naming the first events that have no counterpart.
    """
    problems = []
    if alerts and alerts[-1].position >= len(assignments):
        problems.append(f"{len(assignments)} lines for an input of at least {alerts[-1].position + 1}")
    for alert in alerts[: len(assignments)]:
        assigned = assignments[alert.position].event_id if alert.position < len(assignments) else alert.event_id
        if alert.event_id is not None and alert.event_id != assigned:
            problems.append(f"line {alert.position + 1}: is of event {assigned!r}, the input has {alert.event_id!r}")
            break
    if problems:
        raise ConfigError("assignments", problems)
    strangers = sorted(truth.labels.keys() - {alert.event_id for alert in alerts})
    if strangers:
        raise ConfigError("truth", [f"labels: {len(strangers)} events are not in the alerts, such as {strangers[0]!r}"])


def identity_of(wire: _AlertWire) -> str:
    """Return what makes two events tell of one alert: the sender's fingerprint, else name, place and labels."""
    if wire.fingerprint is not None:
        return wire.fingerprint
    labels = sorted(item for item in wire.labels.items() if item[0] not in OBSERVER_LABELS)
    edge = sorted((wire.edge or {}).items())
    return json.dumps([wire.scope, wire.name, wire.service, wire.entity, edge, labels])


def _alert(wire: _AlertWire, position: int, arrived_at: int) -> AlertLine:
    return AlertLine(
        position=position,
        event_id=wire.id,
        firing=wire.status == "firing",
        identity=identity_of(wire),
        name=wire.name,
        arrived_at=arrived_at,
        starts_at=instant_of(wire.starts_at),
        ends_at=None if wire.ends_at is None else instant_of(wire.ends_at),
        service=wire.service,
        scope=wire.scope,
        summary=wire.summary,
        labels=wire.labels,
    )


def _decoded(path: Path, kind: type[_T]) -> Iterator[_T]:
    decoder = msgspec.json.Decoder(kind)
    for number, line in _lines(path):
        try:
            yield decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(str(path), [f"line {number}: {error}"]) from error


def _lines(path: Path) -> Iterable[tuple[int, bytes]]:
    """Yield the numbered lines of a file, `.gz` and `.zst` decompressed, blank ones left out."""
    try:
        with _open(path) as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise ConfigError(str(path), [str(error)]) from error


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return io.BufferedReader(gzip.open(path, "rb"))
    if path.suffix == ".zst":
        return io.BufferedReader(zstandard.open(path, "rb"))
    return path.open("rb")
