"""What we change of Faust: where reading begins, how sending is acknowledged, that no error goes unseen.

Each override names the behaviour of faust-streaming 0.15 that it replaces.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, ClassVar

import faust
from aiokafka.errors import IllegalGenerationError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from correlator.access import heed_errors
from correlator.shell.bulk import BulkConsumer

#: An outage is waited out: nothing is lost meanwhile, and a new worker could only wait, too. A worker for which alone
#: nothing moves, although Kafka answers, is ended by the watchdog.
_PATIENCE_SECONDS = 30 * 86_400

#: Where to go on in each partition of a topic; None for a partition that must not be read yet.
Positions = Callable[[TP], int | None]


#: The generation of the group that the commit under way is for.
_commits_for: ContextVar[int] = ContextVar("commits_for")


def fence_commits(coordinator: Any) -> None:
    """Let a commit fail that cannot be made in the generation of the group in which it was asked for.

    aiokafka tries again, in the name of whatever generation it has joined by then: a worker that was suspended would
    so put back what its successor has committed.
    """
    commit, attempt = coordinator.commit_offsets, coordinator._do_commit_offsets

    async def commit_offsets(assignment: Any, offsets: Any) -> None:
        _commits_for.set(coordinator.generation)
        await commit(assignment, offsets)

    async def do_commit_offsets(assignment: Any, offsets: Any) -> None:
        if coordinator.generation != _commits_for.get():
            raise IllegalGenerationError(coordinator.group_id)
        await attempt(assignment, offsets)

    coordinator.commit_offsets = commit_offsets
    coordinator._do_commit_offsets = do_commit_offsets


#: How long a broker holds back the answer to a fetch for which there is nothing yet. The client asks a broker for one
#: thing at a time: what a fetch in flight does not cover, because it had not been read then, waits for its answer. With
#: the 1500 of Faust two workers wait for each other's records half of the time, and are no faster than one.
_LONG_POLL_MS = 50


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The client of a consumer: its commits fenced, the errors of its group heard."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = _LONG_POLL_MS
        return consumer

    async def on_start(self) -> None:
        """Start the client."""
        await super().on_start()
        coordinator = self._ensure_consumer()._coordinator
        fence_commits(coordinator)
        heed_errors(coordinator)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit; say no where some of it is not assigned any more: Faust leaves that out and says yes."""
        return all(place in self.assignment() for place in offsets) and bool(await super()._commit(offsets))


class SeekingConsumer(BulkConsumer):
    """Goes on where the engines' snapshots end, not where the group's commits do.

    Faust seeks to the committed offsets in two places (after a rebalance and when a fetch returns into a stopped
    flow) and does not seek where nothing is committed. All of it goes through `perform_seek`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._floors: dict[TP, int] = {}
        self._seeks = 0
        self._sought: dict[TP, int | None] = {}

    def _new_consumer_thread(self) -> Any:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        """Seek every assigned partition to where its processing has to go on."""
        app = self.app
        assert isinstance(app, WorkerApp)
        committed = await self.seek_to_committed()
        targets: dict[TP, int] = {}
        for partition, offset in committed.items():
            place = TP(partition.topic, partition.partition)
            wanted = app.position_of(place) if app.is_log(place) else offset or 0
            if wanted is not None:
                # Where retention has passed it, the client resets to the earliest. To ask for that here would wait
                # behind its long-polling fetch, more than a second.
                targets[place] = wanted
        # Before anything may be read from there.
        self._floors = {TP(place.topic, place.partition): offset or 0 for place, offset in committed.items()}
        await self.seek_wait(targets)
        for place, offset in targets.items():
            self._read_offset[place] = offset or None
            if offset > self._floors[place]:
                # Whoever wrote the snapshot did not come to commit what it covers.
                self._through[place] = offset - 1
        self._sought = {place: min(offset, self._floors[place]) or None for place, offset in targets.items()}
        self._committed_offset.update(self._sought)
        self._seeks += 1
        app.on_positions(targets)

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        """Commit; what was begun for an assignment before this one must not count for this one.

        Faust would note it all the same, and not commit what this assignment deals with until it is beyond it.
        """
        seeks = self._seeks
        is_committed = bool(await super()._commit_offsets(offsets, start_new_transaction))
        if self._seeks != seeks:
            self._committed_offset.update(self._sought)
        return is_committed

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        is_committed = bool(await super()._commit(offsets))
        if is_committed:
            self._floors.update(offsets)
        return is_committed

    def session_generation(self) -> int:
        """Return the generation of the group that the broker took us into last; -1 when it has thrown us out."""
        return int(self._thread._ensure_consumer()._coordinator.generation)

    def committed_offset(self, partition: TP) -> int | None:
        """Return below which offset nothing of the partition will be delivered again; None while that is not known.

        Faust's own account also counts commits that failed, and is empty while partitions are revoked.
        """
        return self._floors.get(partition)

    def forget_floors(self) -> None:
        """Begin with a new assignment: somebody else may have gone on since, and a fetch may return before we seek."""
        self._floors = {}


class IdempotentProducer(driver.Producer):
    """Waits for all replicas, lets the broker drop what a retry sends twice, and waits out any outage.

    Faust does the first two only for its transactions. Its client gives up a record when it is as old as one request
    may last; so either an outage ended the worker, or a broker that hangs was waited for as long as an outage may last.
    """

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    def _new_producer(self, transactional_id: str | None = None) -> Any:
        producer = super()._new_producer(transactional_id)
        # How long `send` waits for room, and a record for its acknowledgement; requests keep the configured time-out.
        producer._request_timeout_ms = 1000 * _PATIENCE_SECONDS
        producer._message_accumulator._batch_ttl = _PATIENCE_SECONDS
        return producer


class Transport(driver.Transport):
    Consumer: ClassVar[Any] = SeekingConsumer
    Producer: ClassVar[Any] = IdempotentProducer


class WorkerApp(faust.App):
    """A Faust app whose log partitions begin where `position_of` says."""

    log_topic: str = ""

    def position_of(self, partition: TP) -> int | None:
        """Return the next offset to apply of a partition of the log; None while its engine is not loaded."""
        raise NotImplementedError

    def on_positions(self, positions: Mapping[TP, int]) -> None:
        """Hear from where reading goes on."""

    def generation(self) -> int:
        """Return the generation of the group that we work for; -2 when it is over and we have not been told yet."""
        generation = self.consumer_generation_id
        return generation if self._seeking().session_generation() == generation else -2

    def committed_offset(self, partition: TP) -> int | None:
        """Return below which offset nothing of the partition will be delivered again; None while that is not known."""
        return self._seeking().committed_offset(partition)

    def forget_floors(self) -> None:
        """Let nothing that was committed before this assignment count."""
        self._seeking().forget_floors()

    def _seeking(self) -> SeekingConsumer:
        consumer = self.consumer
        assert isinstance(consumer, SeekingConsumer)
        return consumer

    def is_log(self, partition: TP) -> bool:
        return partition.topic == self.log_topic

    async def on_first_start(self) -> None:
        """Begin without Faust's data folder: without tables there is nothing to put into it."""

    def _new_transport(self) -> Any:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Any:
        return Transport(self.conf.broker_producer, self)

    async def _on_agent_error(self, agent: Any, exc: BaseException) -> None:
        # Faust would restart the agent, the event that it failed on acknowledged.
        await self.crash(exc)


class Publisher:
    """Sends records; what it returns must be awaited: only then the broker has them.

    It uses the client of Faust's producer directly: what Faust does around it costs more than the sending.
    """

    def __init__(self, app: faust.App) -> None:
        self._app = app

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        at: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> asyncio.Future[Any]:
        """Hand a record to the producer; the future is its acknowledgement.

        Args:
            at: the record's timestamp, milliseconds; the time of sending unless given.

        Raises:
            aiokafka.errors.KafkaError: it is too large, or the producer has failed.
        """
        client = await self._client()
        sent: asyncio.Future[Any] = await client.send(
            topic,
            value,
            key=key,
            partition=partition,
            timestamp_ms=at,
            headers=None if headers is None else [(name, text.encode()) for name, text in headers.items()],
        )
        return sent

    async def partitions(self, topic: str) -> list[int]:
        """Return the numbers of a topic's partitions."""
        return sorted(await (await self._client()).partitions_for(topic))

    async def _client(self) -> Any:
        producer: Any = self._app.producer
        if producer._producer is None:
            await self._app.maybe_start_producer()
        return producer._ensure_producer()
