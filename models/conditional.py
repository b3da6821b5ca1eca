"""Conditional logistic regression: which of the candidates of an incident is its root (McFadden 1974).

P(candidate i) = exp(b . x_i) / sum over the incident's candidates of exp(b . x_j). What is the same for all candidates
of an incident cancels, so only differences within it count; an incident with many candidates counts as one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.examples import Example

Vector = npt.NDArray[np.float64]

_MOST_STEPS = 60
_CLOSE_ENOUGH = 1e-8
_SMALLEST_STEP = 1e-6


def log_chances(scores: Vector) -> Vector:
    """Return the logarithm of the softmax."""
    shifted = scores - scores.max()
    result: Vector = shifted - np.log(np.exp(shifted).sum())
    return result


def weights_of(examples: Sequence[Example]) -> Vector:
    """Weigh every family of systems the same, and within it every case; all weights add up to one."""
    cases = Counter((example.family, example.system, example.case) for example in examples)
    families = Counter(family for family, _, _ in cases)
    each = [
        1 / (families[example.family] * cases[example.family, example.system, example.case]) for example in examples
    ]
    return np.array(each) / max(len(families), 1)


def fit(examples: Sequence[Example], *, penalty: float, start: Vector | None = None) -> Vector:
    """Return the coefficients that make the marked candidates likeliest, by Newton's method.

    An L2 penalty on scaled coefficients holds them back: features differ in size, and some are rare.

    Args:
        examples: incidents; those whose root is not among the candidates teach nothing.
        penalty: weight of the sum of squares against the mean log likelihood.
        start: coefficients near the solution.

    Raises:
        ValueError: there is nothing to learn from.
    """
    telling = [example for example in examples if example.true.any() and not example.true.all()]
    if not telling:
        raise ValueError("nothing to fit on: no incident has its root among several candidates")
    stack = _Stack(telling)
    solution = np.zeros(len(stack.scale)) if start is None else start * stack.scale
    value = stack.loss(solution, penalty)
    for _ in range(_MOST_STEPS):
        gradient, curvature = stack.slope(solution, penalty)
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while (new := stack.loss(solution - size * step, penalty)) > value and size > _SMALLEST_STEP:
            size /= 2
        solution = solution - size * step
        if value - new < _CLOSE_ENOUGH:
            break
        value = new
    result: Vector = solution / stack.scale
    return result


class _Stack:
    """The candidates of all incidents, one below the other, each feature scaled by its spread within incidents."""

    def __init__(self, examples: Sequence[Example]) -> None:
        sizes = np.array([len(example.true) for example in examples])
        self._starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self._owner = np.repeat(np.arange(len(examples)), sizes)
        self._marks = np.concatenate([example.true for example in examples])
        self._weights = weights_of(examples)
        rows = np.concatenate([example.features - example.features.mean(axis=0) for example in examples])
        each = (self._weights / sizes)[self._owner]
        spread = np.sqrt(each @ rows**2)
        self.scale: Vector = np.where(spread > 1e-6, spread, 1.0)
        self._rows = rows / self.scale

    def loss(self, coefficients: Vector, penalty: float) -> float:
        """Return the penalised negative log likelihood."""
        likelihood = self._totals(np.where(self._marks, np.exp(self._log_chances(coefficients)), 0.0))
        return penalty * float(coefficients @ coefficients) / 2 - float(self._weights @ np.log(likelihood + 1e-300))

    def slope(self, coefficients: Vector, penalty: float) -> tuple[Vector, Vector]:
        """Return gradient and curvature of the loss.

        Of several marked candidates the likelier ones count more; their own spread is left out of the curvature, which
        so stays positive.
        """
        chances = np.exp(self._log_chances(coefficients))
        marked = np.where(self._marks, chances + 1e-300, 0.0)
        marked = marked / self._totals(marked)[self._owner]
        each = self._weights[self._owner]
        gradient = self._rows.T @ (each * (chances - marked)) + penalty * coefficients
        weighed = self._rows * chances[:, None]
        middles = np.add.reduceat(weighed, self._starts, axis=0)
        curvature = (weighed * each[:, None]).T @ self._rows - (middles * self._weights[:, None]).T @ middles
        return gradient, curvature + penalty * np.eye(len(coefficients))

    def _log_chances(self, coefficients: Vector) -> Vector:
        scores = self._rows @ coefficients
        scores = scores - np.maximum.reduceat(scores, self._starts)[self._owner]
        result: Vector = scores - np.log(self._totals(np.exp(scores)))[self._owner]
        return result

    def _totals(self, values: Vector) -> Vector:
        result: Vector = np.add.reduceat(values, self._starts)
        return result
