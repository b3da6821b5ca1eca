"""Single linkage over a stream: a spell joins the groups of all it is linked to, and thereby makes them one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from benchmarks.quality.baselines.groups import HOLD_MS, Group, Member
from benchmarks.quality.stream import Spell

#: Returns numbers of earlier spells that a spell is linked to.
Links = Callable[[Spell], Iterable[int]]


def chain(spells: Sequence[Spell], links: Links) -> list[Group]:
    """Group spells in arrival order; where one links several groups the oldest takes the others in."""
    groups: list[Group] = []
    home: list[int] = []
    for spell in spells:
        linked = sorted({_heir(groups, home[other]) for other in links(spell)})
        here = Member(spell=spell.number, joined_at=spell.at)
        if not linked:
            groups.append(Group(members=[here], told_at=spell.at + HOLD_MS))
            linked = [len(groups) - 1]
        else:
            groups[linked[0]].members.append(here)
        home.append(linked[0])
        for younger in linked[1:]:
            _merge(groups, younger, linked[0], spell.at)
    return groups


def _merge(groups: list[Group], younger: int, older: int, at: int) -> None:
    group = groups[younger]
    group.merged_into, group.merged_at = older, at
    groups[older].members += [Member(spell=item.spell, joined_at=at) for item in group.members]


def _heir(groups: Sequence[Group], number: int) -> int:
    while (heir := groups[number].merged_into) is not None:
        number = heir
    return number
