"""A short run on one broker: everything dies a few times, and what came out is what an undisturbed run gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from correlator.devkafka import Unavailable
from tests.chaos.schedule import KILLS, Deed, draw
from tests.chaos.stage import PAGERS, WORKERS, run
from tests.chaos.table import Run, table

#: One whose half minute holds kills of all three, zombies of both kinds and a failing endpoint.
SEED = 44
SECONDS = 30.0


@pytest.mark.integration
async def test_after_half_a_minute_of_chaos_nothing_is_lost_doubled_open_or_different(tmp_path: Path) -> None:
    acts = draw(SEED, seconds=SECONDS, brokers=1, workers=WORKERS, pagers=PAGERS, pause_seconds=2.0)
    assert {act.deed for act in acts} >= {*KILLS, Deed.SUSPEND_WORKER, Deed.SUSPEND_PAGER}
    try:
        outcome = await run(acts, seed=SEED, seconds=SECONDS, brokers=1, folder=tmp_path, say=print)
    except Unavailable as error:
        pytest.skip(str(error))
    made = Run(seed=SEED, brokers=1, outcome=outcome, wrong=outcome.evidence.judge())
    assert made.problems == [], table([made])
    assert made.kills >= 5
