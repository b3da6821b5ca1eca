"""Paths into a JSON document: `alert.tags.0.value`, and `labels."service.name"` for a key with dots."""

from __future__ import annotations

import re
from typing import Any

Path = tuple[str, ...]

_STEP = re.compile(r'"([^"]+)"|([^.\[\]"\s]+)')


def parse_path(text: str) -> Path:
    """Read a path; steps are keys of objects or, where they are numbers, indices of arrays.

    Raises:
        ValueError: it is none, with what is wrong.
    """
    steps: list[str] = []
    at = 0
    while True:
        match = _STEP.match(text, at)
        if match is None:
            raise ValueError(f"{text!r} is no path: a key or an index is expected at character {at + 1}")
        steps.append(match[1] or match[2])
        at = match.end()
        if at == len(text):
            return tuple(steps)
        if text[at] != ".":
            raise ValueError(f"{text!r} is no path: a dot is expected at character {at + 1}")
        at += 1


def found(document: Any, path: Path) -> Any:
    """Return what stands at a path; None where nothing does, or null."""
    for step in path:
        if isinstance(document, dict):
            document = document.get(step)
        elif isinstance(document, list) and step.isascii() and step.isdigit() and int(step) < len(document):
            document = document[int(step)]
        else:
            return None
    return document
