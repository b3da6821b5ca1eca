"""A schedule is a pure function of its seed, and does something of everything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.schedule import ENDPOINT_DEEDS, Deed, count, draw

SEEDS = st.integers(0, 1_000_000)


@given(SEEDS, st.sampled_from([1, 3]))
def test_the_same_seed_gives_the_same_schedule_and_another_another(seed: int, brokers: int) -> None:
    acts = draw(seed, seconds=120, brokers=brokers, workers=3, pagers=2)
    assert acts == draw(seed, seconds=120, brokers=brokers, workers=3, pagers=2)
    assert acts != draw(seed + 1, seconds=120, brokers=brokers, workers=3, pagers=2)


@given(SEEDS)
def test_deeds_are_in_order_of_time_within_the_stream_and_to_somebody_who_is_there(seed: int) -> None:
    acts = draw(seed, seconds=60, brokers=1, workers=3, pagers=2)
    assert [act.at for act in acts] == sorted(act.at for act in acts)
    assert all(0 < act.at < 60 for act in acts)
    for act in acts:
        there = 3 if "worker" in act.deed else 2 if "pager" in act.deed else 1
        assert 0 <= act.whom < there
        lasts = act.deed in (Deed.SUSPEND_WORKER, Deed.SUSPEND_PAGER, *ENDPOINT_DEEDS)
        assert (act.seconds > 0) == lasts
        assert act.deed is not Deed.SUSPEND_BROKER


def test_in_an_hour_everything_is_done() -> None:
    assert count(draw(1, seconds=3600, brokers=3, workers=3, pagers=2)).keys() == set(Deed)


def test_whoever_is_suspended_is_so_for_longer_than_the_session_of_a_worker() -> None:
    acts = draw(1, seconds=3600, brokers=3, workers=3, pagers=2)
    assert min(act.seconds for act in acts if act.deed is Deed.SUSPEND_WORKER) > 2
