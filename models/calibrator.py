"""How much the ranker's word is worth: a logistic regression on what its answer looks like (Platt 1999).

A softmax over candidates takes their evidence for independent and the true root for one of them; both are too
optimistic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from models.artifact import CALIBRATOR_INPUTS, OF_THE_FIRST, CalibratorModel

Vector = npt.NDArray[np.float64]

_MOST = 8.0
_STEPS = 50


def inputs(log_chances: Vector, features: Vector, names: Sequence[str]) -> dict[str, float]:
    """Describe an answer: the log odds of the first, its lead in nats, how many there are, what the first is like."""
    order = np.argsort(-log_chances, kind="stable")
    first = float(log_chances[order[0]])
    rest = math.log(max(-math.expm1(first), 1e-9))
    lead = first - float(log_chances[order[1]]) if len(order) > 1 else _MOST
    values = {
        "log_odds": max(-_MOST, min(_MOST, first - rest)),
        "margin": min(_MOST, lead),
        "candidates": math.log(len(order)),
    }
    return values | {name: float(features[order[0], names.index(name)]) for name in OF_THE_FIRST}


def confidence(model: CalibratorModel, values: Mapping[str, float]) -> float:
    """Return the probability that the first candidate is the root."""
    log_odds = model.intercept + math.fsum(weight * values[name] for name, weight in model.coefficients.items())
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, log_odds))))


def fit(
    answers: Sequence[Mapping[str, float]], right: Sequence[bool], weights: Sequence[float], *, penalty: float
) -> CalibratorModel:
    """Fit on answers to cases that the ranker had not seen, each right or not.

    Args:
        penalty: of the sum of squares of the scaled coefficients, relative to the mean log likelihood.

    Raises:
        ValueError: there are no answers.
    """
    if not answers:
        raise ValueError("nothing to fit on")
    table = np.array([[answer[name] for name in CALIBRATOR_INPUTS] for answer in answers])
    weigh = np.array(weights) / np.sum(weights)
    truth = np.array(right, dtype=np.float64)
    middle = weigh @ table
    spread = np.sqrt(weigh @ (table - middle) ** 2)
    spread = np.where(spread > 1e-6, spread, 1.0)
    design = np.hstack([np.ones((len(table), 1)), (table - middle) / spread])
    shrink = penalty * np.diag([0.0, *np.ones(len(CALIBRATOR_INPUTS))])
    solution = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        chances = 1 / (1 + np.exp(-np.clip(design @ solution, -50, 50)))
        gradient = design.T @ (weigh * (chances - truth)) + shrink @ solution
        curvature = (design.T * (weigh * chances * (1 - chances) + 1e-9)) @ design + shrink
        step = np.linalg.solve(curvature, gradient)
        solution = solution - np.clip(step, -2, 2)
        if float(np.abs(step).max()) < 1e-10:
            break
    coefficients = solution[1:] / spread
    return CalibratorModel(
        intercept=round(float(solution[0] - coefficients @ middle), 6),
        coefficients={
            name: round(float(value), 6) for name, value in zip(CALIBRATOR_INPUTS, coefficients, strict=True)
        },
    )
