"""The ledger: what every source said last, and what the watching ones saw before, until it is too old.

A dependency used once a night is not in an hour's window by day: observed ones stay until nobody saw them for a whole
lifetime. Age is counted against the last answer of the same source, so a source that fails keeps what it saw.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from correlator.errors import SourceError
from topology.findings import Findings, FoundDependency, FoundService

#: Observed dependencies of one source; a name with an id in it makes new ones without end.
MAX_DEPENDENCIES = 100_000


class _Seen(msgspec.Struct):
    dependency: FoundDependency
    last_seen_at: int


class _Account(msgspec.Struct):
    """What one source said; instants in milliseconds."""

    answered_at: int
    findings: Findings
    seen: list[_Seen] = []


class Ledger:
    """Accounts of sources by name. Time is an argument."""

    def __init__(self, *, lifetime_ms: int, max_dependencies: int = MAX_DEPENDENCIES) -> None:
        self._lifetime_ms = lifetime_ms
        self._max_dependencies = max_dependencies
        self._accounts: dict[str, _Account] = {}

    def enter(self, source: str, findings: Findings, at: int) -> None:
        """Take up what a source said at `at`; what is declared replaces what it declared before."""
        if findings.declared:
            self._accounts[source] = _Account(at, findings)
            return
        known = self._accounts.get(source)
        seen = {entry.dependency.key: entry for entry in known.seen} if known else {}
        for dependency in findings.dependencies:
            before = seen.get(dependency.key)
            seen[dependency.key] = _Seen(_counted(before, dependency, findings.is_increment), at)
        entries = [entry for entry in seen.values() if at - entry.last_seen_at <= self._lifetime_ms]
        if len(entries) > self._max_dependencies:
            entries = sorted(entries, key=_latest_first)[: self._max_dependencies]
        services = _services(known.findings if known else None, findings, entries)
        kept = msgspec.structs.replace(findings, services=services, dependencies=())
        self._accounts[source] = _Account(at, kept, entries)

    def keep_only(self, sources: Mapping[str, object]) -> None:
        """Forget sources that are configured no more."""
        self._accounts = {name: account for name, account in self._accounts.items() if name in sources}

    def answered_at(self, source: str) -> int | None:
        """Return when a source answered last, in milliseconds; None if it never did."""
        account = self._accounts.get(source)
        return None if account is None else account.answered_at

    def findings(self) -> dict[str, Findings]:
        """Return what holds now of every source, observed dependencies with the calls last seen."""
        held = {}
        for name, account in self._accounts.items():
            if account.findings.declared:
                held[name] = account.findings
            else:
                dependencies = tuple(
                    msgspec.structs.replace(entry.dependency, last_seen_at=entry.last_seen_at) for entry in account.seen
                )
                held[name] = msgspec.structs.replace(account.findings, dependencies=dependencies)
        return held

    def encode(self) -> bytes:
        return msgspec.json.encode(self._accounts)

    def restore(self, data: bytes) -> None:
        """Go on from an encoded ledger.

        Raises:
            SourceError: it is damaged, or of another version.
        """
        try:
            self._accounts = msgspec.json.decode(data, type=dict[str, _Account])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SourceError(f"the remembered observations cannot be read: {error}") from None


def _counted(before: _Seen | None, now: FoundDependency, is_increment: bool) -> FoundDependency:
    """Return the dependency with what was seen before: increments add up, windows overlap, so the larger counts."""
    if before is None:
        return now
    old, new = before.dependency.calls, now.calls
    if old is None or new is None:
        calls = new if old is None else old
    else:
        calls = old + new if is_increment else max(old, new)
    return msgspec.structs.replace(now, calls=calls, one_sided=before.dependency.one_sided and now.one_sided)


def _services(known: Findings | None, now: Findings, entries: list[_Seen]) -> tuple[FoundService, ...]:
    """Return the services said now, and those said before that a dependency still needs."""
    services = {service.name: service for service in now.services}
    ends = {end for entry in entries for end in (entry.dependency.source, entry.dependency.to)}
    for service in known.services if known else ():
        if service.name in ends:
            services.setdefault(service.name, service)
    return tuple(services.values())


def _latest_first(entry: _Seen) -> tuple[int, tuple[str, str, str]]:
    return -entry.last_seen_at, entry.dependency.key
