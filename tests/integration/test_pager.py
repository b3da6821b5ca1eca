"""The pager against a real Kafka: killed, restarted, fed with rubbish, with a target that is down."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import msgspec
import pytest
import structlog
from aiohttp.test_utils import unused_port
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from prometheus_client import CollectorRegistry

from correlator.config import Config
from correlator.config_pager import QuietHoursConfig
from correlator.devkafka import Broker
from correlator.domain import IncidentEvent, Severity
from correlator.pager.process import run
from tests.brokers import started
from tests.pager.incidents import incident, paged, resolved, updated
from tests.pager.recorder import Failure, Recorder

KEY = "0123456789abcdef0123456789abcdef"
SECRETS = {"PAGERDUTY_ROUTING_KEY": KEY}
#: The pager as a process of its own, so that it can be killed: its configuration comes by an environment variable.
PROGRAM = """
import asyncio, os
from correlator.config import Config
from correlator.pager.process import run
config = Config.model_validate_json(os.environ["PAGER_TEST_CONFIG"])
asyncio.run(run(config, environ=os.environ, stop=asyncio.Event()))
"""


def fresh(word: str) -> str:
    return f"{word}-{uuid.uuid4().hex[:8]}"


def configured(kafka: Broker, topic: str, group: str, targets: Sequence[dict[str, object]]) -> Config:
    return Config.model_validate(
        {
            "kafka": {"bootstrap_servers": kafka.bootstrap_servers, "incidents_topic": topic},
            "pager": {
                "group_id": group,
                "web_port": unused_port(),
                "backoff_min_seconds": 0.05,
                "backoff_max_seconds": 0.2,
                "targets": targets,
            },
        }
    )


def pagerduty(recorder: Recorder, name: str) -> dict[str, object]:
    return {
        "type": "pagerduty",
        "name": name,
        "base_url": recorder.url(),
        "timeout_seconds": 1,
        "events_per_minute": 10_000,
    }


def webhook(recorder: Recorder, name: str) -> dict[str, object]:
    return {"type": "webhook", "name": name, "url": recorder.url("hook"), "timeout_seconds": 1}


async def create_topic(kafka: Broker, name: str, partitions: int = 1) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs={"cleanup.policy": "compact"})])
    finally:
        await admin.close()


async def publish(kafka: Broker, topic: str, values: Sequence[IncidentEvent | bytes | None]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all") as producer:
        for value in values:
            key = value.incident_id if isinstance(value, IncidentEvent) else "rubbish"
            body = msgspec.json.encode(value) if isinstance(value, IncidentEvent) else value
            await producer.send(topic, body, key=key.encode())
        await producer.flush()


@contextlib.asynccontextmanager
async def pager(config: Config, registry: CollectorRegistry | None = None) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(run(config, environ=SECRETS, stop=stop, registry=registry))
    try:
        yield
    finally:
        stop.set()
        await running


@contextlib.asynccontextmanager
async def pager_process(config: Config) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        env={**os.environ, **SECRETS, "PAGER_TEST_CONFIG": config.model_dump_json()},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_a_pager_killed_in_the_middle_loses_nothing_and_pages_nobody_twice(kafka: Broker) -> None:
    topic, group, target = fresh("incidents"), fresh("pager"), fresh("pd")
    names = [f"inc-{number:08d}" for number in range(12)]
    first = [paged(name) for name in names] + [updated(name, 2) for name in names]
    ends = [resolved(name, 3) for name in names]
    await create_topic(kafka, topic, partitions=3)
    async with Recorder() as recorder, asyncio.timeout(90):
        config = configured(kafka, topic, group, [pagerduty(recorder, target)])
        recorder.fail([Failure(status=500), Failure(reset=True), Failure(status=429, headers={"Retry-After": "0"})])
        await publish(kafka, topic, first)
        async with pager_process(config) as process:
            await recorder.wait_for_taken(9)
            process.kill()
            await process.wait()
        # A recovering worker publishes what it published once more, and goes on.
        await publish(kafka, topic, [*first, *ends[:6]])
        async with pager_process(config) as process:
            while sum(verb == "resolve" for verb, _ in recorder.spoken()) < 6:
                await asyncio.sleep(0.05)
            process.kill()
            await process.wait()
        await publish(kafka, topic, [*first, *ends])
        async with pager_process(config):
            while {name for verb, name in recorder.spoken() if verb == "resolve"} != set(names):
                await asyncio.sleep(0.05)
            # One more incident proves that everything before it was read and dropped.
            await publish(kafka, topic, [incident("inc-the-last", page=True)])
            while ("trigger", "inc-the-last") not in recorder.spoken():
                await asyncio.sleep(0.05)

    assert recorder.breaches == []
    for name in names:
        verbs = [verb for verb, spoken in recorder.spoken() if spoken == name]
        after_the_end = verbs[verbs.index("resolve") :]
        assert set(after_the_end) == {"resolve"}, "a trigger after the resolve opens a new incident"
    # Those that went on after the first kill were paged; the others may have ended before their page was sent.
    assert {name for verb, name in recorder.spoken() if verb == "trigger"} >= set(names[6:])


async def test_a_pager_stopped_and_started_repeats_nothing_and_rubbish_stops_nobody(kafka: Broker) -> None:
    topic, group, target = fresh("incidents"), fresh("pager"), fresh("hook")
    await create_topic(kafka, topic)
    registry = CollectorRegistry()
    async with Recorder() as recorder, asyncio.timeout(60):
        config = configured(kafka, topic, group, [webhook(recorder, target)])
        await publish(kafka, topic, [b"\xff rubbish", b'{"schema": "other/1"}', None, incident(), updated()])
        async with pager(config, registry), aiohttp.ClientSession() as session:
            await recorder.wait_for_taken(2)
            ready = await session.get(f"http://127.0.0.1:{config.pager.web_port}/ready")
            assert (ready.status, await ready.json()) == (200, {"ready": True, "targets": {target: True}})
        await publish(kafka, topic, [resolved()])
        async with pager(config):
            await recorder.wait_for_taken(3)
    assert [call.headers["Idempotency-Key"][-1] for call in recorder.calls] == ["1", "2", "3"]
    records = {
        outcome: registry.get_sample_value("correlator_pager_records_total", {"outcome": outcome})
        for outcome in ("not_json", "wrong_schema", "tombstone", "accepted")
    }
    assert records == {"not_json": 1, "wrong_schema": 1, "tombstone": 1, "accepted": 2}


async def test_a_target_that_is_down_holds_up_no_other_and_gets_everything_later(kafka: Broker) -> None:
    topic, group, dead, live = fresh("incidents"), fresh("pager"), fresh("pd"), fresh("hook")
    await create_topic(kafka, topic, partitions=2)
    async with Recorder() as recorder, asyncio.timeout(60):
        recorder.fail_always("routing_key", Failure(status=503))
        config = configured(kafka, topic, group, [pagerduty(recorder, dead), webhook(recorder, live)])
        async with pager(config):
            await publish(kafka, topic, [paged(), updated(revision=2), resolved(revision=3), paged("inc-00000002")])
            await recorder.wait_for_taken(4)
            assert {call.path for call in recorder.taken} == {"/hook"}
            recorder.fail_always("routing_key", None)
            while ("trigger", "inc-00000002") not in recorder.spoken():
                await asyncio.sleep(0.05)
    assert recorder.breaches == []


def quiet_zone() -> str:
    """Return a time zone in which it is the middle of the night: between 1:00 and 2:00."""
    # POSIX has the signs of Etc/GMT the other way round: GMT+3 lies three hours behind.
    behind = (datetime.now(UTC).hour - 1) % 24
    return f"Etc/GMT+{behind}" if behind <= 12 else f"Etc/GMT-{24 - behind}"


async def test_a_held_page_survives_a_kill_and_goes_out_once_it_may_and_one_that_ended_does_not(kafka: Broker) -> None:
    topic, group, target = fresh("incidents"), fresh("pager"), fresh("pd")
    await create_topic(kafka, topic, partitions=3)
    names = [f"inc-{number:08d}" for number in range(6)]
    held = [incident(name, page=True, severity=Severity.WARNING) for name in names]
    async with Recorder() as recorder, asyncio.timeout(90):
        config = configured(kafka, topic, group, [pagerduty(recorder, target)])
        night = config.pager.model_copy(
            update={"quiet_hours": QuietHoursConfig(classes=("sleep",), time_zone=quiet_zone())}
        )
        await publish(kafka, topic, [*held, paged("inc-critical")])
        async with pager_process(config.model_copy(update={"pager": night})) as process:
            await recorder.wait_for_taken(1)
            await withheld(config, names)
            process.kill()
            await process.wait()
        # Nobody runs while these end; the log is committed beyond them all.
        await publish(kafka, topic, [resolved(name, 2) for name in names[:3]])
        async with pager(config):
            await recorder.wait_for_taken(4)
            await publish(kafka, topic, [resolved(name, 2) for name in names[3:]])
            await recorder.wait_for_taken(7)
    assert recorder.breaches == []
    assert recorder.spoken()[0] == ("trigger", "inc-critical")
    triggered = sorted(name for verb, name in recorder.spoken()[1:] if verb == "trigger")
    done = sorted(name for verb, name in recorder.spoken() if verb == "resolve")
    # The first three may have gone out before their end was read; what went out was resolved, and nothing is open.
    assert set(triggered) >= set(names[3:])
    assert triggered == done


async def withheld(config: Config, names: Sequence[str]) -> None:
    """Wait until the pager says of just these incidents that their page is held."""
    url = f"http://127.0.0.1:{config.pager.web_port}/withheld"
    async with aiohttp.ClientSession() as session:
        found: list[str] = []
        while found != sorted(names):
            with contextlib.suppress(aiohttp.ClientError):
                rows = (await (await session.get(url)).json())["withheld"]
                found = sorted(row["incident_id"] for row in rows)
            await asyncio.sleep(0.05)


async def test_a_window_silences_what_its_service_explains_and_lets_it_out_when_it_is_taken_back(
    kafka: Broker, tmp_path: Path
) -> None:
    topic, group, target = fresh("incidents"), fresh("pager"), fresh("pd")
    await create_topic(kafka, topic)
    other = paged("inc-00000002")
    root = msgspec.structs.replace(other.root_cause, service="storage", candidates=[])
    now = datetime.now(UTC)
    file = tmp_path / "windows.toml"
    file.write_text(
        f"""
        [[windows]]
        id = "upgrade"
        author = "ann"
        comment = "new version"
        starts = {(now - timedelta(hours=1)).isoformat()}
        ends = {(now + timedelta(hours=1)).isoformat()}
        services = ["payments-db"]
        """
    )
    async with Recorder() as recorder, asyncio.timeout(90):
        config = configured(kafka, topic, group, [pagerduty(recorder, target)])
        config = config.model_copy(update={"pager": config.pager.model_copy(update={"windows_file": file})})
        async with pager(config), aiohttp.ClientSession() as session:
            # The second has another root, although payments-db takes part in it.
            await publish(kafka, topic, [paged(), msgspec.structs.replace(other, root_cause=root)])
            await recorder.wait_for_taken(1)
            await withheld(config, ["inc-00000001"])
            windows = await (await session.get(f"http://127.0.0.1:{config.pager.web_port}/windows")).json()
            assert [(row["id"], row["state"]) for row in windows["windows"]] == [("upgrade", "open")]
            file.write_text("")
            await recorder.wait_for_taken(2)
    assert recorder.spoken() == [("trigger", "inc-00000002"), ("trigger", "inc-00000001")]


async def test_a_window_of_the_topic_is_known_before_the_first_page_and_is_taken_back_by_a_record_without_value(
    kafka: Broker,
) -> None:
    topic, group, target, planned = fresh("incidents"), fresh("pager"), fresh("pd"), fresh("windows")
    await create_topic(kafka, topic)
    await create_topic(kafka, planned, partitions=2)
    now = datetime.now(UTC)
    window = {
        "id": "upgrade",
        "author": "ann",
        "comment": "new version",
        "starts": (now - timedelta(hours=1)).isoformat(),
        "ends": (now + timedelta(hours=1)).isoformat(),
        "services": ["payments-db"],
    }

    async def say(key: str, value: bytes | None) -> None:
        async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
            await producer.send_and_wait(planned, value, key=key.encode())

    await say("upgrade", msgspec.json.encode(window))
    await say("rubbish", b"{")
    await publish(kafka, topic, [paged()])
    registry = CollectorRegistry()
    async with Recorder() as recorder, asyncio.timeout(90):
        config = configured(kafka, topic, group, [pagerduty(recorder, target)])
        config = config.model_copy(update={"pager": config.pager.model_copy(update={"windows_topic": planned})})
        async with pager(config, registry):
            await withheld(config, ["inc-00000001"])
            while registry.get_sample_value("correlator_windows", {"state": "invalid"}) != 1:
                await asyncio.sleep(0.05)
            assert recorder.calls == []
            await say("upgrade", None)
            await recorder.wait_for_taken(1)
    assert recorder.spoken() == [("trigger", "inc-00000001")]


@pytest.mark.parametrize("mode", ["binary", "structured"])
async def test_a_topic_hears_every_event_as_a_cloudevent(kafka: Broker, mode: str) -> None:
    topic, group, out = fresh("incidents"), fresh("pager"), fresh("events")
    await create_topic(kafka, topic)
    await create_topic(kafka, out)
    target: dict[str, object] = {"type": "kafka", "name": fresh("topic"), "topic": out, "mode": mode}
    async with (
        asyncio.timeout(60),
        AIOKafkaConsumer(out, bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest") as consumer,
        pager(configured(kafka, topic, group, [target])),
    ):
        await publish(kafka, topic, [paged(), updated(), resolved()])
        records = [await consumer.getone() for _ in range(3)]
    for record, event in zip(records, [paged(), updated(), resolved()], strict=True):
        headers = {name: value.decode() for name, value in record.headers}
        document = msgspec.json.decode(record.value)
        assert record.key == event.incident_id.encode()
        if mode == "structured":
            assert headers["content-type"].startswith("application/cloudevents+json")
            assert document["type"] == f"io.correlator.incident.{event.action.value}.v1"
            document = document["data"]
        else:
            assert headers["ce_id"] == f"{event.incident_id}-{event.revision}"
        assert msgspec.convert(document, IncidentEvent) == event


async def test_two_pagers_share_the_work_and_one_takes_over_when_the_other_stops(kafka: Broker) -> None:
    topic, group, target = fresh("incidents"), fresh("pager"), fresh("pd")
    await create_topic(kafka, topic, partitions=4)
    names = [f"inc-{number:08d}" for number in range(16)]
    async with Recorder() as recorder, asyncio.timeout(90):
        # Both write their own configuration: a port of its own for each.
        targets = [pagerduty(recorder, target)]
        async with pager(configured(kafka, topic, group, targets)):
            async with pager(configured(kafka, topic, group, targets)):
                await publish(kafka, topic, [paged(name) for name in names])
                await recorder.wait_for_spoken(("trigger", name) for name in names)
            await publish(kafka, topic, [resolved(name, 2) for name in names])
            await recorder.wait_for_spoken(("resolve", name) for name in names)
    # What was answered too late on a busy machine is said again.
    for name in names:
        assert list(dict.fromkeys(said for said in recorder.spoken() if said[1] == name)) == [
            ("trigger", name),
            ("resolve", name),
        ]
    assert {name for _, name in recorder.spoken()} == set(names)


async def test_kafka_may_die_and_come_back_under_the_pager() -> None:
    topic, group, target = fresh("incidents"), fresh("pager"), fresh("pd")
    with started(Broker()) as broker:
        await create_topic(broker, topic)
        with structlog.testing.capture_logs() as logs:
            await _outlive(broker, topic, group, target)
        assert [entry["event"] for entry in logs].count("Kafka does not serve, waiting") <= 1


async def _outlive(broker: Broker, topic: str, group: str, target: str) -> None:
    async with Recorder() as recorder, asyncio.timeout(120):
        config = configured(broker, topic, group, [pagerduty(recorder, target)])
        async with pager(config):
            await publish(broker, topic, [paged()])
            await recorder.wait_for_taken(1)
            await asyncio.to_thread(broker.kill)
            await asyncio.to_thread(broker.restart)
            await publish(broker, topic, [resolved(revision=2)])
            await recorder.wait_for_taken(2)
    assert recorder.spoken() == [("trigger", "inc-00000001"), ("resolve", "inc-00000001")]
