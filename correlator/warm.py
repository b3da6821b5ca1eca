"""The file of a warm start: plain JSON with its provenance, beside a model's other files."""

from __future__ import annotations

from pathlib import Path

import msgspec

from correlator.engine.warmth import ScopeWarmth, Warmth, warmth_of
from correlator.errors import ConfigError
from models.artifact import Provenance

WARM_FILE = "warm.json"
WARM_SCHEMA = "warm/1"


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
