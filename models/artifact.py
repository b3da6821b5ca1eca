"""A saved model: a folder with plain JSON that loads without running anything, and says where it came from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from correlator.errors import ConfigError

#: The file of the root ranker within a model's folder.
RANKER_FILE = "ranker.json"


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What a model was fitted on, how, and how well it did."""

    data: list[str]
    command: str
    code_version: str
    seed: int | None = None
    scores: dict[str, float] = {}


class RankerModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of a root ranker.

    `temperature` divides the log weights of the candidates: above 1, the explanations are less independent than the
    engine's arithmetic takes them to be.
    """

    schema: str = "ranker/1"
    temperature: float
    provenance: Provenance


def save(model: RankerModel, folder: Path) -> None:
    """Write a model into a folder, made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RANKER_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(model), indent=2) + b"\n")


def load(folder: Path) -> RankerModel:
    """Read the ranker of a model's folder.

    Raises:
        ConfigError: there is none, or it is not one this version reads.
    """
    path = folder / RANKER_FILE
    try:
        model = msgspec.json.decode(path.read_bytes(), type=RankerModel)
    except OSError as error:
        raise ConfigError(str(path), [error.strerror or str(error)]) from error
    except msgspec.DecodeError as error:
        raise ConfigError(str(path), [str(error)]) from error
    problems = []
    if model.schema != "ranker/1":
        problems.append(f"schema: {model.schema!r} is not ranker/1")
    if not 0 < model.temperature < float("inf"):
        problems.append(f"temperature: must be above 0, is {model.temperature}")
    if problems:
        raise ConfigError(str(path), problems)
    return model


def version(model: RankerModel) -> str:
    """Return a hash of all that changes a decision: the parameters, not their history."""
    return hashlib.blake2b(f"{model.schema} {model.temperature!r}".encode(), digest_size=6).hexdigest()
