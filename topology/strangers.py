"""Strangers: services that alerts name and the graph does not know, with the known ones whose names are most alike."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

import msgspec

from topology.graph import ServiceGraph

#: What some add to the name of a service and others leave out, and how they join words.
_ADDED = re.compile(r"(service|svc)$|[^a-z0-9]")
#: Of letters in common: `payments` is like `paymnets`, `orders` not like `users`.
_ALIKE = 0.75


class Stranger(msgspec.Struct, frozen=True, kw_only=True):
    """A name that no service of the graph has; `alike` is a guess for humans, nothing is ever joined by it."""

    name: str
    firings: int
    alike: str | None


def strangers(firings: Mapping[str, int], graph: ServiceGraph, *, limit: int) -> list[Stranger]:
    """Return the names that stand for no service, up to `limit`, those with most firings first."""
    known = {
        _core(spelling): service.name
        for service in graph.services()
        for spelling in (*service.aliases, service.name)
        if _core(spelling)
    }
    unknown = sorted((name for name in firings if graph.resolve(name) is None), key=lambda name: (-firings[name], name))
    return [Stranger(name=name, firings=firings[name], alike=_nearest(name, known)) for name in unknown[:limit]]


def _nearest(name: str, known: Mapping[str, str]) -> str | None:
    found = difflib.get_close_matches(_core(name), known, n=1, cutoff=_ALIKE)
    return known[found[0]] if found else None


def _core(name: str) -> str:
    return _ADDED.sub("", name.casefold())
