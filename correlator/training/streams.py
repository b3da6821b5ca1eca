"""What is trained on: labelled streams in folders, recorded or simulated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

import msgspec

from correlator.errors import ConfigError
from correlator.scoring.inputs import AlertLine
from correlator.simulator import command

#: The correlation window must hold a few samples: of a stream sampled every 5 minutes, three.
_COARSE_WINDOW_SECONDS = 900.0
_COARSE_SPACING_SECONDS = 300.0
_MOST_SEEDS = 100


class LabelledStream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream and its truth; streams of one `system` are left out of training together.

    Systems of one `family` share the weight of one.
    """

    family: str
    system: str
    alerts: Path
    topology: Path
    truth: Path


def labelled(text: str) -> LabelledStream:
    """Read `FOLDER` or `SYSTEM=FOLDER`; the system is the folder's name unless given.

    Raises:
        ConfigError: the folder lacks a file.
    """
    system, separator, place = text.partition("=")
    folder = Path(place if separator else text)
    return of_folder(folder, system if separator else folder.resolve().name)


def of_folder(folder: Path, system: str, family: str = "") -> LabelledStream:
    """Return the stream in a folder; a system without a family is one of its own.

    Raises:
        ConfigError: the folder lacks a file.
    """
    files = {name: folder / f"{name}.{'jsonl' if name == 'alerts' else 'json'}" for name in _FILES}
    missing = [f"no {path.name} here" for path in files.values() if not path.is_file()]
    if missing:
        raise ConfigError(str(folder), missing)
    return LabelledStream(family=family or system, system=system, **files)


_FILES = ("alerts", "topology", "truth")


def simulated(text: str, out: Path) -> Iterator[LabelledStream]:
    """Simulate `PRESET:SEED` or `PRESET:FIRST-LAST` below `out`, one stream after the other.

    Each seed is a system of its own, but all of one preset share the simulator's habits: they are one family.

    Raises:
        ConfigError: no such preset or no such seeds.
    """
    preset, _, seeds = text.partition(":")
    first, _, last = seeds.partition("-")
    if not first.isdigit() or (last and not last.isdigit()):
        raise ConfigError("--simulate", [f"{text!r} is not PRESET:SEED or PRESET:FIRST-LAST"])
    chosen = range(int(first), int(last or first) + 1)
    if not 0 < len(chosen) <= _MOST_SEEDS:
        raise ConfigError("--simulate", [f"{text!r}: 1 to {_MOST_SEEDS} seeds"])
    for seed in chosen:
        folder = out / f"{preset}-{seed}"
        command.run(preset, seed, folder, None, ())
        yield of_folder(folder, folder.name, family=f"simulated {preset}")


def window_seconds(alerts: Sequence[AlertLine], usual: float) -> float:
    """Return the correlation window for a stream: the usual one, or more where that would hold but one sample."""
    times = sorted({alert.arrived_at for alert in alerts})
    spacings = [later - earlier for earlier, later in pairwise(times)]
    coarse = bool(spacings) and median(spacings) / 1000 >= _COARSE_SPACING_SECONDS
    return max(usual, _COARSE_WINDOW_SECONDS) if coarse else usual
