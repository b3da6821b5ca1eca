"""Which ranker names the roots: the shipped model, the user's, or the engine's own weights."""

from __future__ import annotations

from pathlib import Path

from correlator.engine.features import NAMES
from correlator.engine.ranking import Ranker
from correlator.errors import ConfigError
from models import artifact
from models.ranker import LearnedRanker

#: The model that comes with this version.
SHIPPED = "default"
#: None: the explanations' own weights.
NONE = "none"


def chosen(model: Path | str) -> Ranker | None:
    """Return the ranker of a model's folder, of the shipped model (`default`), or None (`none`).

    Raises:
        ConfigError: there is no such model, or this version cannot use it.
    """
    if str(model) == NONE:
        return None
    folder = artifact.DEFAULT if str(model) == SHIPPED else Path(model)
    try:
        return LearnedRanker(artifact.load(folder), NAMES)
    except ValueError as error:
        raise ConfigError(str(folder / artifact.RANKER_FILE), [str(error)]) from None
