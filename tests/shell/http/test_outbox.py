"""The producer of a post's record: what its sender hears while Kafka is slow, away, or takes none of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError, NotLeaderForPartitionError

from correlator.config import Config
from correlator.shell.http.outbox import Outbox
from correlator.shell.http.refusal import Refused


class Producer:
    """A Kafka client whose acknowledgements the test gives."""

    made: list[Producer]

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.acks: list[asyncio.Future[None]] = []
        self.refuses: KafkaError | None = None
        self.is_stopped = False

    async def start(self) -> None:
        """Be connected at once."""

    async def stop(self) -> None:
        self.is_stopped = True

    async def send(self, topic: str, value: bytes, **_: Any) -> asyncio.Future[None]:
        if self.refuses is not None:
            raise self.refuses
        self.acks.append(asyncio.get_running_loop().create_future())
        return self.acks[-1]


class Kafka:
    """Makes producers, of which the first may not connect."""

    def __init__(self, *, away: int = 0) -> None:
        self.producers: list[Producer] = []
        self._away = away

    def make(self, **settings: Any) -> Producer:
        producer = Producer(**settings)
        if self._away:
            self._away -= 1
            producer.start = self._no_connection  # type: ignore[method-assign]
        else:
            self.producers.append(producer)
        return producer

    async def _no_connection(self) -> None:
        raise KafkaConnectionError("away")


@asynccontextmanager
async def running(kafka: Kafka, *, timeout_seconds: float = 30.0) -> AsyncIterator[Outbox]:
    config = Config.model_validate({"http": {"kafka_timeout_seconds": timeout_seconds}})
    outbox = Outbox(config, make=kafka.make, restart_seconds=0)
    async with asyncio.timeout(30), outbox.running():
        await until(lambda: bool(kafka.producers))
        yield outbox


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


async def send(outbox: Outbox, settled: list[str] | None = None) -> None:
    told = settled if settled is not None else []
    await outbox.send(b"[]", key=b"k", headers={}, at=0, settled=lambda: told.append("settled"))


async def test_a_record_is_sent_when_all_replicas_have_it() -> None:
    kafka, settled = Kafka(), list[str]()
    async with running(kafka) as outbox:
        (producer,) = kafka.producers
        assert producer.settings["acks"] == "all"
        sending = asyncio.create_task(send(outbox, settled))
        await until(lambda: bool(producer.acks))
        assert not sending.done() and not settled
        producer.acks[0].set_result(None)
        await sending
        assert settled == ["settled"]
    assert producer.is_stopped


async def test_what_kafka_does_not_acknowledge_in_time_is_a_503_and_in_memory_until_it_is_settled() -> None:
    kafka, settled = Kafka(), list[str]()
    async with running(kafka, timeout_seconds=0.01) as outbox:
        with pytest.raises(Refused, match="503 kafka: Kafka has not acknowledged"):
            await send(outbox, settled)
        assert settled == []
        kafka.producers[0].acks[0].set_exception(NotLeaderForPartitionError())
        await until(lambda: bool(settled))
        assert settled == ["settled"]


@pytest.mark.parametrize(
    ("error", "told", "producers"),
    [
        (MessageSizeTooLargeError("large"), "413 too_large", 1),
        (NotLeaderForPartitionError(), "503 kafka", 1),
        (KafkaError("Unexpected error during batch delivery"), "503 kafka", 2),
    ],
)
async def test_an_error_of_kafka_is_told_and_a_producer_that_failed_for_good_replaced(
    error: KafkaError, told: str, producers: int
) -> None:
    kafka, settled = Kafka(), list[str]()
    async with running(kafka) as outbox:
        kafka.producers[0].refuses = error
        with pytest.raises(Refused, match=told):
            await send(outbox, settled)
        assert settled == ["settled"]
        await until(lambda: len(kafka.producers) == producers)
        assert kafka.producers[0].is_stopped == (producers > 1)


async def test_before_kafka_is_connected_and_afterwards_a_post_is_a_503() -> None:
    kafka, settled = Kafka(away=3), list[str]()
    outbox = Outbox(Config(), make=kafka.make, restart_seconds=0)
    with pytest.raises(Refused, match="503 kafka: Kafka is not connected"):
        await send(outbox, settled)
    async with asyncio.timeout(30), outbox.running():
        await until(lambda: bool(kafka.producers))
    with pytest.raises(Refused, match="not connected"):
        await send(outbox, settled)
    assert settled == ["settled", "settled"]
