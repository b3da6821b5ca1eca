"""What our consumer makes of Faust's account of commits, with a thread that stands for Kafka's client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from aiokafka.errors import IllegalGenerationError
from faust.types import TP

from correlator.shell.transport import ConsumerThread, SeekingConsumer, WorkerApp, fence_commits

PLACE = TP("log", 0)
RAW = TP("raw", 0)


class App(WorkerApp):
    """Goes on at offset 40 of its log, where the snapshot ends."""

    log_topic = PLACE.topic

    def position_of(self, partition: TP) -> int | None:
        return 40


class Client:
    """The thread behind a consumer: the group has committed 7 of everything, and commits end as told."""

    def __init__(self, *, accepts: bool = True) -> None:
        self.accepts = accepts
        self.fetched: list[ConsumerRecord] = []
        self.while_fetching: Callable[[], None] | None = None
        self.sought: Mapping[TP, int] = {}
        self.committed: Mapping[TP, int] = {}
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    def assignment(self) -> set[TP]:
        return {PLACE, RAW}

    async def seek_to_committed(self) -> Mapping[TP, int]:
        return {PLACE: 7, RAW: 7}

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        self.sought = dict(partitions)

    async def getmany(self, active_partitions: set[TP], timeout: float) -> Mapping[TP, list[ConsumerRecord]]:
        if self.while_fetching is not None:
            self.while_fetching()
        return {PLACE: self.fetched}

    def highwater(self, tp: TP) -> int:
        return 100

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        if self.meanwhile is not None:
            await self.meanwhile()
        self.committed = offsets
        return self.accepts


class Outbox:
    """Stands for the producer, of which a commit asks that nothing is under way."""

    async def flush(self) -> None:
        pass


def record(offset: int) -> ConsumerRecord:
    return ConsumerRecord(
        topic=PLACE.topic,
        partition=PLACE.partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=None,
        value=b"",
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=(),
    )


def consumer_of(client: Client) -> Any:
    app: Any = App("test", broker="aiokafka://127.0.0.1:1", web_enabled=False, topic_disable_leader=True)
    app.producer = Outbox()
    consumer: Any = SeekingConsumer(
        app.transport, callback=print, on_partitions_revoked=print, on_partitions_assigned=print
    )
    consumer._thread = client
    return consumer


async def test_a_commit_that_ends_after_partitions_changed_hands_does_not_count_for_the_new_assignment() -> None:
    client = Client()
    consumer = consumer_of(client)
    await consumer.perform_seek()
    client.meanwhile = consumer.perform_seek
    await consumer._commit_offsets({PLACE: 20, RAW: 9})
    assert consumer._committed_offset == {PLACE: 7, RAW: 7}
    assert consumer._should_commit(RAW, 9)


async def test_what_a_snapshot_covers_is_committed_by_who_goes_on_from_it() -> None:
    client = Client()
    consumer = consumer_of(client)
    await consumer.perform_seek()
    assert await consumer.force_commit()
    assert client.committed == {PLACE: 40}
    assert not await consumer.force_commit()


async def test_an_ordinary_commit_counts() -> None:
    consumer = consumer_of(Client())
    await consumer.perform_seek()
    await consumer._commit_offsets({PLACE: 45, RAW: 9})
    assert consumer._committed_offset[PLACE] == 45
    assert consumer.committed_offset(RAW) == 9


class Coordinator:
    """Joins the group anew, as generation 5, while its first attempt to commit fails."""

    group_id = "group"

    def __init__(self, *, joins: bool) -> None:
        self.generation = 4
        self.joins = joins
        self.attempts: list[int] = []

    async def commit_offsets(self, assignment: object, offsets: object) -> None:
        if self.joins:
            self.generation = 5
        await asyncio.shield(self._do_commit_offsets(assignment, offsets))

    async def _do_commit_offsets(self, assignment: object, offsets: object) -> None:
        self.attempts.append(self.generation)


async def test_a_commit_is_not_made_in_the_name_of_a_generation_that_was_joined_since() -> None:
    late, timely = Coordinator(joins=True), Coordinator(joins=False)
    fence_commits(late)
    fence_commits(timely)
    with pytest.raises(IllegalGenerationError):
        await late.commit_offsets(object(), {RAW: 9})
    await timely.commit_offsets(object(), {RAW: 9})
    assert late.attempts == []
    assert timely.attempts == [4]


class Thread(ConsumerThread):
    """The thread behind a consumer without its client: the log's partition alone is assigned."""

    def __init__(self) -> None:
        self.tp_last_committed_at = {}
        self.committed: list[Mapping[Any, Any]] = []

    def assignment(self) -> set[TP]:
        return {PLACE}

    def _ensure_consumer(self) -> Any:
        return self

    async def commit(self, offsets: Mapping[Any, Any]) -> bool:
        self.committed.append(offsets)
        return True


async def test_a_commit_of_what_is_revoked_is_none() -> None:
    thread = Thread()
    assert await thread._commit({PLACE: 45})
    assert not await thread._commit({PLACE: 46, RAW: 9})
    assert len(thread.committed) == 1


async def test_the_floor_is_what_the_broker_has_taken_also_while_partitions_are_revoked() -> None:
    consumer = consumer_of(Client(accepts=False))
    assert consumer.committed_offset(RAW) is None
    await consumer.perform_seek()
    await consumer._commit_offsets({RAW: 9})
    assert consumer.committed_offset(RAW) == 7
    consumer._committed_offset.pop(RAW)
    assert consumer.committed_offset(RAW) == 7


async def test_the_floor_of_an_assignment_is_known_before_anything_is_read_and_not_from_the_one_before() -> None:
    client = Client()
    consumer = consumer_of(client)
    await consumer.perform_seek()
    consumer.forget_floors()
    assert consumer.committed_offset(RAW) is None
    known = []

    async def look(targets: object) -> None:
        known.append(consumer.committed_offset(RAW))

    consumer.seek_wait = look
    await consumer.perform_seek()
    assert known == [7]


async def test_what_a_fetch_brings_over_a_rebalance_is_fetched_again_from_where_the_assignment_begins() -> None:
    client = Client()
    consumer = consumer_of(client)
    consumer.flow_active = True
    consumer._active_partitions = {PLACE}
    client.fetched = [record(90)]
    client.while_fetching = lambda: setattr(consumer.app, "consumer_generation_id", 2)
    assert [each async for each in consumer.getmany(1.0)] == []
    assert client.sought == {PLACE: 40, RAW: 7}
    client.fetched = [record(40)]
    client.while_fetching = None
    ((place, message),) = [each async for each in consumer.getmany(1.0)]
    assert (place, message.offset, message.generation_id) == (PLACE, 40, 2)
