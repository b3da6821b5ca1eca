"""What is alerted is a pure function of its seed: of every scope, single and in batches, some of it twice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from correlator.errors import InputError
from correlator.formats import canonical
from tests.chaos.stream import Message, messages, write_topology

SCOPES = ("shop", "bank")
BEGAN_AT = 1_700_000_000_000


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_topology(1, tmp_path_factory.mktemp("simulated"))


@pytest.fixture(scope="module")
def stream(topology: Path) -> tuple[Message, ...]:
    return messages(1, topology, scopes=SCOPES, partitions=4, seconds=60)


def test_the_same_seed_gives_the_same_stream(topology: Path, stream: tuple[Message, ...]) -> None:
    again = messages(1, topology, scopes=SCOPES, partitions=4, seconds=60)
    assert again == stream
    assert [each.value(BEGAN_AT) for each in again] == [each.value(BEGAN_AT) for each in stream]


def test_single_alerts_batches_repeats_rubbish_and_all_partitions_occur(stream: tuple[Message, ...]) -> None:
    sizes = Counter(min(len(message.events), 2) for message in stream)
    assert all(sizes[size] for size in (0, 1, 2))
    assert {message.partition for message in stream} == {0, 1, 2, 3}
    ids = Counter(event["id"] for message in stream for event in message.events)
    assert set(ids.values()) == {1, 2}
    assert [message.at for message in stream] == sorted(message.at for message in stream)


def test_every_event_is_one_for_the_correlator_and_rubbish_is_none(stream: tuple[Message, ...]) -> None:
    for message in stream:
        value = message.value(BEGAN_AT)
        if message.events:
            told = json.loads(value)
            alerts = [
                canonical.parse(json.dumps(each).encode()) for each in (told if isinstance(told, list) else [told])
            ]
            assert [alert.id for alert in alerts] == [event["id"] for event in message.events]
            assert {alert.scope for alert in alerts} <= set(SCOPES)
        else:
            with pytest.raises(InputError):
                canonical.parse(value)


def test_the_fault_that_stands_ends_before_the_stream_does(stream: tuple[Message, ...]) -> None:
    told = [json.loads(message.value(0)) for message in stream if len(message.events) == 1]
    standing = [event for event in told if event["id"].startswith("shop-standing")]
    assert {event["status"] for event in standing if event["id"].endswith("end")} <= {"resolved"}
    assert max(message.at for message in stream if any("standing" in e["id"] for e in message.events)) < 60
