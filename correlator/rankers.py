"""Which ranker names the roots: the shipped model, the user's, or the engine's own weights. How the log bears it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from correlator.engine.features import NAMES
from correlator.engine.ranking import PosteriorRanker, Ranker
from correlator.errors import ConfigError
from models import artifact
from models.artifact import RankerModel
from models.ranker import LearnedRanker

#: The model that comes with this version.
SHIPPED = "default"
#: None: the explanations' own weights.
NONE = "none"

_NO_MODEL = b"null"


def chosen(model: Path | str) -> Ranker | None:
    """Return the ranker of a model's folder, of the shipped model (`default`), or None (`none`).

    Raises:
        ConfigError: there is no such model, or this version cannot use it.
    """
    if str(model) == NONE:
        return None
    folder = artifact.DEFAULT if str(model) == SHIPPED else Path(model)
    return _learned(artifact.load(folder), str(folder / artifact.RANKER_FILE))


def version(ranker: Ranker | None) -> str:
    """Return the name by which incidents call it."""
    return (ranker or PosteriorRanker()).version


def document(ranker: Ranker | None) -> bytes:
    """Return all there is to know of a ranker, as JSON: `null` for the engine's own weights."""
    return msgspec.json.encode(ranker.model) if isinstance(ranker, LearnedRanker) else _NO_MODEL


def from_document(data: bytes, source: str) -> Ranker:
    """Return the ranker of a document; `source` is where it is from, for the error.

    Raises:
        ConfigError: this version cannot use it.
    """
    return PosteriorRanker() if data == _NO_MODEL else _learned(artifact.decode(data, source), source)


def _learned(model: RankerModel, source: str) -> LearnedRanker:
    try:
        return LearnedRanker(model, NAMES)
    except ValueError as error:
        raise ConfigError(source, [str(error)]) from None
