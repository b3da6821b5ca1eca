"""Warm starts: what an engine has learned of everyday noise, carried over to one that begins.

An engine that knows no rates takes noise for faults. What is carried over is what decays anyway: background rates and
the habits of senders; no alert, node or incident.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import msgspec

from correlator.engine import rhythm
from correlator.engine.state import Scope, ScopeWarmth, State, WarmStart

_DAY_MINUTES = 1440
_DAY_MS = 60_000 * _DAY_MINUTES


class Warmth(msgspec.Struct, frozen=True):
    """What was learned, by scope, with a `version` that names it in incidents."""

    scopes: Mapping[str, ScopeWarmth]
    version: str

    def starts(self) -> Iterator[WarmStart]:
        """Yield what each scope begins with."""
        for name, learned in self.scopes.items():
            yield WarmStart(scope=name, version=self.version, learned=learned)


def warmth_of(scopes: Mapping[str, ScopeWarmth]) -> Warmth:
    """Return the scopes with their version: a hash of all that changes a decision."""
    packed = msgspec.json.encode(sorted(scopes.items()))
    return Warmth(scopes, hashlib.blake2b(packed, digest_size=6).hexdigest())


def learned(state: State) -> Warmth:
    """Return what an engine has learned until now."""
    return warmth_of(
        {
            name: ScopeWarmth(until=state.now, background=scope.background, habits=scope.habits)
            for name, scope in sorted(state.scopes.items())
        }
    )


def begin(scope: Scope, start: WarmStart, now: int) -> None:
    """Let a new scope go on from what was learned of it.

    The time between then and now is left out: nobody watched, so that nothing fired then says nothing. Of times of the
    day whole days are, and hours of the week stay what they are.
    """
    # By its encoding: two engines never share what they count in.
    copy = msgspec.msgpack.decode(msgspec.msgpack.encode(start.learned), type=ScopeWarmth)
    gap = now - copy.until
    counts = [copy.background.total, *copy.background.names.values()]
    counts += [rate for rates in copy.background.pairs.values() for rate in rates.values()]
    for rate in counts:
        rate.at += gap
        rate.minutes = [minute + gap // _DAY_MS * _DAY_MINUTES for minute in rate.minutes]
    copy.background.since += gap
    rhythm.put_off(copy.background.rhythm, gap)
    scope.background, scope.habits, scope.warm = copy.background, copy.habits, start.version
