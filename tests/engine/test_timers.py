"""Time is whole seconds, in order, whoever says what time it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from correlator.engine.timers import Due, Timers, aligned


@given(st.integers(0, 10**13))
def test_a_time_is_aligned_to_the_first_whole_second_not_before_it(at: int) -> None:
    assert aligned(at) % 1000 == 0 and at <= aligned(at) < at + 1000


@given(st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(Due), st.sampled_from("ab"), st.sampled_from("xy"))))
def test_entries_come_out_in_order_of_time_whatever_the_order_they_went_in(
    entries: list[tuple[int, Due, str, str]],
) -> None:
    timers = Timers()
    for at, what, scope, key in entries:
        timers.add(at, what, scope, key)
    out = []
    while (entry := timers.pop(10**9)) is not None:
        out.append(entry)
    assert out == sorted((aligned(at), what, scope, key) for at, what, scope, key in entries)
    assert timers.next_at() is None


def test_nothing_comes_out_before_its_time() -> None:
    timers = Timers()
    assert timers.add(1500, Due.SOLVE, "s", "") == 2000
    assert timers.next_at() == 2000
    assert timers.pop(1999) is None
    assert timers.pop(2000) == (2000, Due.SOLVE, "s", "")
