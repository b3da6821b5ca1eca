"""Conditional logistic regression: which of the candidates of an incident is its root (McFadden 1974).

P(candidate i) = exp(b . x_i) / sum over the incident's candidates of exp(b . x_j). What is the same for all candidates
of an incident cancels, so only differences within it count; incidents with many candidates count as one each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.examples import Example

_MOST_STEPS = 60
_CLOSE_ENOUGH = 1e-9

Vector = npt.NDArray[np.float64]


def scales(examples: Sequence[Example]) -> Vector:
    """Return the spread of each feature within incidents, 1 where it never differs."""
    weights = weights_of(examples)
    variance = sum(
        weight * example.features.var(axis=0) for weight, example in zip(weights, examples, strict=True)
    ) / max(float(sum(weights)), 1e-12)
    spread = np.sqrt(variance)
    return np.where(spread > 1e-6, spread, 1.0)


def weights_of(examples: Sequence[Example]) -> list[float]:
    """Weigh every system the same, and within it every case; together as many as there are systems."""
    cases = Counter((example.system, example.case) for example in examples)
    systems = Counter(system for system, _ in cases)
    return [1 / (systems[example.system] * cases[example.system, example.case]) for example in examples]


def fit(examples: Sequence[Example], *, penalty: float) -> Vector:
    """Return the coefficients that make the marked candidates likeliest, shrunk by an L2 penalty on scaled features.

    Args:
        examples: incidents whose root is among the candidates.
        penalty: of the sum of squares, relative to the mean log likelihood.

    Raises:
        ValueError: there are no examples.
    """
    if not examples:
        raise ValueError("nothing to fit on")
    scale = scales(examples)
    weights = np.array(weights_of(examples))
    weights = weights / weights.sum()
    tables = [example.features / scale for example in examples]
    marks = [example.true for example in examples]
    coefficients = np.zeros(len(scale))
    value = _loss(coefficients, tables, marks, weights, penalty)
    for _ in range(_MOST_STEPS):
        gradient, curvature = _slope(coefficients, tables, marks, weights, penalty)
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while (new := _loss(coefficients - size * step, tables, marks, weights, penalty)) > value and size > 1e-6:
            size /= 2
        coefficients = coefficients - size * step
        if value - new < _CLOSE_ENOUGH:
            break
        value = new
    result: Vector = coefficients / scale
    return result


def log_chances(scores: Vector) -> Vector:
    """Return the logarithm of the softmax."""
    shifted = scores - scores.max()
    result: Vector = shifted - np.log(np.exp(shifted).sum())
    return result


def _loss(
    coefficients: Vector,
    tables: Sequence[Vector],
    marks: Sequence[npt.NDArray[np.bool_]],
    weights: Vector,
    penalty: float,
) -> float:
    likelihood = 0.0
    for table, mark, weight in zip(tables, marks, weights, strict=True):
        chances = log_chances(table @ coefficients)
        likelihood += weight * float(np.logaddexp.reduce(chances[mark]))
    return penalty * float(coefficients @ coefficients) / 2 - likelihood


def _slope(
    coefficients: Vector,
    tables: Sequence[Vector],
    marks: Sequence[npt.NDArray[np.bool_]],
    weights: Vector,
    penalty: float,
) -> tuple[Vector, Vector]:
    """Return gradient and curvature of the loss; of several marked candidates the likelier ones count more."""
    gradient = penalty * coefficients
    curvature = penalty * np.eye(len(coefficients))
    for table, mark, weight in zip(tables, marks, weights, strict=True):
        chances = np.exp(log_chances(table @ coefficients))
        share = np.where(mark, chances, 0.0)
        share = share / share.sum() if share.sum() > 0 else mark / mark.sum()
        gradient = gradient + weight * (table.T @ (chances - share))
        middle = chances @ table
        # The marked ones' own spread is left out: the curvature stays positive, the direction one of descent.
        curvature = curvature + weight * ((table.T * chances) @ table - np.outer(middle, middle))
    return gradient, curvature
