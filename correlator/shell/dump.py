"""`correlator dump`: the records of a topic as JSON lines."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError

from correlator.access import explained
from correlator.config import KafkaConfig
from correlator.errors import CorrelatorError
from correlator.shell.kafka import partitions_of, reader, records

_POLL_MS = 500


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One record. What is not text, or not JSON in the value, stands as `{"base64": ...}`."""

    partition: int
    offset: int
    timestamp: int
    key: Any
    headers: dict[str, Any]
    value: Any


def line(record: ConsumerRecord) -> bytes:
    """Write one record as a line of JSON."""
    return msgspec.json.encode(
        Line(
            partition=record.partition,
            offset=record.offset,
            timestamp=record.timestamp,
            key=_text(record.key),
            headers={name: _text(value) for name, value in _headers(record.headers)},
            value=_json(record.value),
        )
    )


async def dump(kafka: KafkaConfig, topic: str, *, follow: bool = False) -> AsyncIterator[bytes]:
    """Yield the records that a topic holds now, and with `follow` those to come.

    Raises:
        CorrelatorError: Kafka does not answer or has no such topic.
    """
    try:
        async with reader(kafka) as consumer:
            partitions = await partitions_of(consumer, topic)
            if not partitions:
                raise CorrelatorError(f"Kafka at {kafka.bootstrap_servers} has no topic {topic!r}")
            start = await consumer.beginning_offsets(partitions)
            end = await consumer.end_offsets(partitions)
            async for record in records(consumer, start, end):
                yield line(record)
            if follow:
                consumer.assign(partitions)
                for partition in partitions:
                    consumer.seek(partition, end[partition])
                async for record in _for_ever(consumer):
                    yield line(record)
    except (KafkaError, OSError) as error:
        raise CorrelatorError(f"Kafka at {kafka.bootstrap_servers}: {await explained(kafka, error)}") from error


async def _for_ever(consumer: AIOKafkaConsumer) -> AsyncIterator[ConsumerRecord]:
    while True:
        for batch in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
            for record in batch:
                yield record


def _headers(headers: Sequence[tuple[str, bytes]] | None) -> Sequence[tuple[str, bytes]]:
    return headers or ()


def _text(data: bytes | None) -> Any:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _base64(data)


def _json(data: bytes | None) -> Any:
    if data is None:
        return None
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Only checked: the bytes go out as they are, so that no number or order of keys changes.
        msgspec.json.decode(data)
        if b"\n" not in data:
            return msgspec.Raw(data)
        return msgspec.json.decode(data)
    return _base64(data)


def _base64(data: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode()}
