from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from correlator.pager.offsets import Offsets, Position
from correlator.pager.rate import SlidingWindow


@given(st.integers(1, 20), st.lists(st.integers(0, 30), max_size=200))
def test_no_minute_has_more_sends_than_the_limit(limit: int, waits: list[int]) -> None:
    window, now, sent = SlidingWindow(limit), 0.0, list[float]()
    for wait in waits:
        now += wait
        now = max(now, window.free_at(now))
        window.spend(now)
        sent.append(now)
    assert all(sum(start - 60 < other <= start for other in sent) <= limit for start in sent)


def test_the_window_admits_again_exactly_when_the_oldest_send_leaves_it() -> None:
    window = SlidingWindow(2)
    window.spend(0.0)
    window.spend(10.0)
    assert window.free_at(20.0) == 60.0
    assert window.free_at(60.0) == 60.0


def test_updates_leave_room_for_a_page() -> None:
    window = SlidingWindow(10)
    for second in range(8):
        window.spend(float(second))
    assert window.free_at(8.0, keep=2) == 60.0
    assert window.free_at(8.0) == 8.0


def test_nothing_beyond_an_unfinished_offset_is_committed() -> None:
    offsets = Offsets()
    for offset in (5, 6, 9):
        offsets.read(Position(0, offset))
    offsets.finish(Position(0, 6))
    assert offsets.to_commit() == {0: 5}
    offsets.finish(Position(0, 5))
    assert offsets.to_commit() == {0: 9}
    offsets.finish(Position(0, 9))
    assert offsets.to_commit() == {0: 10}
    offsets.committed({0: 10})
    assert offsets.to_commit() == {}


@given(st.permutations(range(8)), st.integers(0, 8))
def test_the_committed_offset_is_the_lowest_unfinished(order: list[int], finished: int) -> None:
    offsets = Offsets()
    for offset in range(8):
        offsets.read(Position(3, offset))
    for offset in order[:finished]:
        offsets.finish(Position(3, offset))
    assert offsets.to_commit()[3] == min(order[finished:], default=8)
    # What is counted as outstanding is exactly what lies at or beyond the committed offset.
    assert offsets.outstanding == 8 - offsets.to_commit()[3]
