"""Records of the topic `correlator-events`: everything that can change a decision, in the order of decision.

A record carries the time it stands for; time itself is such a record (a tick). A dump of the topic replays to the very
incidents that were published from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from correlator.domain import AlertEvent, Feedback
from correlator.errors import LogError


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where events came from, so that what is forwarded twice is applied once.

    `part` tells apart what one message was divided into. No message of the partition below `floor` is ever delivered
    again: the offset that was committed when this was forwarded. `generation` and `assigned_at` (milliseconds) tell the
    assignments of the partition to workers apart.
    """

    partition: int
    offset: int
    part: str
    floor: int
    generation: int = 0
    assigned_at: int = 0


class Alerts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="alerts", tag_field="type"):
    """Events of one scope and one message that arrived at `at`."""

    at: int
    events: list[AlertEvent]
    source: Source | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True, tag="batch", tag_field="type"):
    """Several `Alerts` in their order, each with its own time and source: many messages that came at once."""

    records: list[Alerts]


class Tick(msgspec.Struct, frozen=True, kw_only=True, tag="tick", tag_field="type"):
    """It is at least `at`."""

    at: int


class TopologyVersion(msgspec.Struct, frozen=True, kw_only=True, tag="topology", tag_field="type"):
    """From here on this version of the dependency graph holds."""

    at: int
    version: str


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True, tag="model", tag_field="type"):
    """From here on this model names the roots.

    `document` is all of it, as JSON, so that a log needs nothing beside it; null for the explanations' own weights.
    """

    at: int
    version: str
    document: msgspec.Raw


class WarmStart(msgspec.Struct, frozen=True, kw_only=True, tag="warm", tag_field="type"):
    """What a scope will begin with if nothing was heard of it yet; `learned` is packed."""

    at: int
    scope: str
    version: str
    learned: bytes


class Said(msgspec.Struct, frozen=True, kw_only=True, tag="feedback", tag_field="type"):
    """An operator's word, heard at `at`. It is in every partition: whichever knows the incident acts on it."""

    at: int
    feedback: Feedback
    version: Literal[1] = 1


Part = Alerts | Tick | TopologyVersion | ModelVersion | WarmStart | Said
Record = Part | Batch

_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)
_encoder = msgspec.json.Encoder()


def encode(record: Record) -> bytes:
    return _encoder.encode(record)


def join(records: Sequence[bytes]) -> bytes:
    """Return one record of the log for several encoded `Alerts`."""
    return records[0] if len(records) == 1 else b'{"type":"batch","records":[' + b",".join(records) + b"]}"


def parts(record: Record) -> Sequence[Part]:
    """Return what is applied one after the other of a record."""
    return record.records if isinstance(record, Batch) else (record,)


def decode(data: bytes) -> Record:
    """Read one record.

    Raises:
        LogError: it is none.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LogError(f"not a record of the event log: {error}") from None
