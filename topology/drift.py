"""Drift: what people declared and nobody saw, and what was seen and nobody declared."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from topology.graph import DependencyType
from topology.merge import Merged, Provenance


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """Dependencies that declarations and observations disagree about.

    Args:
        agreed: how many are both declared and observed.
        unseen: declared, and not observed though the caller was seen calling others.
        undeclared: observed, and not declared though the caller has declarations.
        unwatched: declared, of callers that no observer ever saw: not known to be wrong.
        unknown: observed callers that nobody declared anything of.
    """

    agreed: int
    unseen: tuple[Provenance, ...]
    undeclared: tuple[Provenance, ...]
    unwatched: tuple[Provenance, ...]
    unknown: tuple[Provenance, ...]

    @property
    def is_none(self) -> bool:
        return not (self.unseen or self.undeclared or self.unknown)


def drift(merged: Merged) -> Drift:
    """Compare declarations with observations. What runs on which host no observer of calls can see: it is left out."""
    edges = [edge for edge in merged.provenance if edge.type is not DependencyType.RUNS_ON]
    watched = {edge.source for edge in edges if edge.observed_by}
    declared = {edge.source for edge in edges if edge.declared_by}
    only_declared = [edge for edge in edges if not edge.observed_by]
    only_observed = [edge for edge in edges if not edge.declared_by]
    return Drift(
        agreed=len(edges) - len(only_declared) - len(only_observed),
        unseen=tuple(edge for edge in only_declared if edge.source in watched),
        unwatched=tuple(edge for edge in only_declared if edge.source not in watched),
        undeclared=tuple(edge for edge in only_observed if edge.source in declared),
        unknown=tuple(edge for edge in only_observed if edge.source not in declared),
    )


def report(found: Drift) -> Iterator[str]:
    """Yield the report for a human, line by line."""
    for title, edges in (
        ("declared, but never observed", found.unseen),
        ("observed, but not declared", found.undeclared),
        ("observed, of services that nobody declared anything of", found.unknown),
        ("declared, of services that are not observed at all", found.unwatched),
    ):
        if edges:
            yield f"{title}: {len(edges)}"
            yield from (f"  {line(edge)}" for edge in edges)
    yield f"declared and observed: {found.agreed}"


def line(edge: Provenance) -> str:
    """Return one dependency with where it comes from."""
    type_ = "" if edge.type is DependencyType.CALLS else f" ({edge.type})"
    calls = "" if edge.calls is None else f", {edge.calls:.0f} calls"
    by = ", ".join([*edge.declared_by, *edge.observed_by])
    confidence = "" if edge.declared_by else f", confidence {edge.confidence:.2f}"
    return f"{edge.source} -> {edge.to}{type_}  [{by}{calls}{confidence}]"
