"""Warm starts outside the engine: a file of plain JSON with its provenance, and what the log bears of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import zstandard

from correlator.engine.state import ScopeWarmth, WarmStart
from correlator.engine.warmth import Warmth, warmth_of
from correlator.errors import ConfigError, LogError
from correlator.formats import log
from correlator.packing import packed, unpacked
from models.artifact import Provenance

WARM_FILE = "warm.json"
WARM_SCHEMA = "warm/1"
#: Ten thousand services with what is learned of each are some 10 MB.
_MAX_BYTES = 256 << 20


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: str = WARM_SCHEMA
    provenance: Provenance
    scopes: dict[str, ScopeWarmth]


def save(warmth: Warmth, provenance: Provenance, folder: Path) -> None:
    """Write what was learned into a folder, made if need be.

    Raises:
        ConfigError: the folder cannot be written.
    """
    document = _Document(provenance=provenance, scopes=dict(warmth.scopes))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WARM_FILE).write_bytes(msgspec.json.encode(document) + b"\n")
    except OSError as error:
        raise ConfigError(str(folder), [error.strerror or str(error)]) from error


def load(folder: Path | None) -> Warmth | None:
    """Read the warm start of a folder; None for none.

    Raises:
        ConfigError: there is none in it, or it is not one this version reads.
    """
    if folder is None:
        return None
    path = folder / WARM_FILE
    try:
        document = msgspec.json.decode(path.read_bytes(), type=_Document)
    except OSError as error:
        raise ConfigError(str(path), [error.strerror or str(error)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [str(error)]) from error
    if document.schema != WARM_SCHEMA:
        raise ConfigError(str(path), [f"schema: {document.schema!r} is not {WARM_SCHEMA}"])
    return warmth_of(document.scopes)


def record(start: WarmStart, at: int) -> log.WarmStart:
    """Return what the log bears of a scope's warm start, announced at `at` (milliseconds)."""
    learned = packed(msgspec.msgpack.encode(start.learned))
    return log.WarmStart(at=at, scope=start.scope, version=start.version, learned=learned)


def of_record(record: log.WarmStart) -> WarmStart:
    """Return the warm start that a record of the log bears.

    Raises:
        LogError: it is none that this version reads.
    """
    try:
        learned = msgspec.msgpack.decode(unpacked(record.learned, most=_MAX_BYTES), type=ScopeWarmth)
    except (zstandard.ZstdError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LogError(f"the warm start that the log bears: {error}") from None
    return WarmStart(scope=record.scope, version=record.version, learned=learned)
