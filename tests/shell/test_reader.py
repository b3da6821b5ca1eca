"""Ingest reads messages without ever failing, and divides what it read into records that fit."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from correlator.config import Config
from correlator.domain import AlertEvent, Status
from correlator.formats import log
from correlator.shell.ingest import Message, Reader, Reading, divide
from topology.graph import ServiceGraph

NOW = 1_700_000_000_000
DAY = 86_400_000


def message(value: bytes | None, timestamp: int = NOW, **headers: bytes) -> Message:
    return Message(topic="alerts", partition=3, offset=41, timestamp=timestamp, value=value, headers=headers)


def read(value: bytes | None, timestamp: int = NOW, *, wall: bool = True, **headers: bytes) -> Reading:
    reader = Reader(Config(), ServiceGraph.empty(), (lambda: NOW) if wall else None)
    return reader.read(message(value, timestamp, **headers))


def alert(**changes: object) -> bytes:
    event = {"status": "firing", "name": "N", "service": "s", "starts_at": "2023-11-14T22:00:00Z"}
    return json.dumps({**event, **changes}).encode()


def ids(reading: Reading) -> list[str]:
    return [event.id for events in reading.scopes.values() for event in events]


def test_an_event_without_id_is_named_after_its_place() -> None:
    assert ids(read(alert())) == ["alerts-3-41"]
    assert ids(read(b"[" + alert() + b"," + alert(id="own") + b"]")) == ["alerts-3-41-0", "own"]


@pytest.mark.parametrize(
    ("timestamp", "arrival"),
    [
        (NOW - 5000, NOW - 5000),
        (NOW + 365 * DAY, NOW),  # a clock that runs ahead must not drag the others' time
        (-1, NOW),  # none
        (1, NOW),
        (NOW - 6 * DAY, NOW - 6 * DAY),
        (NOW - 8 * DAY, NOW),  # older than the topic keeps anything
    ],
)
def test_by_the_wall_clock_an_absurd_timestamp_is_now(timestamp: int, arrival: int) -> None:
    reading = read(alert(starts_at="2023-11-01T00:00:00Z"), timestamp)
    assert reading.at == arrival
    assert [event.observed_at for events in reading.scopes.values() for event in events] == [arrival]


def test_by_the_wall_clock_nothing_arrives_before_it_began() -> None:
    started_at = NOW - 60_000
    reading = read(alert(starts_at="2023-11-14T22:12:20Z"), NOW - 5 * DAY)
    assert (reading.at, reading.refused) == (started_at, [])
    ahead = read(alert(starts_at="2023-11-14T23:00:00Z"), NOW - 5 * DAY)
    assert (ahead.at, ahead.refused) == (NOW, [])


def test_by_the_records_an_absurd_timestamp_is_refused() -> None:
    reading = read(alert(), 5_000_000_000_000, wall=False)
    assert [error.reason for _, error in reading.refused] == ["bad_timestamp"]
    assert not reading.scopes


def test_only_an_empty_message_that_says_so_is_a_heartbeat() -> None:
    assert read(b"", type=b"tick").is_heartbeat
    assert read(None, type=b"tick").is_heartbeat
    assert not read(alert(), type=b"tick").is_heartbeat
    assert [error.reason for _, error in read(b"").refused] == ["not_json"]
    tombstone = read(None)
    assert (tombstone.is_heartbeat, tombstone.refused, tombstone.scopes) == (False, [], {})


def test_events_of_a_message_are_grouped_by_scope_in_order() -> None:
    values = [alert(id=f"{scope}{number}", scope=scope) for number in range(3) for scope in "ab"]
    reading = read(b"[" + b",".join(values) + b"]")
    assert ids(reading) == ["a0", "a1", "a2", "b0", "b1", "b2"]


def event(number: int, size: int = 0, scope: str = "x") -> AlertEvent:
    return AlertEvent(
        id=f"e{number}",
        status=Status.FIRING,
        name="N",
        service="s" * size,
        fingerprint="f",
        starts_at=NOW,
        observed_at=NOW,
        scope=scope,
    )


def test_a_large_message_is_divided_into_records_that_fit_in_order_and_each_known_by_its_part() -> None:
    events = [event(number, size=100) for number in range(50)]
    records, refused = divide(Reading(at=NOW, scopes={"x": events}), partition=1, offset=2, floor=0, largest=1000)
    assert refused == []
    assert len(records) > 5
    decoded = [log.decode(data) for _, data in records]
    assert all(len(data) <= 1000 for _, data in records)
    assert [found.id for record in decoded if isinstance(record, log.Alerts) for found in record.events] == [
        found.id for found in events
    ]
    parts = [record.source.part for record in decoded if isinstance(record, log.Alerts) and record.source]
    assert len(set(parts)) == len(records)


def test_an_event_too_large_for_a_record_is_refused_and_its_neighbours_are_not() -> None:
    events = [event(0), event(1, size=5000), event(2)]
    records, refused = divide(Reading(at=NOW, scopes={"x": events}), partition=1, offset=2, floor=0, largest=1000)
    assert [error.reason for error in refused] == ["too_large"]
    found = [record for _, data in records if isinstance(record := log.decode(data), log.Alerts)]
    assert [one.id for record in found for one in record.events] == ["e0", "e2"]


def test_how_far_a_senders_clock_is_ahead_is_told_by_source() -> None:
    reading = read(b"[" + alert(starts_at="2023-11-14T23:00:00Z", source="zabbix") + b"," + alert() + b"]")
    assert reading.ahead_ms == {"zabbix": instant("2023-11-14T23:00:00+00:00") - NOW, "": 0}


def instant(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
