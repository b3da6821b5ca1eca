"""The noisiest alert rules, and what would be lost if each were silenced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from correlator.domain import Disposition
from correlator.report.noise import Fate
from correlator.report.stories import Story


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: its noise, and its part in the incidents that mattered.

    `firing` events are all of them, `episodes` those that were news; `suppressed` of the latter. Of the incidents that
    mattered: in how many it had an alert, of how many it showed the root, in how many it was the first evidence, and
    of how many the only one.
    """

    name: str
    services: int
    firing: int
    episodes: int
    suppressed: int
    incidents: int
    root: int
    first: int
    only: int
    risk: str


class Ledger:
    """Collects what rules did, event by event."""

    def __init__(self) -> None:
        self._firing: Counter[str] = Counter()
        self._episodes: Counter[str] = Counter()
        self._suppressed: Counter[str] = Counter()
        self._services: dict[str, set[str]] = {}
        self._members: dict[str, set[str]] = {}
        self._first: dict[str, tuple[int, str]] = {}

    def add(self, fate: Fate) -> None:
        """Take one event of which the name is known."""
        if fate.name is None or not fate.firing:
            return
        self._firing[fate.name] += 1
        self._services.setdefault(fate.name, set()).add(fate.service or "")
        if fate.disposition in (Disposition.OPENED, Disposition.ATTACHED, Disposition.SUPPRESSED):
            self._episodes[fate.name] += 1
            self._suppressed[fate.name] += fate.disposition is Disposition.SUPPRESSED
        if fate.incident_id is not None:
            self._members.setdefault(fate.incident_id, set()).add(fate.name)
            at = fate.at or 0
            self._first[fate.incident_id] = min(self._first.get(fate.incident_id, (at, fate.name)), (at, fate.name))

    def rules(self, told: Sequence[Story], *, top: int) -> list[Rule]:
        """Return the rules with most firing events, the noisiest first."""
        spoken = heard(told)
        mattered = [story for story in told if matters(story, heard=spoken)]
        ids = [story.incident.incident_id for story in mattered]
        roots = Counter(story.incident.root_cause.alert for story in mattered)
        member = Counter(name for key in ids for name in self._members.get(key, ()))
        first = Counter(self._first[key][1] for key in ids if key in self._first)
        only = Counter(next(iter(self._members[key])) for key in ids if len(self._members.get(key, ())) == 1)
        ordered = sorted(self._firing, key=lambda name: (-self._firing[name], name))
        return [
            Rule(
                name=name,
                services=len(self._services[name]),
                firing=self._firing[name],
                episodes=self._episodes[name],
                suppressed=self._suppressed[name],
                incidents=member[name],
                root=roots[name],
                first=first[name],
                only=only[name],
                risk=_risk(member[name], roots[name], first[name], only[name]),
            )
            for name in ordered[:top]
        ]

    @property
    def arrivals(self) -> Mapping[str, int]:
        """Incident -> when its first event came (milliseconds)."""
        return {key: at for key, (at, _) in self._first.items() if at}


def heard(told: Iterable[Story]) -> bool:
    """Tell whether humans said anything of any incident."""
    return any(story.feedback or story.acknowledged_at is not None for story in told)


def matters(story: Story, *, heard: bool) -> bool:
    """Tell whether an incident mattered: humans took it, or, where nobody says anything of any, it paged."""
    return story.taken if heard else bool(story.pages)


def _risk(member: int, root: int, first: int, only: int) -> str:
    if only:
        return f"loses {only} incident{'s' * (only != 1)}"
    if first:
        return f"delays {first} incident{'s' * (first != 1)}"
    if root:
        return f"hides {root} root{'s' * (root != 1)}"
    return "loses evidence only" if member else "none seen"
