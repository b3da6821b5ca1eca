"""The root ranker: from the log weights of explanations to calibrated probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from models.artifact import RankerModel, version

_LOWEST, _HIGHEST = 0.25, 32.0  # temperatures that are looked at
_STEPS = 200


class Weighed(Protocol):
    """A candidate with the log weight of its explanations."""

    @property
    def score(self) -> float: ...


class TemperedRanker:
    """A softmax over the candidates' log weights, at the temperature of a fitted model."""

    def __init__(self, model: RankerModel) -> None:
        self._temperature = model.temperature
        self.version = version(model)

    def probabilities(self, roots: Sequence[Weighed]) -> list[float]:
        """Return one probability per root, in the order given, rounded to four digits."""
        if not roots:
            return []
        scores = np.array([root.score for root in roots])
        return [round(float(chance), 4) for chance in _softmax(scores, self._temperature)]


def fit_temperature(cases: Sequence[tuple[Sequence[float], int]]) -> float:
    """Return the temperature under which the true roots are likeliest (Guo et al. 2017, temperature scaling).

    Args:
        cases: for each incident, the log weights of its candidates and the index of the true one.

    Raises:
        ValueError: there are no cases.
    """
    if not cases:
        raise ValueError("nothing to fit on")
    grid = np.geomspace(_LOWEST, _HIGHEST, _STEPS)
    losses = [
        -sum(math.log(max(_softmax(np.array(scores), float(value))[true], 1e-12)) for scores, true in cases)
        for value in grid
    ]
    return round(float(grid[int(np.argmin(losses))]), 4)


def _softmax(scores: npt.NDArray[np.float64], temperature: float) -> npt.NDArray[np.float64]:
    best = scores.max()
    if not math.isfinite(best):
        return np.full(len(scores), 1 / len(scores))
    weights = np.exp((scores - best) / temperature)
    chances: npt.NDArray[np.float64] = weights / weights.sum()
    return chances
