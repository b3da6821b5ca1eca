"""Tolerances: bounds on the figures of the engine, stream by stream, that a change must not cross."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from correlator.errors import ConfigError

DEFAULT_PATH = Path(__file__).with_name("tolerances.toml")


class Bound(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The least and the greatest value that a figure may have."""

    min: float | None = None
    max: float | None = None


#: Figure -> bound, by stream.
Tolerances = dict[str, dict[str, Bound]]


def read_tolerances(path: Path) -> Tolerances:
    """Read the file: one table a stream, `figure = { min = ..., max = ... }`.

    Raises:
        ConfigError: naming the key that is wrong.
    """
    try:
        tree: Any = tomllib.loads(path.read_text(encoding="utf-8"))
        return msgspec.convert(tree, Tolerances)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(str(path), [str(error)]) from error


def regressions(stream: str, values: Mapping[str, float | None], tolerances: Tolerances) -> Iterator[str]:
    """Yield one sentence for each figure beyond its bound.

    A simulated stream `preset-seed` falls back to the table of its preset. A figure that has a bound and no value is a
    regression, as is a bound on what is no figure: neither may pass unseen.
    """
    bounds = tolerances.get(stream) or tolerances.get(stream.rpartition("-")[0]) or {}
    for figure, bound in bounds.items():
        value = values.get(figure)
        if figure not in values:
            yield f"{stream}: {figure} is no figure of the score"
        elif value is None:
            yield f"{stream}: {figure} has no value, and a bound"
        elif bound.min is not None and value < bound.min:
            yield f"{stream}: {figure} is {value:.4g}, below its minimum {bound.min:.4g}"
        elif bound.max is not None and value > bound.max:
            yield f"{stream}: {figure} is {value:.4g}, above its maximum {bound.max:.4g}"
