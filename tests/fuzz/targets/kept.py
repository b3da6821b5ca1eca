"""What we wrote ourselves and read again, perhaps damaged: the log, snapshots; and the configuration."""

from __future__ import annotations

import tempfile
from pathlib import Path

import zstandard

from correlator.config import load
from correlator.engine import snapshot as codec
from correlator.errors import ConfigError, LogError, SnapshotError
from correlator.formats import log
from correlator.shell.snapshots import newest

_FOLDER = tempfile.TemporaryDirectory(prefix="correlator-fuzz-")
_HEADER = b"CORS\x01" + bytes(8)


def log_record(data: bytes) -> None:
    """Read a record of the log; what is read can be written."""
    try:
        record = log.decode(data)
    except LogError:
        return
    assert log.decode(log.encode(record)) == record
    for part in log.parts(record):
        assert isinstance(part, log.Part)


def snapshot(data: bytes) -> None:
    """Read a snapshot that was damaged, within its compression and without, alone and among others."""
    for damaged in (data, _HEADER + zstandard.ZstdCompressor(level=1).compress(data)):
        try:
            read = codec.decode(damaged)
        except SnapshotError:
            continue
        again = codec.decode(codec.encode(read))
        assert again.offset == read.offset and codec.encode(again) == codec.encode(read)
    head, *parts = data.split(b"\n")
    newest(0, [*((b"0/1/%d" % number, part) for number, part in enumerate(parts)), (b"0", head)])


def configuration(data: bytes) -> None:
    """Load a configuration file."""
    path = Path(_FOLDER.name) / "correlator.toml"
    path.write_bytes(data)
    try:
        config = load(path, environ={})
    except ConfigError as error:
        assert error.problems and all(error.problems)
    else:
        assert config.version()
