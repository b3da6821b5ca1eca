"""What every format is read into: an alert with its instants checked, before it is named and fingerprinted."""

from __future__ import annotations

import re

import msgspec

from correlator.domain import Edge, Severity, Status
from correlator.errors import InputError

_CALL = re.compile(r"^\s*([^\s>][^>]*?)\s*->\s*([^\s>][^>]*?)\s*$")


class ParsedAlert(msgspec.Struct, frozen=True, kw_only=True):
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

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise InputError("wrong_value", "name is empty")
        for key in ("name", "service", "fingerprint", "scope", "entity"):
            if "\x00" in (getattr(self, key) or ""):
                raise InputError("wrong_value", f"{key} holds a null byte")


def edge_of(entity: str | None) -> Edge | None:
    """Read an entity of the form `caller->callee`."""
    match = _CALL.match(entity) if entity and "->" in entity else None
    return Edge(caller=match[1], callee=match[2]) if match else None


def summary_of(annotations: dict[str, str]) -> str:
    """Return what a human would read first."""
    for key in ("summary", "description", "message"):
        if text := annotations.get(key):
            return text
    return ""
