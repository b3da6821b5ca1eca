"""Nothing is forwarded before it is known where the group stands."""

from __future__ import annotations

from typing import Any

import pytest
from faust.types import TP

from correlator.shell.ingest import Ingest

PLACE = TP("alerts", 0)


class App:
    """Stands for the worker's: the floor is known when it was asked for often enough."""

    def __init__(self, floors: list[int | None], generations: list[int]) -> None:
        self.floors, self.generations = floors, generations

    def committed_offset(self, place: TP) -> int | None:
        assert place == PLACE
        return self.floors.pop(0)

    def generation(self) -> int:
        return self.generations.pop(0)


@pytest.mark.parametrize(
    ("floors", "generations", "floor"),
    [([7], [], 7), ([0], [], 0), ([None, None, 7], [3, 3], 7), ([None, None], [3, 4], None)],
)
async def test_it_waits_for_the_floor_or_the_end_of_the_assignment(
    floors: list[int | None], generations: list[int], floor: int | None
) -> None:
    ingest: Any = Ingest.__new__(Ingest)
    ingest._app, ingest.closing = App(floors, generations), False
    assert await ingest._floor(PLACE, 3) == floor
    assert floors == []
    assert generations == []


async def test_a_worker_that_closes_does_not_wait() -> None:
    ingest: Any = Ingest.__new__(Ingest)
    ingest._app, ingest.closing = App([None], [3]), True
    assert await ingest._floor(PLACE, 3) is None
