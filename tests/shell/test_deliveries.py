"""What is forwarded again is known again; what may be lost otherwise is taken as news."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from correlator.engine.deliveries import Deliveries, is_news


def deliver(known: Deliveries, offset: int, floor: int, part: str = "a", partition: int = 0) -> bool:
    return is_news(known, partition=partition, offset=offset, part=part, floor=floor)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 20)), max_size=8))
def test_whatever_dies_between_forwarding_and_committing_each_message_is_news_once(
    runs: list[tuple[int, int]],
) -> None:
    """Each run forwards some messages from the committed offset on and commits some of those."""
    known: Deliveries = {}
    news: list[int] = []
    committed = 0
    for forwards, commits in runs:
        floor = committed
        for offset in range(floor, floor + forwards):
            if deliver(known, offset, floor):
                news.append(offset)
        committed = floor + min(commits, forwards)
    assert news == sorted(set(news)) == list(range(len(news)))


def test_parts_of_a_message_and_partitions_are_told_apart() -> None:
    known: Deliveries = {}
    assert deliver(known, 5, 5, "a")
    assert deliver(known, 5, 5, "b")
    assert deliver(known, 5, 5, "a", partition=1)
    assert not deliver(known, 5, 5, "b")


def test_a_topic_made_anew_is_news_although_its_offsets_are_old() -> None:
    known: Deliveries = {}
    assert deliver(known, 100, 90)
    assert deliver(known, 0, 0)
    assert deliver(known, 1, 0)
    assert not deliver(known, 1, 0)


def test_memory_is_bounded_by_what_is_not_committed() -> None:
    known: Deliveries = {}
    for offset in range(10_000):
        deliver(known, offset, max(0, offset - 10))
    assert len(known[0].parts) == 11
