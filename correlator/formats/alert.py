"""What every format is read into: an alert with its instants checked, before it is named and fingerprinted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

import msgspec

from correlator.domain import Edge, Severity, Status
from correlator.errors import InputError

_SEVERITY_WORDS = {
    Severity.CRITICAL: "critical crit page fatal emergency disaster sev0 sev1 p0 p1",
    Severity.ERROR: "error err high major sev2 p2",
    Severity.WARNING: "warning warn medium minor ticket average sev3 p3",
    Severity.INFO: "info informational information none low notice debug sev4 p4 p5",
}
_SEVERITY_OF = {word: severity for severity, words in _SEVERITY_WORDS.items() for word in words.split()}

#: What JSON has of values that are one word or number; a truth value is an `int` too.
PLAIN = (str, int, float)
#: Longer values are texts for humans, not what an alert is known by.
_MAX_LABEL = 300
#: Annotations that tell what happened, the first present is what a human would read first.
SUMMARY_NAMES = ("summary", "description", "message")
#: What stands before the parts of an identity, and the digest of none: made once, for this is done for every alert.
_LENGTHS = tuple(f"{length}:" for length in range(256))
_DIGEST = hashlib.blake2b(digest_size=8)
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_CALL = re.compile(r"^\s*([^\s>][^>]*?)\s*->\s*([^\s>][^>]*?)\s*$")


class ParsedAlert(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An alert as its sender tells of it. What is None is for `formats.naming` to find in the labels.

    `fingerprint` is the sender's identity of the alert, the same for all its episodes; `instance` tells apart the
    series of one fingerprint that resolve one by one (two observers of the same thing). `ends_at` of a firing is a
    lease. `observed_at` is the arrival by the sender's own account, which only a replay believes.
    """

    status: Status
    name: str
    starts_at: int
    id: str | None = None
    source: str = ""
    service: str | None = None
    entity: str | None = None
    severity: Severity | None = None
    ends_at: int | None = None
    observed_at: int | None = None
    fingerprint: str | None = None
    instance: str | None = None
    scope: str | None = None
    edge: Edge | None = None
    labels: dict[str, str] = {}
    summary: str = ""
    #: Which annotation the summary is.
    summary_name: str = "summary"
    #: Its sender knows that something it depends on is down.
    unreachable: bool = False
    #: Where a human reads more, by kind; see `formats.links`.
    links: dict[str, str] = {}

    def __post_init__(self) -> None:
        name = self.name
        if not name or name.isspace():
            raise InputError("wrong_value", "name is empty")
        # Without a loop, and told apart only once something is wrong: this is done for every event.
        if (
            "\x00" in name
            or ((text := self.service) is not None and "\x00" in text)
            or ((text := self.fingerprint) is not None and "\x00" in text)
            or ((text := self.scope) is not None and "\x00" in text)
            or ((text := self.entity) is not None and "\x00" in text)
        ):
            names = ("name", "service", "fingerprint", "scope", "entity")
            bad = next(name for name in names if "\x00" in (getattr(self, name) or ""))
            raise InputError("wrong_value", f"{bad} holds a null byte")


def severity_of(word: str) -> Severity | None:
    """Return the severity that a word of the field stands for, in any case; None for any other."""
    return _SEVERITY_OF.get(word.lower())


def edge_of(entity: str | None) -> Edge | None:
    """Read an entity of the form `caller->callee`."""
    match = _CALL.match(entity) if entity and "->" in entity else None
    return Edge(caller=match[1], callee=match[2]) if match else None


def named_summary(annotations: dict[str, str]) -> tuple[str, str]:
    """Return which annotation a human would read first, and what it says."""
    for key in SUMMARY_NAMES:
        if text := annotations.get(key):
            return key, text
    return SUMMARY_NAMES[0], ""


def plain(value: object) -> str | None:
    """Return a string, number or truth value as text; None for any other value and for an empty one."""
    if type(value) is str:
        return value or None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) or None if isinstance(value, PLAIN) else None


def labels_of(fields: Mapping[str, object]) -> dict[str, str]:
    """Return the plain values among fields of any type as labels; the rest is no label."""
    # Nearly all are strings: this is done for every alert.
    return {
        key: text
        for key, value in fields.items()
        if (text := value if type(value) is str else None if value is None else plain(value))
        and len(text) <= _MAX_LABEL
    }


def tags_of(tags: Iterable[object]) -> dict[str, str]:
    """Return tags of the form `key:value` as labels; of a key said twice the first, of a tag without value none."""
    labels: dict[str, str] = {}
    for tag in tags:
        if isinstance(tag, str):
            key, _, value = tag.partition(":")
            if value and (key := key.strip()) and (value := value.strip()) and len(value) <= _MAX_LABEL:
                labels.setdefault(key, value)
    return labels


def label_pairs(pairs: object, *, name: str = "name", value: str = "value") -> dict[str, str]:
    """Return a list of objects with a name and a value as labels; what is none of that is no label."""
    labels: dict[str, str] = {}
    for item in pairs if isinstance(pairs, list) else ():
        if type(item) is dict and (key := item.get(name)) and type(key) is str:
            said = item.get(value)
            text = said if type(said) is str else plain(said)
            if text and len(text) <= _MAX_LABEL:
                labels[key] = text
    return labels


def name_in(text: str) -> str:
    """Return what stays the same of a text whose numbers change with every evaluation, as a name of its alert."""
    return _NUMBER.sub("#", " ".join(text.split()))[:200]


def first_of(labels: Mapping[str, str], keys: Iterable[str]) -> str | None:
    """Return the first value there is under any of the keys."""
    for key in keys:
        if value := labels.get(key):
            return value
    return None


def identity(*parts: str) -> str:
    """Return 16 hex digits for what a sender identifies an alert by, where that may be long or a secret."""
    text = "".join([_LENGTHS[len(part)] + part if len(part) < 256 else f"{len(part)}:{part}" for part in parts])
    digest = _DIGEST.copy()
    digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
