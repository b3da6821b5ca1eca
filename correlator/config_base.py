"""What all parts of the configuration have in common."""

from __future__ import annotations

from typing import Annotated

import pydantic
from pydantic import Field

Seconds = Annotated[float, Field(gt=0, le=30 * 86_400)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Section(pydantic.BaseModel):
    """One table of the file: it never changes, and a key that it does not know is a mistake."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


def only_one(section: Section, *pairs: tuple[str, str]) -> None:
    """See that of each two keys one at most is given.

    Raises:
        ValueError: both are.
    """
    for one, other in pairs:
        if getattr(section, one) is not None and getattr(section, other) is not None:
            raise ValueError(f"give {one} or {other}, not both")
