"""Redaction: secrets and personal data are taken out of alerts before anything of them is stored or sent.

It happens behind the fingerprint, which is made of the labels as they came: two alerts that differ in a secret alone
stay two, and an alert keeps its identity when rules change. Where a text is itself an identity (a fingerprint of the
sender's, a scope, a service), a digest takes the place of what matches, whatever the action, for the same reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import re2

from correlator.config import Config
from correlator.config_redaction import Action, BuiltIn, RedactionRule, compiled

MASK = "[redacted]"
#: Names of labels that were looked up; beyond it the memory starts anew.
_CACHE_SIZE = 20_000
#: A shorter value of a label, such as `a` or `eu`, is a part of many words that are no secret.
_LEAST_LITERAL = 4
#: What is taken out may bring together, or uncover, what then matches. Of a text without end nothing is left.
_MAX_PASSES = 8
_REDACTED = compiled(r"\[redacted(?::[0-9a-f]{12})?\]")

BUILT_IN: Mapping[BuiltIn, RedactionRule] = {
    "authorization": RedactionRule(
        values=(
            r"(?i)\bbearer\s+([\w.~+/=-]{16,})",
            r"""(?i)\bauthorization['"]?\s*[:=]\s*['"]?(?:(?:basic|bearer|digest|token)\s+)?([^\s'",]{6,})""",
        )
    ),
    "aws": RedactionRule(
        values=(
            r"\b((?:AKIA|ASIA)[0-9A-Z]{16})\b",
            r"""(?i)secret_?(?:access_?)?key['"]?\s*[:=]\s*['"]?([A-Za-z0-9/+=]{40})""",
        )
    ),
    "email": RedactionRule(values=(r"[\w.%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}",)),
    "jwt": RedactionRule(values=(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",)),
    "labels": RedactionRule(
        names=(
            "*password*",
            "*passwd*",
            "authorization",
            "*api_key",
            "*api-key",
            "*apikey",
            "*access_token",
            "*auth_token",
            "*client_secret",
            "*private_key",
            "*secret_key",
        )
    ),
    "passwords": RedactionRule(
        values=(
            r"""(?i)(?:password|passwd|pwd|secret|api_?key|access_?token|auth_?token)\s*=\s*['"]?([^\s'"&,;]{3,})""",
            r"""(?i)(?:password|passwd|secret|api_?key|token)\\*['"]\s*:\s*\\*['"]([^'"\\]{3,})""",
        )
    ),
    "private-key": RedactionRule(values=(r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY.*?(?:-----END [A-Z ]*KEY-----|$)",)),
    "tokens": RedactionRule(
        values=(
            r"\bgh[opsur]_[A-Za-z0-9]{30,}",
            r"\bgithub_pat_\w{30,}",
            r"\bglpat-[\w-]{16,}",
            r"\bxox[a-z]-[A-Za-z0-9-]{10,}",
            r"\bAIza[\w-]{35}",
            r"\b[rs]k_live_[A-Za-z0-9]{16,}",
        )
    ),
    "url": RedactionRule(values=(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#:@]*:([^\s/?#]+)@",)),
}

#: A value and what stands for it.
Literal = tuple[str, str]
_NO_LITERALS: tuple[Literal, ...] = ()


@dataclass(frozen=True, slots=True)
class _Expression:
    pattern: re2._Regexp
    action: Action


class Redaction:
    """Take out what the rules name: a function of rules and key.

    Args:
        key: makes digests unguessable; the same key gives the same digests in every process.
    """

    def __init__(self, rules: Iterable[RedactionRule], key: bytes = b"") -> None:
        rules = tuple(rules)
        self._key = hashlib.blake2b(key, digest_size=32).digest()
        self._expressions = [_Expression(compiled(value), rule.action) for rule in rules for value in rule.values]
        values = [value for rule in rules for value in rule.values]
        # Nearly every text holds nothing, which one pass over many of them tells, each a line.
        self._any = compiled("|".join(f"(?m:{value})" for value in values)) if values else None
        self._by_lines = not any(anchor in value for value in values for anchor in (r"\A", r"\z"))
        self._names = [(compiled(_wildcards(rule.names)), rule.action) for rule in rules if rule.names]
        self._actions: dict[str, Action | None] = {}

    def is_clean(self, texts: Iterable[str]) -> bool:
        """Tell that none of many texts holds anything that an expression matches; in doubt, it may."""
        if self._any is None:
            return True
        return self._by_lines and self._any.search(_encodable("\n".join(texts))) is None

    def action(self, name: str) -> Action | None:
        """Return what is done to the value of a label or annotation, None where its name says nothing."""
        try:
            return self._actions[name]
        except KeyError:
            if len(self._actions) >= _CACHE_SIZE:
                self._actions.clear()
            found = next((action for names, action in self._names if names.search(_encodable(name))), None)
            self._actions[name] = found
            return found

    def literals(self, labels: Mapping[str, str]) -> tuple[Literal, ...]:
        """Return the values of labels that must not be seen, each with what stands for it."""
        if not self._names:
            return _NO_LITERALS
        return self.longest_first(
            {
                value: self.replacement(value, action)
                for name, value in labels.items()
                if (action := self.action(name)) is not None
            }
        )

    def longest_first(self, secrets: Mapping[str, str]) -> tuple[Literal, ...]:
        """Return values with what stands for them in the order in which to look for them; the shortest not at all."""
        known = [pair for pair in secrets.items() if len(pair[0]) >= _LEAST_LITERAL]
        return tuple(sorted(known, key=lambda pair: (-len(pair[0]), pair[0])))

    def labels(self, labels: dict[str, str]) -> dict[str, str]:
        """Return labels without the values that their names forbid; the very same where there are none."""
        if not self._names or not any(self.action(name) for name in labels):
            return labels
        return {
            name: value if (action := self.action(name)) is None else self.replacement(value, action)
            for name, value in labels.items()
            if self.action(name) != "drop"
        }

    def text(self, text: str, literals: Sequence[Literal] = (), *, name: str = "") -> str:
        """Return a text without what must not be seen.

        Args:
            literals: values of labels, which senders repeat in their texts.
            name: of the annotation that it is.
        """
        if not text:
            return text
        if name and (action := self.action(name)) is not None:
            return self.replacement(text, action)
        for value, replacement in literals:
            if value in text:
                text = text.replace(value, replacement)
        return self._replaced(text)

    def identity(self, text: str, literals: Sequence[Literal] = ()) -> str:
        """Return a text of which different ones must stay different: digests stand for what must not be seen."""
        for value, _ in literals:
            if value in text:
                text = text.replace(value, self.digest(value))
        return self._replaced(text, only="hash")

    def digest(self, secret: str) -> str:
        """Return what stands for a secret and is the same for the same one."""
        data = secret.encode("utf-8", "surrogatepass")
        return f"[redacted:{hashlib.blake2b(data, digest_size=6, key=self._key).hexdigest()}]"

    def replacement(self, secret: str, action: Action) -> str:
        """Return what stands for a secret."""
        if action == "hash":
            return self.digest(secret)
        return MASK if action == "mask" else ""

    @property
    def names_anything(self) -> bool:
        """False where no rule goes by the names of labels."""
        return bool(self._names)

    @property
    def is_idle(self) -> bool:
        """True where there is no rule."""
        return self._any is None and not self._names

    # -- texts ---------------------------------------------------------------------------------------------------

    def _replaced(self, text: str, *, only: Action | None = None) -> str:
        if self._by_lines and self.is_clean((text,)):
            return text
        text = _encodable(text)
        for _ in range(_MAX_PASSES):
            before = text
            for expression in self._expressions:
                text = self._without(text, expression.pattern, only or expression.action)
            if text == before:
                return text
        return MASK

    def _without(self, text: str, pattern: re2._Regexp, action: Action) -> str:
        pieces: list[str] = []
        done = 0
        for match in pattern.finditer(text):
            start, end = match.span(1) if pattern.groups and match.span(1) != (-1, -1) else match.span()
            if start == end or _REDACTED.fullmatch(text[start:end]):
                continue
            pieces += [text[done:start], self.replacement(text[start:end], action)]
            done = end
        return "".join([*pieces, text[done:]]) if done else text


def redaction_of(config: Config) -> Redaction:
    """Return the redaction that a configuration describes: its own rules first, then the built-in ones."""
    key = config.redaction_key.get_secret_value().encode() if config.redaction_key else b""
    return Redaction([*config.redaction, *(BUILT_IN[name] for name in config.redaction_defaults)], key)


def _wildcards(names: Iterable[str]) -> str:
    """Return an expression for names in which `*` and `?` are wildcards, in any case."""
    spelled = (re2.escape(name).replace(r"\*", ".*").replace(r"\?", ".") for name in names)
    return f"(?is)^(?:{'|'.join(spelled)})$"


def _encodable(text: str) -> str:
    """Return a text as RE2 can take it: half of a character beyond the first plane, alone, is none."""
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode()
