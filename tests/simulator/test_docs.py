"""What docs/simulator.md says of parameters and presets is what the code has."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from correlator.simulator.natures import NATURES
from correlator.simulator.presets import DAY, PRESETS

TEXT = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")


def _defaults(owner: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    for item in dataclasses.fields(owner):
        value = getattr(owner, item.name)
        if dataclasses.is_dataclass(value):
            yield from _defaults(value, f"{item.name}.")
        elif item.name != "script":
            yield prefix + item.name, _written(value)


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def test_every_parameter_is_documented_with_its_default() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \| (.*?) \| .+ \|$", TEXT.split("## Parameters")[1], flags=re.MULTILINE)
    assert {key: value.strip() for key, value in rows} == dict(_defaults(DAY))


def test_every_preset_and_nature_is_documented() -> None:
    assert all(f"`{name}`" in TEXT for name in PRESETS)
    assert all(nature.name in TEXT for nature in NATURES)
