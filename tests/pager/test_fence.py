"""Who was suspended says nothing before it is known whose turn it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from correlator.pager.fence import ASK_SECONDS, ASLEEP_SECONDS, BEAT_SECONDS, Fence, Turn


class Clock:
    """Time that passes only when told, or waited for."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def fence(clock: Clock, ask: Callable[[], Awaitable[Turn]]) -> Fence:
    return Fence(ask=ask, monotonic=clock.monotonic, sleep=clock.sleep)


class Kafka:
    """Says whose turn it is, in turn."""

    def __init__(self, *turns: Turn) -> None:
        self.turns = list(turns)
        self.asked = 0

    async def __call__(self) -> Turn:
        self.asked += 1
        return self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]


async def test_who_is_awake_passes_without_asking() -> None:
    clock, kafka = Clock(), Kafka(Turn.ANOTHERS)
    fenced = fence(clock, kafka)
    for _ in range(100):
        clock.now += BEAT_SECONDS
        assert await fenced.passes()
    assert kafka.asked == 0


async def test_who_slept_passes_where_the_partitions_are_still_its_own_and_asks_once() -> None:
    clock, kafka = Clock(), Kafka(Turn.OURS)
    fenced = fence(clock, kafka)
    clock.now += ASLEEP_SECONDS
    assert all(await asyncio.gather(*(fenced.passes() for _ in range(5))))
    assert await fenced.passes()
    assert kafka.asked == 1


async def test_who_slept_does_not_pass_where_another_took_over() -> None:
    clock, kafka = Clock(), Kafka(Turn.UNKNOWN, Turn.ANOTHERS)
    fenced = fence(clock, kafka)
    clock.now += ASLEEP_SECONDS
    assert not any(await asyncio.gather(*(fenced.passes() for _ in range(5))))
    assert not await fenced.passes()


async def test_while_kafka_does_not_answer_the_page_goes_out_in_the_end() -> None:
    clock, kafka = Clock(), Kafka(Turn.UNKNOWN)
    fenced = fence(clock, kafka)
    clock.now += ASLEEP_SECONDS
    woke_at = clock.now
    assert await fenced.passes()
    assert ASK_SECONDS <= clock.now - woke_at < ASK_SECONDS + 2 * BEAT_SECONDS


async def test_who_sleeps_while_it_asks_asks_again() -> None:
    clock = Clock()
    answers = [Turn.OURS, Turn.ANOTHERS]

    async def ask() -> Turn:
        clock.now += ASLEEP_SECONDS
        return answers.pop(0)

    fenced = fence(clock, ask)
    clock.now += ASLEEP_SECONDS
    assert not await fenced.passes()
    assert answers == []


async def test_a_sleep_is_noticed_by_the_next_beat() -> None:
    clock, kafka = Clock(), Kafka(Turn.ANOTHERS)
    fenced = fence(clock, kafka)
    beating = asyncio.create_task(fenced.beat())
    for _ in range(20):
        await asyncio.sleep(0)
    clock.now += ASLEEP_SECONDS
    for _ in range(20):
        await asyncio.sleep(0)
    beating.cancel()
    assert not await fenced.passes()
