"""The configuration of redaction: what must not be stored or sent, and what stands in its place."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import pydantic
import re2
from pydantic import Field

from correlator.config_base import Section

Action = Literal["drop", "mask", "hash"]
#: Rules that ship; `email` is the one that is not on by itself.
BuiltIn = Literal["authorization", "aws", "email", "jwt", "labels", "passwords", "private-key", "tokens", "url"]
DEFAULTS: tuple[BuiltIn, ...] = (
    "authorization",
    "aws",
    "jwt",
    "labels",
    "passwords",
    "private-key",
    "tokens",
    "url",
)
#: A longer expression is a program, and a compiled one costs memory.
_MAX_EXPRESSION = 1000


class RedactionRule(Section):
    """What is redacted: the values of labels and annotations by their `names`, or what matches `values` in any text.

    In a name `*` and `?` are wildcards, and case does not count. A value is a regular expression of RE2, which takes
    linear time whatever it is given; of one with a group only what the first group matched is redacted.
    """

    names: tuple[Annotated[str, Field(min_length=1, max_length=255)], ...] = ()
    values: tuple[Annotated[str, Field(min_length=1, max_length=_MAX_EXPRESSION)], ...] = ()
    #: `drop` leaves nothing, `mask` a fixed word, `hash` a keyed digest, by which equal values are known as equal.
    action: Action = "mask"

    @pydantic.field_validator("names")
    @classmethod
    def _names_something(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not all(name.strip("*") for name in names):
            raise ValueError("a name of nothing but * would redact every label")
        return names

    @pydantic.field_validator("values")
    @classmethod
    def _compiles(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            try:
                matches_nothing = compiled(value).search("") is not None
            except re2.error as error:
                raise ValueError(f"{value!r} is no regular expression of RE2: {_text(error)}") from None
            if matches_nothing:
                raise ValueError(f"{value!r} matches where there is nothing")
        return values

    @pydantic.model_validator(mode="after")
    def _one_kind(self) -> Self:
        if bool(self.names) == bool(self.values):
            raise ValueError("give either names or values")
        return self


def compiled(expression: str) -> re2._Regexp:
    """Compile an expression; one that is wrong is told by the exception alone.

    Raises:
        re2.error: it is none of RE2.
    """
    options = re2.Options()
    options.log_errors = False
    return re2.compile(expression, options)


def _text(error: re2.error) -> str:
    said = error.args[0] if error.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
