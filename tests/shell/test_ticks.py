"""Time is said as the clock has it, wherever we are responsible, and by no more than that."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from correlator.formats import log
from correlator.shell.ticks import tick

START = 1_700_000_000_000


class Publisher:
    """Keeps what it is given; acknowledges at once."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, log.Record, int]] = []

    async def send(self, topic: str, value: bytes, *, partition: int, at: int) -> asyncio.Future[None]:
        self.sent.append((partition, log.decode(value), at))
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        acknowledged.set_result(None)
        return acknowledged


def readings(*seconds: float) -> Iterator[int]:
    """Yield what a clock shows: each reading twice, once to sleep by and once to tell."""
    for second in seconds:
        yield START + round(second * 1000) - 1
        yield START + round(second * 1000)


async def said(seconds: Sequence[float], owned: Sequence[Sequence[int]]) -> list[tuple[int, log.Record, int]]:
    """Run until the clock has no more readings."""
    publisher, clock, turns = Publisher(), readings(*seconds), iter(owned)
    try:
        await tick(
            publisher,  # type: ignore[arg-type]  # all that is used of it
            "log",
            interval_seconds=1,
            now=lambda: next(clock),
            owned=lambda: next(turns),
        )
    except RuntimeError as error:
        assert isinstance(error.__cause__, StopIteration)
    return publisher.sent


async def test_every_partition_of_ours_hears_the_time_whether_or_not_anything_happens_there() -> None:
    sent = await said([0, 1], [[0, 1, 2], [0, 1, 2]])
    assert [(partition, record) for partition, record, _ in sent] == [
        (partition, log.Tick(at=START + 1000 * second)) for second in (0, 1) for partition in (0, 1, 2)
    ]


async def test_a_clock_that_jumps_is_told_as_it_is_for_the_engine_never_goes_back() -> None:
    sent = await said([0, 3600, 5, -86_400], [[0]] * 4)
    assert [at - START for _, _, at in sent] == [0, 3_600_000, 5000, -86_400_000]


async def test_while_partitions_change_hands_nothing_is_said() -> None:
    sent = await said([0, 1, 2], [[0], [], [1]])
    assert [(partition, at - START) for partition, _, at in sent] == [(0, 0), (1, 2000)]
