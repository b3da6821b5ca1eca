"""Calibration: whether a stated confidence of 0.8 is right eight times in ten."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

BINS = 10


class ReliabilityBin(msgspec.Struct, frozen=True, kw_only=True):
    """The statements with a confidence in [low, high), the last bin including 1."""

    low: float
    high: float
    count: int
    confidence: float
    right: float


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Brier score, expected calibration error over ten bins of equal width, and the table behind it."""

    count: int
    brier: float | None
    ece: float | None
    reliability: tuple[ReliabilityBin, ...]


def calibration(statements: Sequence[tuple[float, bool]]) -> Calibration:
    """Judge pairs of a stated confidence and whether the statement was right.

    Without any statement there is nothing to judge: both scores are None.
    """
    count = len(statements)
    if not count:
        return Calibration(count=0, brier=None, ece=None, reliability=())
    table = _reliability(statements)
    return Calibration(
        count=count,
        brier=math.fsum((confidence - right) ** 2 for confidence, right in statements) / count,
        ece=math.fsum(row.count * abs(row.confidence - row.right) for row in table) / count,
        reliability=table,
    )


def _reliability(statements: Sequence[tuple[float, bool]]) -> tuple[ReliabilityBin, ...]:
    rows = []
    for number in range(BINS):
        inside = [pair for pair in statements if min(int(pair[0] * BINS), BINS - 1) == number]
        if inside:
            rows.append(
                ReliabilityBin(
                    low=number / BINS,
                    high=(number + 1) / BINS,
                    count=len(inside),
                    confidence=math.fsum(confidence for confidence, _ in inside) / len(inside),
                    right=sum(right for _, right in inside) / len(inside),
                )
            )
    return tuple(rows)
