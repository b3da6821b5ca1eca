"""A saved model: a folder with plain JSON that loads without running anything, and says where it came from."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path

import msgspec

from correlator.errors import ConfigError

#: The file of the root ranker within a model's folder.
RANKER_FILE = "ranker.json"
RANKER_SCHEMA = "ranker/2"
#: Features of the first candidate that tell how far to trust its being first.
OF_THE_FIRST = ("silent", "covers_2", "surprise_share", "lowest", "weight_order", "real", "firing")
#: What a calibrator goes by.
CALIBRATOR_INPUTS = ("log_odds", "margin", "candidates", *OF_THE_FIRST)
#: The model that the project ships.
DEFAULT = Path(__file__).with_name("default")


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What a model was fitted on, how, and how well it did on systems it had not seen."""

    data: list[str]
    command: str
    code_version: str
    seed: int | None = None
    scores: dict[str, dict[str, float]] = {}


class CalibratorModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A logistic regression: how likely the first candidate is the root."""

    intercept: float
    coefficients: dict[str, float]


class RankerModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of a root ranker: a weight for each feature of a candidate, and what its probability is worth."""

    schema: str = RANKER_SCHEMA
    coefficients: dict[str, float]
    calibrator: CalibratorModel
    provenance: Provenance


def save(model: RankerModel, folder: Path) -> None:
    """Write a model into a folder, made if need be.

    Raises:
        ConfigError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RANKER_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(model), indent=2) + b"\n")
    except OSError as error:
        raise ConfigError(str(folder), [error.strerror or str(error)]) from error


def load(folder: Path) -> RankerModel:
    """Read the ranker of a model's folder.

    Raises:
        ConfigError: there is none, or it is not one this version reads.
    """
    path = folder / RANKER_FILE
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(str(path), [error.strerror or str(error)]) from error
    return decode(data, str(path))


def decode(data: bytes, source: str) -> RankerModel:
    """Read a ranker's document; `source` is where it is from, for the error.

    Raises:
        ConfigError: it is none that this version reads.
    """
    try:
        model = msgspec.json.decode(data, type=RankerModel)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(source, [str(error)]) from error
    problems = list(_problems(model))
    if problems:
        raise ConfigError(source, problems)
    return model


def _problems(model: RankerModel) -> Iterator[str]:
    if model.schema != RANKER_SCHEMA:
        yield f"schema: {model.schema!r} is not {RANKER_SCHEMA}"
    if not model.coefficients:
        yield "coefficients: none"
    numbers = {f"coefficients.{name}": value for name, value in model.coefficients.items()}
    numbers |= {f"calibrator.coefficients.{name}": value for name, value in model.calibrator.coefficients.items()}
    numbers["calibrator.intercept"] = model.calibrator.intercept
    strange = sorted(model.calibrator.coefficients.keys() - set(CALIBRATOR_INPUTS))
    yield from (f"calibrator.coefficients.{name}: no such input" for name in strange)
    for name, value in numbers.items():
        if not math.isfinite(value) or abs(value) > 1e6:
            yield f"{name}: {value} is no weight"


def version(model: RankerModel) -> str:
    """Return a hash of all that changes a decision: the parameters, not their history."""
    calibrator = model.calibrator
    parts = (
        model.schema,
        sorted(model.coefficients.items()),
        calibrator.intercept,
        sorted(calibrator.coefficients.items()),
    )
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=6).hexdigest()
