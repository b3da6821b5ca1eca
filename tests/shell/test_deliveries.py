"""What is forwarded again is known again; what may be lost otherwise is taken as news."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.engine.deliveries import Deliveries, Session, is_news

OLD, NEW = Session(7, 1000), Session(8, 2000)


def deliver(
    known: Deliveries, offset: int, floor: int, part: str = "a", partition: int = 0, session: Session = OLD
) -> bool:
    return is_news(known, partition=partition, offset=offset, part=part, floor=floor, session=session)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 20)), max_size=8))
def test_whatever_dies_between_forwarding_and_committing_each_message_is_news_once(
    runs: list[tuple[int, int]],
) -> None:
    """Each run forwards some messages from the committed offset on and commits some of those."""
    known: Deliveries = {}
    news: list[int] = []
    committed = 0
    for number, (forwards, commits) in enumerate(runs):
        floor = committed
        for offset in range(floor, floor + forwards):
            if deliver(known, offset, floor, session=Session(number, number)):
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
    assert deliver(known, 0, 0, session=NEW)
    assert deliver(known, 1, 0, session=NEW)
    assert not deliver(known, 1, 0, session=NEW)


@pytest.mark.parametrize("session", [Session(1, 5000), Session(9, 10)], ids=["group deleted", "clock behind"])
def test_a_session_is_newer_by_its_generation_or_by_its_time(session: Session) -> None:
    known: Deliveries = {}
    assert deliver(known, 100, 90)
    assert deliver(known, 0, 0, session=session)


def test_what_a_worker_forwards_that_lost_its_partition_is_news_only_where_the_new_owner_has_not_come() -> None:
    known: Deliveries = {}
    assert deliver(known, 10, 10)
    assert not deliver(known, 10, 10, session=NEW)
    assert deliver(known, 11, 10, session=NEW)
    assert deliver(known, 20, 15, session=NEW)
    # The old owner wakes, and with it what it had read long ago.
    assert not deliver(known, 11, 10)
    assert not deliver(known, 14, 10)
    assert not deliver(known, 20, 10)
    assert deliver(known, 21, 10)
    assert not deliver(known, 21, 15, session=NEW)


def test_a_worker_that_does_not_know_its_floor_any_more_forgets_nothing_that_was_applied() -> None:
    known: Deliveries = {}
    assert deliver(known, 82, 79)
    assert deliver(known, 84, 0)
    assert not deliver(known, 82, 79)
    assert not deliver(known, 84, 79)


def test_memory_is_bounded_by_what_is_not_committed() -> None:
    known: Deliveries = {}
    for offset in range(10_000):
        deliver(known, offset, max(0, offset - 10))
    assert len(known[0].parts) == 11
