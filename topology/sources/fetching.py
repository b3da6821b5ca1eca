"""How a source asks for what it reads: the only thing it knows of HTTP. The shell brings the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Get(Protocol):
    """GET a path below the source's address.

    Raises:
        SourceError: no answer, or none of status 200.
    """

    async def __call__(self, path: str, query: Sequence[tuple[str, str]] = ()) -> bytes: ...
