"""Snapshots: all that one partition's engine remembers, as bytes, and back.

`CORS`, a byte of version, the offset in eight bytes, then MessagePack under Zstandard. A restored engine says of every
further event what the original would have said.
"""

from __future__ import annotations

import struct

import msgspec
import zstandard

from correlator.engine.clocks import Told
from correlator.engine.deliveries import Deliveries
from correlator.engine.state import State
from correlator.errors import SnapshotError
from correlator.packing import packed, unpacked

VERSION = 1
_MAGIC = b"CORS"
_HEADER = struct.Struct(">4sBq")
#: No engine's state is larger.
_MAX_BYTES = 4 << 30


class Snapshot(msgspec.Struct, kw_only=True):
    """The state after the record at `offset` of the event log; `mark` is that record's digest.

    `told` is the last tick. `model` is the document of the model that the log named last, empty where it named none.
    """

    offset: int
    mark: str
    state: State
    deliveries: Deliveries
    told: Told = msgspec.field(default_factory=Told)
    model: bytes = b""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Snapshot)


def encode(snapshot: Snapshot) -> bytes:
    """Write a snapshot; the same state gives the same bytes."""
    return _HEADER.pack(_MAGIC, VERSION, snapshot.offset) + packed(_encoder.encode(snapshot), level=1)


def is_snapshot(data: bytes) -> bool:
    return data.startswith(_MAGIC)


def offset(data: bytes) -> int:
    """Return the offset of a snapshot without reading it whole.

    Raises:
        SnapshotError: it is none, or of a version this program does not read.
    """
    if not is_snapshot(data) or len(data) <= _HEADER.size:
        raise SnapshotError("not a snapshot")
    _, version, covered = _HEADER.unpack_from(data)
    if version != VERSION:
        raise SnapshotError(f"the snapshot has version {version}, this program reads {VERSION}")
    return int(covered)


def decode(data: bytes) -> Snapshot:
    """Read a snapshot.

    Raises:
        SnapshotError: it is damaged, or of a version this program does not read.
    """
    offset(data)
    try:
        return _decoder.decode(unpacked(data[_HEADER.size :], most=_MAX_BYTES))
    except (zstandard.ZstdError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotError(f"the snapshot is damaged: {error}") from None
