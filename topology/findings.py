"""What one source says of services and dependencies, before it is merged with what the others say."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

import msgspec

from topology.graph import DependencyType, ServiceKind

#: What an edge is worth that its source shows without saying how often it was used: it did count the calls.
_UNCOUNTED = 0.9
#: A callee that only its caller names may be a proxy or a load balancer.
_ONE_SIDED = 0.8
_TIER = re.compile(r"^tier-?(\d{1,2})$", re.IGNORECASE)


class FoundService(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A service, as far as its source knows it."""

    name: str
    kind: ServiceKind | None = None
    owner: str | None = None
    tier: int | None = None
    aliases: tuple[str, ...] = ()
    system: str | None = None
    #: Where the source keeps services of one name apart; the graph does not.
    namespace: str | None = None


class FoundDependency(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`source` depends on `to`; `calls` is how often that was seen, None where nobody counted."""

    source: str
    to: str
    type: DependencyType = DependencyType.CALLS
    strength: float | None = None
    calls: float | None = None
    #: Only the caller was heard, what it called is known by the name it used.
    one_sided: bool = False
    #: Milliseconds; None for what is declared, or as it comes from its source: just now.
    last_seen_at: int | None = None

    @property
    def key(self) -> tuple[str, str, DependencyType]:
        return self.source, self.to, self.type

    @property
    def confidence(self) -> float:
        """Probability that the dependency is one: that the next window shows it too.

        By Laplace's rule of succession, (calls + 1) / (calls + 2); less where only one side was heard.
        """
        counted = _UNCOUNTED if self.calls is None else (self.calls + 1) / (self.calls + 2)
        return counted * _ONE_SIDED if self.one_sided else counted


class Findings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that one import of one source gave.

    Args:
        declared: people wrote it down; else it was observed, and ages.
        is_increment: calls count since the last import; else within a window, which may overlap with the last.
        problems: what could not be used, each with its place; the rest could.
    """

    declared: bool
    is_increment: bool = False
    services: tuple[FoundService, ...] = ()
    dependencies: tuple[FoundDependency, ...] = ()
    instances: dict[str, str] = {}
    problems: tuple[str, ...] = ()


def observed(
    dependencies: Iterable[FoundDependency],
    *,
    services: Iterable[FoundService] = (),
    problems: Iterable[str] = (),
    is_increment: bool = False,
) -> Findings:
    """Return findings of a source that watches traffic; the same dependency seen twice is seen more often."""
    return Findings(
        declared=False,
        is_increment=is_increment,
        services=tuple(services),
        dependencies=tuple(_added(dependencies)),
        problems=tuple(problems),
    )


def _added(dependencies: Iterable[FoundDependency]) -> Iterable[FoundDependency]:
    sums: dict[tuple[str, str, DependencyType], FoundDependency] = {}
    for edge in dependencies:
        if not edge.source or not edge.to or edge.source == edge.to:
            continue
        known = sums.get(edge.key)
        if known is None:
            sums[edge.key] = edge
            continue
        calls = None if known.calls is None and edge.calls is None else (known.calls or 0) + (edge.calls or 0)
        both = known.one_sided and edge.one_sided
        sums[edge.key] = msgspec.structs.replace(known, calls=calls, one_sided=both)
    return sums.values()


def tier(tags: object) -> int | None:
    """Return the tier that a tag such as `tier-1` names."""
    matches = (_TIER.match(text(tag)) for tag in items(tags))
    return next((int(match[1]) for match in matches if match and int(match[1])), None)


def count(value: object) -> float | None:
    """Return a number of calls that may be written as a string (protojson writes 64 bit integers so); else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def text(value: object) -> str:
    """Return a string without surrounding space; empty for anything else."""
    return value.strip() if isinstance(value, str) else ""


def mapping(value: object) -> Mapping[str, object]:
    """Return a mapping with string keys; empty for anything else."""
    return value if isinstance(value, Mapping) and all(isinstance(key, str) for key in value) else {}


def items(value: object) -> list[object]:
    """Return a list; empty for anything else."""
    return value if isinstance(value, list) else []
