"""Which names of several sources mean one service.

Names that a source gives as aliases of each other are one. Two services that one source keeps apart are never one,
whatever another says; that is a conflict, and is reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from topology.findings import Findings


class Identities:
    """Sets of names with a canonical one each: the first that was heard, of the most trusted source."""

    def __init__(self) -> None:
        self._root: dict[str, str] = {}
        #: Canonical name -> source -> the services of that source that it stands for.
        self._claims: dict[str, dict[str, set[str]]] = {}
        #: The spelling that stands, by the name without regard to case; and all that were heard, in order.
        self._spellings: dict[str, str] = {}
        self._heard: dict[str, int] = {}
        self.conflicts: list[str] = []

    def canonical(self, name: str) -> str:
        """Return the name that stands for `name`; sources differ in the case of letters."""
        known = self._spellings.get(name.casefold(), name)
        while (parent := self._root.get(known, known)) != known:
            known = parent
        return known

    def hear(self, name: str) -> None:
        """Learn that a name is used."""
        self._spellings.setdefault(name.casefold(), name)
        self._heard.setdefault(name, len(self._heard))

    def declare(self, source: str, name: str) -> None:
        """Learn that a source has a service of this name."""
        self.hear(name)
        self._claims.setdefault(self.canonical(name), {}).setdefault(source, set()).add(name.casefold())

    def join(self, source: str, name: str, alias: str) -> None:
        """Learn that `alias` is another name of `name`."""
        self.hear(alias)
        first, second = self.canonical(name), self.canonical(alias)
        if first == second:
            return
        if self._heard[second] < self._heard[first]:
            first, second = second, first
        mine, theirs = self._claims.get(first, {}), self._claims.get(second, {})
        apart = sorted(by for by in mine.keys() & theirs.keys() if mine[by] != theirs[by])
        if apart:
            self.conflicts.append(
                f"{source}: {alias!r} is an alias of {name!r}, but {', '.join(apart)} has both {first!r} and {second!r}"
            )
            return
        self._root[second] = first
        for by, names in theirs.items():
            mine.setdefault(by, set()).update(names)
        self._claims[first] = mine
        self._claims.pop(second, None)

    def others(self) -> dict[str, list[str]]:
        """Return the other names of every canonical one, in order."""
        found: dict[str, list[str]] = {}
        for name in self._heard:
            if (canonical := self.canonical(name)) != name:
                found.setdefault(canonical, []).append(name)
        return {name: sorted(aliases) for name, aliases in found.items()}


def identities(ordered: Sequence[tuple[str, Findings]], aliases: Mapping[str, str]) -> Identities:
    """Find which names are one.

    Args:
        ordered: sources with their findings, the most trusted first: its spelling of a name stands.
        aliases: other name -> name, by the configuration: that stands above all.
    """
    known = Identities()
    for alias, name in sorted(aliases.items()):
        known.declare("configuration", name)
        known.join("configuration", name, alias)
    for source, findings in ordered:
        for service in findings.services:
            known.declare(source, service.name)
    for source, findings in ordered:
        for service in findings.services:
            for alias in service.aliases:
                known.join(source, service.name, alias)
    for _, findings in ordered:
        for name in _ends(findings):
            known.hear(name)
    return known


def _ends(findings: Findings) -> Iterable[str]:
    for edge in findings.dependencies:
        yield edge.source
        yield edge.to
