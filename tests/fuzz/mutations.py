"""Mutations that keep JSON valid: without them most of what a fuzzer tries stops at the first brace."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

Mutate = Callable[[bytes, int], bytes]

_ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    1.5,
    1e308,
    2**31,
    2**63,
    2**64,
    -(2**63) - 1,
    10**30,
    "",
    " ",
    "0",
    "-1",
    "NaN",
    "1e999",
    "null",
    "\ud800",
    "\x00",
    "é" * 40,
    "a" * 300,
    "a/b:c",
    "{{x}}",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2026-11-23T03:40:00.123456789+14:00",
    "2026-02-30T00:00:00Z",
    "1795405230",
    1795405230,
    1795405230123,
    [],
    {},
    [[]],
    [None],
    {"": {}},
    [{}],
    "firing",
    "resolved",
    "critical",
    "unknown",
]
_DEEPEST = 40


def mutated(data: bytes, most: int, seed: int, plain: Mutate) -> bytes:
    """Change a document within an input, or where there is none, or now and then anyway, its bytes by `plain`.

    Args:
        most: bytes of the result.
    """
    draw = random.Random(seed)
    head, document = _split(data)
    if document is None or draw.random() < 0.3:
        return plain(data, most)
    holder = [document]
    for _ in range(draw.randint(1, 3)):
        _change(holder, draw)
    made = head + json.dumps(holder[0] if holder else None).encode()
    return made if len(made) <= most else plain(data, most)


def _split(data: bytes) -> tuple[bytes, Any]:
    """Return what stands before a JSON document, and the document."""
    starts = [at for at in (data.find(b"{"), data.find(b"[")) if at >= 0]
    if not starts:
        return data, None
    try:
        return data[: min(starts)], json.loads(data[min(starts) :])
    except (ValueError, RecursionError):
        return data, None


def _change(holder: list[Any], draw: random.Random) -> None:
    """Change one place of the document: another value, none, a copy of another one, another key."""
    places = list(_places(holder, 0))
    if not places:
        return
    where, key = draw.choice(places)
    match draw.randrange(6):
        case 0 if where is not holder:
            del where[key]
        case 1:
            other, other_key = draw.choice(places)
            where[key] = json.loads(json.dumps(other[other_key]))
        case 2 if isinstance(where, dict):
            where[draw.choice([str(one) for _, one in places])] = where.pop(key)
        case 3 if isinstance(where, list) and where is not holder:
            where.insert(key, json.loads(json.dumps(where[key])))
        case 4:
            where[key] = [where[key]] if draw.random() < 0.5 else {"a": where[key]}
        case _:
            where[key] = json.loads(json.dumps(draw.choice(_ODD)))


def _places(value: Any, depth: int) -> Any:
    """Yield every place of a document as what holds it and the key there."""
    if depth > _DEEPEST:
        return
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key], depth + 1)
