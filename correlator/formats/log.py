"""Records of the topic `correlator-events`: everything that can change a decision, in the order of decision.

A record carries the time it stands for; time itself is such a record (a tick). A dump of the topic replays to the very
incidents that were published from it.
"""

from __future__ import annotations

import msgspec

from correlator.domain import AlertEvent
from correlator.errors import LogError


class Alerts(msgspec.Struct, frozen=True, kw_only=True, tag="alerts", tag_field="type"):
    """Events of one message, all of one partition's scopes, that arrived at `at`."""

    at: int
    events: list[AlertEvent]


class Tick(msgspec.Struct, frozen=True, kw_only=True, tag="tick", tag_field="type"):
    """It is at least `at`."""

    at: int


class TopologyVersion(msgspec.Struct, frozen=True, kw_only=True, tag="topology", tag_field="type"):
    """From here on this version of the dependency graph holds."""

    at: int
    version: str


Record = Alerts | Tick | TopologyVersion

_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)  # type: ignore[arg-type]
_encoder = msgspec.json.Encoder()


def encode(record: Record) -> bytes:
    return _encoder.encode(record)


def decode(data: bytes) -> Record:
    """Read one record.

    Raises:
        LogError: it is none.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LogError(f"not a record of the event log: {error}") from None
