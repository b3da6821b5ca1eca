"""What happens to whom, and when: a pure function of the seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Deed(StrEnum):
    KILL_WORKER = "kill worker"
    END_WORKER = "end worker"
    SUSPEND_WORKER = "suspend worker"
    JOIN_WORKER = "one worker more"
    LEAVE_WORKER = "one worker less"
    KILL_PAGER = "kill pager"
    END_PAGER = "end pager"
    SUSPEND_PAGER = "suspend pager"
    KILL_BROKER = "kill broker"
    RESTART_BROKER = "restart broker"
    SUSPEND_BROKER = "suspend broker"
    SLOW_ENDPOINT = "endpoint slow"
    LATE_ENDPOINT = "endpoint replies too late"
    FAILING_ENDPOINT = "endpoint answers 500"
    LIMITING_ENDPOINT = "endpoint answers 429"
    RESETTING_ENDPOINT = "endpoint resets"


KILLS = (Deed.KILL_WORKER, Deed.KILL_PAGER, Deed.KILL_BROKER)
ENDPOINT_DEEDS = tuple(deed for deed in Deed if deed.endswith(("slow", "late", "500", "429", "resets")))

#: How often each is drawn, beside the others.
_WEIGHTS = {
    Deed.KILL_WORKER: 10,
    Deed.END_WORKER: 3,
    Deed.SUSPEND_WORKER: 3,
    Deed.JOIN_WORKER: 1,
    Deed.LEAVE_WORKER: 1,
    Deed.KILL_PAGER: 5,
    Deed.END_PAGER: 2,
    Deed.SUSPEND_PAGER: 2,
    Deed.KILL_BROKER: 4,
    Deed.RESTART_BROKER: 1,
    Deed.SUSPEND_BROKER: 1,
    Deed.SLOW_ENDPOINT: 1,
    Deed.LATE_ENDPOINT: 1,
    Deed.FAILING_ENDPOINT: 1,
    Deed.LIMITING_ENDPOINT: 1,
    Deed.RESETTING_ENDPOINT: 1,
}
#: Longer than a session lasts: a worker's of 2 s, a pager's of 10 s. Who wakes is a zombie.
_SUSPENDED_SECONDS = {Deed.SUSPEND_WORKER: (3.0, 8.0), Deed.SUSPEND_PAGER: (8.0, 14.0), Deed.SUSPEND_BROKER: (2.0, 6.0)}
_ENDPOINT_SECONDS = (3.0, 8.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One deed, to the worker, pager or broker of this number. `at` is seconds from the beginning."""

    at: float
    deed: Deed
    whom: int
    seconds: float = 0.0

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.at:7.2f} s  {self.deed}{'' if self.deed in ENDPOINT_DEEDS else f' {self.whom}'}{lasting}"


def draw(
    seed: int, *, seconds: float, brokers: int, workers: int, pagers: int, pause_seconds: float = 3.0
) -> tuple[Act, ...]:
    """Return what happens within `seconds`, one deed every `pause_seconds` on average, the first at once.

    Args:
        brokers: of several one may be suspended; alone it would only be a pause for all.
    """
    chance = random.Random(f"chaos {seed} {brokers}")
    weights = {deed: weight for deed, weight in _WEIGHTS.items() if brokers > 1 or deed is not Deed.SUSPEND_BROKER}
    how_many = {"worker": workers, "pager": pagers, "broker": brokers}
    acts: list[Act] = []
    at = chance.uniform(0.5, pause_seconds)
    while at < seconds:
        (deed,) = chance.choices(list(weights), list(weights.values()))
        low, high = _SUSPENDED_SECONDS.get(deed, _ENDPOINT_SECONDS if deed in ENDPOINT_DEEDS else (0.0, 0.0))
        whom = chance.randrange(next((count for kind, count in how_many.items() if kind in deed), 1))
        acts.append(Act(at=round(at, 3), deed=deed, whom=whom, seconds=round(chance.uniform(low, high), 2)))
        # Two at once come about too: the pause may be next to none.
        at += chance.expovariate(1 / pause_seconds)
    return tuple(acts)


def count(acts: Iterable[Act]) -> Counter[Deed]:
    """Return how often each deed is done."""
    return Counter(act.deed for act in acts)
