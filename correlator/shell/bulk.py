"""Reading in bulk: what one fetch gives of one partition goes through Faust as one event, not as one a record.

Faust does for each record what it costs it to do: four tasks, three turns of the event loop, a place in several
dictionaries; about ten thousand records a second are all it carries. Its consumer, its agents, its flow control and
its rebalances work on whatever a message holds, so here a message holds a list. `offset` is that of the last record.
Agents acknowledge bulks in order, so one number a partition takes the place of Faust's lists of acknowledged offsets,
which also makes the gaps that compaction leaves no matter.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import faust
from aiokafka import ConsumerRecord
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from faust.types.tuples import ConsumerMessage

#: Bulks that may wait for an agent. Each is one fetch of one partition at most, a megabyte.
WAITING_BULKS = 16
#: How long an agent waits for an event before it looks whether it is to stop.
WAIT_SECONDS = 0.5

#: Records that are dealt with in one go; then others get their turn.
_SLICE_RECORDS = 500

Bulk = list[ConsumerRecord]


def slices(bulk: Bulk) -> Iterator[Bulk]:
    """Yield a bulk piece by piece."""
    for at in range(0, len(bulk), _SLICE_RECORDS):
        yield bulk[at : at + _SLICE_RECORDS]


class BulkSchema(faust.Schema[Any, Any]):
    """Takes a bulk for what it is: there are no keys, and nothing is decoded."""

    def loads_key(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> None:
        """Return no key."""

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Bulk:
        """Return the records."""
        records: Bulk = message.value
        return records


class BulkConsumer(driver.Consumer):
    """Gives out bulks and commits behind the last one that is acknowledged."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._through: dict[TP, int] = {}  # the last offset that is acknowledged
        self._fetch_generation = 0  # that in which the last fetch began

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """Yield what the next fetch gives, as Faust does with each record: none of it once the flow has stopped."""
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            await self._seek_in_stopped_flow()
            return
        if records and self._fetch_generation != generation:
            await self._seek_after_rebalance(generation)
            return
        for tp, bulk in records.items():
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            if bulk and (active is None or tp in active or tp in self._buffered_partitions):
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                yield tp, self._to_bulk(tp, bulk)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        self._fetch_generation = self.app.consumer_generation_id
        return await super()._getmany(active_partitions, timeout)

    async def _seek_in_stopped_flow(self) -> None:
        """Forget what was fetched, as Faust does: it is fetched again when the flow goes on."""
        try:
            await self.perform_seek()
        except Exception as error:
            self.log.warning("cannot seek while the flow is stopped: %r", error)

    async def _seek_after_rebalance(self, generation: int) -> None:
        """Forget what a fetch brought that began before the rebalance, and fetch it again.

        It begins where the assignment before had come to, not where this one does: what lies between would be passed
        over.
        """
        try:
            await self.perform_seek()
        except Exception:
            if self.app.consumer_generation_id == generation:
                raise  # else the next assignment seeks

    def _to_bulk(self, tp: TP, bulk: Bulk) -> Message:
        last = bulk[-1]
        return ConsumerMessage(
            topic=last.topic,
            partition=last.partition,
            offset=last.offset,
            timestamp=(last.timestamp or 0) / 1000,
            timestamp_type=last.timestamp_type,
            headers={},
            key=None,
            value=bulk,  # type: ignore[arg-type] # only BulkSchema looks at it
            checksum=None,
            serialized_key_size=0,
            serialized_value_size=sum(record.serialized_value_size for record in bulk),
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    def ack(self, message: Message) -> bool:
        """Note that everything up to the end of a bulk is dealt with."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        if message.generation_id == self.app.consumer_generation_id:
            self._through[message.tp] = max(message.offset, self._through.get(message.tp, -1))
        return True

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let go of the partitions, and of what was acknowledged of them."""
        for tp in revoked:
            self._through.pop(tp, None)
        await super().on_partitions_revoked(revoked)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return iter([tp for tp in self._through if topics is None or tp in topics or tp.topic in topics])

    def _new_offset(self, tp: TP) -> int | None:
        through = self._through.get(tp)
        return None if through is None else through + 1

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Take no note: to commit is to say that all before is dealt with, whether or not it was there."""
