"""The root ranker: from the features of an incident's candidates to calibrated probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from models.artifact import RankerModel, version
from models.calibrator import confidence, inputs
from models.conditional import log_chances


class Question(Protocol):
    """The candidates of an incident and what is known of each: one row a candidate, a named column a feature."""

    @property
    def names(self) -> Sequence[str]: ...

    def features(self) -> npt.NDArray[np.float64]: ...


class LearnedRanker:
    """Weigh the features of each candidate as a fitted model does.

    Args:
        model: the parameters.
        known: the features that the engine knows.

    Raises:
        ValueError: the model weighs a feature that the engine does not know.
    """

    def __init__(self, model: RankerModel, known: Iterable[str]) -> None:
        names = tuple(known)
        strange = sorted(model.coefficients.keys() - set(names))
        if strange:
            raise ValueError(f"coefficients: {', '.join(strange)}: no feature of this version")
        self._names = names
        self._weights = np.array([model.coefficients.get(name, 0.0) for name in names])
        self._calibrator = model.calibrator
        self.model = model
        self.version = version(model)

    @property
    def weights(self) -> dict[str, float]:
        """What each feature weighs, in nats for each unit."""
        return dict(zip(self._names, self._weights.tolist(), strict=True))

    def weighed(self, suspects: Question) -> list[float]:
        """Return the probabilities as the weights alone give them, before calibration."""
        features = suspects.features()
        return np.exp(self._log_chances(features)).tolist() if len(features) else []

    def probabilities(self, suspects: Question) -> list[float]:
        """Return one probability per candidate, in the order given; the rest is for none of them."""
        features = suspects.features()
        if not len(features):
            return []
        log_odds = self._log_chances(features)
        chances = np.exp(log_odds)
        first = float(chances.max())
        sure = confidence(self._calibrator, inputs(log_odds, features, self._names))
        # The first is as likely as such firsts were; the order of all stays.
        others = sure / first if sure < first or first >= 1 else (1 - sure) / (1 - first)
        best = int(chances.argmax())
        spread = [min(sure, float(chance) * others) for chance in chances]
        spread[best] = sure
        return [round(chance, 4) for chance in spread]

    def _log_chances(self, features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return log_chances(np.round(features @ self._weights, 9))  # beyond, machines differ
