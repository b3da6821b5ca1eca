"""Messages without what must not be seen: for dead letters, which are kept as they came but for that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from correlator.config_redaction import Action
from correlator.formats.redaction import Literal, Redaction

#: A name in quotes and the value behind it, in JSON that nobody can parse: within another text, or cut off.
_QUOTED_PAIR = re.compile(r'("((?:[^"\\]|\\.){1,255})"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s,}\]"]+)', re.DOTALL)
#: A text in quotes, perhaps cut off, with an escape in it.
_ESCAPED = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)+"?', re.DOTALL)
_MAX_DEPTH = 4
#: A tag.
_TAG = re.compile(r"([^\s:=]{1,255})(\s*[:=]\s*)(.+)", re.DOTALL)
#: What vendors call the two halves of a label in a list of labels.
_NAMES = ("name", "key", "tag")
_VALUE = "value"


def redacted(data: bytes, redaction: Redaction) -> bytes:
    """Return the bytes of a message without what must not be seen; the very same where there is nothing.

    JSON is searched string by string, so that no escape hides anything, and written anew where something was found.
    What is no JSON is searched as text.
    """
    if redaction.is_idle:
        return data
    try:
        document = msgspec.json.decode(data)
        clean = _Search(redaction).document(document)
        return data if clean == document else msgspec.json.encode(clean)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        text, encoding = data.decode(), "utf-8"
    except UnicodeDecodeError:
        # Byte for byte; what is plain ASCII matches as ever.
        text, encoding = data.decode("latin-1"), "latin-1"
    clean_text = _Search(redaction).text(text)
    return data if clean_text == text else clean_text.encode(encoding)


class _Search:
    """One message: the values of its forbidden names are known before its texts are searched for them."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._secrets: dict[str, str] = {}
        self._literals: Sequence[Literal] = ()

    def document(self, document: Any) -> Any:
        named = self._by_names(document)
        self._literals = self._redaction.longest_first(self._secrets)
        return self._by_values(named)

    def text(self, text: str) -> str:
        text = self._within(text)
        self._literals = self._redaction.longest_first(self._secrets)
        return self._redaction.text(text, self._literals)

    def _within(self, text: str, depth: int = 0) -> str:
        """Return a text without what stands in it in quotes and with escapes, as JSON within JSON does."""

        def unescaped(match: re.Match[str]) -> str:
            try:
                inner = msgspec.json.decode(match[0] if match[0].endswith('"') else match[0] + '"')
            except msgspec.DecodeError:
                return match[0]
            clean = self._redaction.text(self._within(inner, depth + 1), self._literals)
            return match[0] if clean == inner else msgspec.json.encode(clean).decode()

        if depth < _MAX_DEPTH and "\\" in text:
            text = _ESCAPED.sub(unescaped, text)
        return self._pairs(text)

    def _by_names(self, value: Any) -> Any:
        """Return decoded JSON without the values of forbidden names, and note them."""
        if not self._redaction.names_anything:
            return value
        if isinstance(value, str):
            return self._tag(self._within(value))
        if isinstance(value, list):
            return [self._by_names(item) for item in value]
        if isinstance(value, dict):
            pair = next((self._redaction.action(name) for key in _NAMES if type(name := value.get(key)) is str), None)
            return {
                key: self._by_names(inner) if action is None else self._hidden(inner, action)
                for key, inner in value.items()
                for action in (self._redaction.action(key) or (pair if key == _VALUE else None),)
            }
        return value

    def _by_values(self, value: Any) -> Any:
        """Return decoded JSON without what the expressions match, and without what was noted."""
        if isinstance(value, str):
            return self._redaction.text(self._within(value), self._literals)
        if isinstance(value, list):
            return [self._by_values(item) for item in value]
        if isinstance(value, dict):
            return {self._redaction.text(key, self._literals): self._by_values(inner) for key, inner in value.items()}
        return value

    def _hidden(self, value: Any, action: Action) -> Any:
        """Replace every plain value within, whatever its type: a number may be a secret, too."""
        if isinstance(value, list):
            return [self._hidden(item, action) for item in value]
        if isinstance(value, dict):
            return {key: self._hidden(inner, action) for key, inner in value.items()}
        return value if value is None or value == "" else self._noted(str(value), action)

    def _noted(self, secret: str, action: Action) -> str:
        self._secrets[secret] = replacement = self._redaction.replacement(secret, action)
        return replacement

    def _tag(self, text: str) -> str:
        match = _TAG.fullmatch(text)
        if match is None or (action := self._redaction.action(match[1])) is None:
            return text
        return match[1] + match[2] + self._noted(match[3], action)

    def _pairs(self, text: str) -> str:
        if not self._redaction.names_anything or '"' not in text:
            return text

        def hide(match: re.Match[str]) -> str:
            action = self._redaction.action(match[2])
            value = match[3].strip('"')
            return match[0] if action is None or not value else f'{match[1]}"{self._noted(value, action)}"'

        return _QUOTED_PAIR.sub(hide, text)
