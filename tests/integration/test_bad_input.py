"""What nobody can use is set aside with its bytes and its reason, counted, and the rest goes on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from correlator.devkafka import Broker
from tests.integration.workers import World, chain_topology, storm

GOOD = {"id": "x", "status": "firing", "name": "N", "service": "s1", "starts_at": "2023-11-14T22:13:20Z"}
LIMIT = 20_000


def but(**changes: object) -> bytes:
    return json.dumps({key: value for key, value in {**GOOD, **changes}.items() if value is not None}).encode()


BAD: list[tuple[bytes, str]] = [
    (b"this is no JSON", "not_json"),
    (b"", "not_json"),
    (b"\x00", "not_json"),
    (b'{"status": "firing"', "not_json"),
    (b"\xff\xfe{}", "not_json"),
    (b'{"status": "firing", "name": "\xff", "service": "s1", "starts_at": "2023-11-14T22:13:20Z"}', "not_utf8"),
    (b"[" * 5000, "not_json"),
    (b'{"extra": ' + b"[" * 5000 + b"]" * 5000 + b"}", "not_json"),
    (b"null", "wrong_type"),
    (b"17", "wrong_type"),
    (but(name=5), "wrong_type"),
    (but(labels=["a"]), "wrong_type"),
    (but(status="burning"), "wrong_value"),
    (but(name=" "), "wrong_value"),
    (but(service="s\x001"), "wrong_value"),
    (but(name=None), "missing_field"),
    (but(starts_at=None), "missing_field"),
    (but(starts_at="yesterday"), "bad_timestamp"),
    (but(starts_at="0001-01-01T00:00:00Z"), "bad_timestamp"),
    (but(starts_at="9999-12-31T23:59:59Z"), "bad_timestamp"),
    (but(starts_at="2033-01-01T00:00:00Z"), "bad_timestamp"),
    (but(summary="x" * LIMIT), "too_large"),
    (b"x" * 80_000, "too_large"),
]


@pytest.fixture
def world(kafka: Broker, tmp_path: Path) -> Iterator[World]:
    world = World(kafka.bootstrap_servers, tmp_path / "w", topology=chain_topology(tmp_path), max_event_bytes=LIMIT)
    yield world
    world.close()


def test_bad_input_is_set_aside_with_bytes_and_reason_and_the_rest_goes_on(world: World) -> None:
    lines = list(storm())
    first_at = 1_700_000_000_000
    worker = world.start().wait_ready()
    bad = BAD
    world.play(lines[:1], finish=False)
    alerts = world.config.kafka.alerts_topic
    world.produce(alerts, [value for value, _ in bad], timestamp_ms=first_at)
    world.produce(alerts, [b"[" + lines[1] + b', {"status": 1}]'], timestamp_ms=first_at + 5000)
    world.play(lines[2:])
    world.wait_done()
    letters = world.rejected()
    assert [value for _, value in letters] == [*(value for value, _ in bad), b'{"status": 1}']
    assert [headers["reason"] for headers, _ in letters] == [*(reason for _, reason in bad), "wrong_type"]
    assert [int(headers["offset"]) for headers, _ in letters] == list(range(1, len(bad) + 2))
    assert all(headers["topic"] == alerts and headers["partition"] == "0" for headers, _ in letters)
    assert all(headers["detail"] for headers, _ in letters)
    for reason, count in Counter(headers["reason"] for headers, _ in letters).items():
        assert worker.metric(f'correlator_alerts_invalid_total{{reason="{reason}"}}') == count
        assert worker.metric(f'correlator_dead_letters_total{{reason="{reason}"}}') == count
    assert world.incidents() == world.expected(lines)


def test_a_message_full_of_bad_events_makes_one_dead_letter(world: World) -> None:
    worker = world.start().wait_ready()
    message = b"[" + b",".join([b"0"] * 5000) + b"]"
    world.produce(world.config.kafka.alerts_topic, [message], timestamp_ms=1_700_000_000_000)
    world.wait_done()
    ((headers, value),) = world.rejected()
    assert (value, headers["reason"]) == (message, "wrong_type")
    assert "5000 of 5000" in headers["detail"]
    assert worker.metric('correlator_dead_letters_total{reason="wrong_type"}') == 1
