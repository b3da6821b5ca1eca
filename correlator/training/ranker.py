"""Fit the root ranker: choose how far to trust the examples, judge on systems left out, calibrate, fit on all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from models import calibrator, conditional
from models.artifact import CalibratorModel, Provenance, RankerModel
from models.examples import Example

#: Penalties that are tried; the best on systems left out is taken, the least of those that are as good, in nats a case.
PENALTIES = (0.1, 0.3, 1.0)
_AS_GOOD = 0.01
_CALIBRATOR_PENALTY = 0.03
#: What one case can cost at most where systems left out are judged, in nats: one oddity must not choose.
_WORST = 6.0
_DIGITS = 6
_BINS = 10

Vector = npt.NDArray[np.float64]


class Judged(msgspec.Struct, frozen=True):
    """An example answered by a ranker that had not seen its system."""

    example: Example
    log_chances: Vector

    @property
    def rank(self) -> int | None:
        """Where the root stands, from 1; None where it is not among the candidates."""
        order = np.argsort(-self.log_chances, kind="stable")
        places = np.flatnonzero(self.example.true[order])
        return int(places[0]) + 1 if len(places) else None


def train(examples: Sequence[Example], names: Sequence[str], provenance: Provenance) -> RankerModel:
    """Return a ranker with its calibrator and the scores it had on systems it was not fitted on.

    Args:
        names: what the columns of the examples' features are.
        provenance: where the examples are from; the scores are added.

    Raises:
        ValueError: nothing can be learned, or there are fewer than two systems to judge it by.
    """
    systems = sorted({example.system for example in examples})
    if len(systems) < 2:
        raise ValueError("a ranker is judged on systems it has not seen: give at least two systems")
    trials = {penalty: leave_one_out(examples, systems, penalty) for penalty in PENALTIES}
    penalty = least_of_the_best({value: _cost(judged) for value, judged in trials.items()})
    judged = trials[penalty]
    calibrated = _calibrate(judged, names)
    confidences = out_of_fold_confidences(judged, names)
    families = sorted({example.family for example in examples})
    scores = {family: _scores(judged, confidences, family) for family in families}
    scores["settings"] = {"penalty": penalty, "cost": round(_cost(judged), 4)}
    weights = conditional.fit(examples, penalty=penalty)
    return RankerModel(
        coefficients={name: round(float(weight), _DIGITS) for name, weight in zip(names, weights, strict=True)},
        calibrator=calibrated,
        provenance=msgspec.structs.replace(provenance, scores=scores),
    )


def least_of_the_best(costs: Mapping[float, float]) -> float:
    """Return the least penalty whose cost is the least or as good: what systems left out do not tell apart, those that
    were seen may."""
    return min(penalty for penalty, cost in costs.items() if cost <= min(costs.values()) + _AS_GOOD)


def leave_one_out(examples: Sequence[Example], systems: Sequence[str], penalty: float) -> list[Judged]:
    """Answer every example by a fit on all other systems."""
    near = conditional.fit(examples, penalty=penalty)
    judged = []
    for system in systems:
        others = [example for example in examples if example.system != system]
        weights = conditional.fit(others, penalty=penalty, start=near)
        for example in examples:
            if example.system == system and len(example.true):
                judged.append(Judged(example, conditional.log_chances(example.features @ weights)))
            elif example.system == system:
                judged.append(Judged(example, np.zeros(0)))
    return judged


def _cost(judged: Sequence[Judged]) -> float:
    """Return the mean negative log likelihood of the roots, each system with the same weight."""
    telling = [item for item in judged if item.example.true.any()]
    weights = conditional.weights_of([item.example for item in telling])
    likelihoods = [float(np.logaddexp.reduce(item.log_chances[item.example.true])) for item in telling]
    return math.fsum(weight * min(_WORST, -value) for weight, value in zip(weights, likelihoods, strict=True))


def _calibrate(judged: Sequence[Judged], names: Sequence[str]) -> CalibratorModel:
    answered = [item for item in judged if len(item.example.true)]
    return calibrator.fit(
        [calibrator.inputs(item.log_chances, item.example.features, names) for item in answered],
        [item.rank == 1 for item in answered],
        _weights_of_cases([item.example for item in answered]),
        penalty=_CALIBRATOR_PENALTY,
    )


def _weights_of_cases(examples: Sequence[Example]) -> list[float]:
    """Weigh every case the same: how often the first is right is a question about cases, not about systems."""
    answers = Counter((example.system, example.case) for example in examples)
    return [1 / answers[example.system, example.case] for example in examples]


def out_of_fold_confidences(judged: Sequence[Judged], names: Sequence[str]) -> list[float]:
    """Return how sure a calibrator is of each answer that was fitted on the other systems' answers; 0 for none."""
    found: dict[str, CalibratorModel] = {}
    for system in {item.example.system for item in judged}:
        found[system] = _calibrate([item for item in judged if item.example.system != system], names)
    return [
        calibrator.confidence(
            found[item.example.system], calibrator.inputs(item.log_chances, item.example.features, names)
        )
        if len(item.example.true)
        else 0.0
        for item in judged
    ]


def _scores(judged: Sequence[Judged], confidences: Sequence[float], family: str) -> dict[str, float]:
    """Return the figures of one family at the ends of its incidents; cases without an incident are misses."""
    ends = [
        (item, confidence)
        for item, confidence in zip(judged, confidences, strict=True)
        if item.example.family == family and item.example.moment == "end"
    ]
    answered = [(confidence, item.rank == 1) for item, confidence in ends if len(item.example.true)]
    ranks = [item.rank or math.inf for item, _ in ends]
    figures: Mapping[str, float] = {
        "cases": len(ends),
        "top1": sum(rank <= 1 for rank in ranks) / max(len(ends), 1),
        "top3": sum(rank <= 3 for rank in ranks) / max(len(ends), 1),
        "among_candidates": sum(math.isfinite(rank) for rank in ranks) / max(len(ends), 1),
        "brier": sum((confidence - right) ** 2 for confidence, right in answered) / max(len(answered), 1),
        "ece": expected_calibration_error(answered),
    }
    return {name: round(value, 4) for name, value in figures.items()}


def expected_calibration_error(answers: Sequence[tuple[float, bool]]) -> float:
    """Return the mean gap between confidence and accuracy over ten equal bins, weighted by count."""
    gaps = []
    for number in range(_BINS):
        inside = [(sure, right) for sure, right in answers if min(int(sure * _BINS), _BINS - 1) == number]
        gaps.append(abs(math.fsum(sure - right for sure, right in inside)))
    return math.fsum(gaps) / max(len(answers), 1)
