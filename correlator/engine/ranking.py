"""From explanations to probabilities: the seam where a learned ranker comes in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from correlator.engine import features
from correlator.engine.causes import Explainer, Paths
from correlator.engine.forest import Link, candidates
from correlator.engine.memory import LinkMemory
from correlator.engine.roots import Root, chosen, rank
from correlator.engine.state import Node

#: So many candidates are told of.
MOST_CANDIDATES = 10


class Suspects(msgspec.Struct, frozen=True):
    """The candidates of one incident at one moment."""

    incident: str
    at: int
    roots: Sequence[Root]
    scene: features.Scene

    @property
    def names(self) -> tuple[str, ...]:
        """What the columns of `features` are."""
        return features.NAMES

    def features(self) -> npt.NDArray[np.float64]:
        """Return one row per candidate; computed only for who asks."""
        return features.table(self.roots, self.scene)


class Ranker(Protocol):
    """Turn the candidates of one incident into probabilities that each is its root; the rest is for none of them."""

    @property
    def version(self) -> str: ...

    def probabilities(self, suspects: Suspects) -> list[float]: ...


def suspects_of(
    incident: str,
    members: Iterable[Node],
    paths: Paths,
    explainer: Explainer,
    now: int,
    memory: LinkMemory[Link] | None = None,
) -> Suspects:
    """Return the candidates of the incident that consists of `members`; `memory` is that of their scope."""
    nodes = {node.id: node for node in sorted(members, key=lambda node: node.id)}
    links = candidates(nodes, paths, explainer, of=chosen(nodes, explainer), memory=memory)
    roots = rank(nodes, links, paths, explainer)
    return Suspects(incident, now, roots, features.Scene(nodes, links, paths, explainer))


def ordered(suspects: Suspects, ranker: Ranker) -> list[tuple[Root, float]]:
    """Return the likeliest candidates with their probabilities, best first."""
    chances = ranker.probabilities(suspects)
    pairs = zip(suspects.roots, chances, strict=True)
    return sorted(pairs, key=lambda pair: (-pair[1], -pair[0].score, pair[0].service))[:MOST_CANDIDATES]


class PosteriorRanker:
    """The explanations' own weights, tempered: nodes are less independent than the model says."""

    def __init__(self, temperature: float = 2.0) -> None:
        self._temperature = temperature
        self.version = f"posterior-{temperature:g}"

    def probabilities(self, suspects: Suspects) -> list[float]:
        """Return one probability per root, in the order given."""
        roots = suspects.roots
        if not roots:
            return []
        best = max(root.score for root in roots)
        if best == -math.inf:
            return [round(1 / len(roots), 4)] * len(roots)
        weights = [math.exp((root.score - best) / self._temperature) for root in roots]
        total = sum(weights)
        return [round(weight / total, 4) for weight in weights]
