"""Randomness by name: every part of the simulator draws from its own stream.

A stream depends on the seed and its name alone, so switching one feature off leaves the draws of all others as they
were, and the order in which parts run does not matter.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

from numpy.random import PCG64, Generator, SeedSequence

T = TypeVar("T")


class Streams:
    """The streams of one seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def of(self, *names: str) -> Generator:
        """Return a fresh generator for the named purpose; the same names give the same draws."""
        digest = hashlib.blake2b("\x1f".join(names).encode(), digest_size=16).digest()
        return Generator(PCG64(SeedSequence([self._seed, *struct.unpack("<4I", digest)])))


def chance(stream: Generator, probability: float) -> bool:
    return stream.random() < probability


def uniform(stream: Generator, bounds: tuple[float, float]) -> float:
    """Draw from an interval, rounded to four digits so that no machine's last bit shows."""
    low, high = bounds
    return round(low + (high - low) * stream.random(), 4)


def exponential(stream: Generator, mean: float) -> float:
    return -mean * math.log1p(-stream.random())


def lognormal(stream: Generator, median: float, sigma: float) -> float:
    """Draw around a median, rounded for the same reason."""
    return round(median * math.exp(sigma * stream.standard_normal()), 6)


def pick(stream: Generator, items: Sequence[T]) -> T:
    return items[int(stream.random() * len(items))]


def pick_weighted(stream: Generator, items: Sequence[T], weights: Sequence[float]) -> T:
    sums = list(accumulate(weights))
    mark = stream.random() * sums[-1]
    return next(item for item, total in zip(items, sums, strict=True) if mark < total)


def sample(stream: Generator, items: Sequence[T], count: int) -> list[T]:
    """Draw `count` different items, or all of them, in drawn order."""
    order = stream.permutation(len(items))
    return [items[int(place)] for place in order[:count]]


def hexadecimal(stream: Generator, digits: int) -> str:
    return "".join("0123456789abcdef"[int(stream.random() * 16)] for _ in range(digits))
