"""From explanations to probabilities: the seam where a learned ranker comes in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from correlator.engine.roots import Root


class Ranker(Protocol):
    """Turn the candidates of one incident into probabilities that each is its root; the rest is for none of them."""

    @property
    def version(self) -> str: ...

    def probabilities(self, roots: Sequence[Root]) -> list[float]: ...


class PosteriorRanker:
    """The explanations' own weights, tempered: nodes are less independent than the model says."""

    def __init__(self, temperature: float = 2.0) -> None:
        self._temperature = temperature
        self.version = f"posterior-{temperature:g}"

    def probabilities(self, roots: Sequence[Root]) -> list[float]:
        """Return one probability per root, in the order given."""
        if not roots:
            return []
        best = max(root.score for root in roots)
        if best == -math.inf:
            return [round(1 / len(roots), 4)] * len(roots)
        weights = [math.exp((root.score - best) / self._temperature) for root in roots]
        total = sum(weights)
        return [round(weight / total, 4) for weight in weights]
