"""The development broker is a real Kafka: it keeps what it acknowledged, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from correlator.devkafka import Broker, BrokerError, jars, ports
from tests.brokers import started

OLD_INSTANT = 1_546_300_800_000  # 2019-01-01T00:00:00Z
DEVKAFKA = [sys.executable, "-m", "correlator.devkafka"]


@pytest.fixture(scope="module")
def mortal_kafka() -> Iterator[Broker]:
    """A broker that tests may kill. It looks for what is too old every half second, not every five minutes."""
    properties = {"log.retention.check.interval.ms": "500", "log.initial.task.delay.ms": "0"}
    with started(Broker(properties=properties)) as broker:
        yield broker


async def create_topic(kafka: Broker, name: str, *, copies: int = 1, **configs: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        settings = {key.replace("_", "."): value for key, value in configs.items()}
        await admin.create_topics([NewTopic(name, 1, copies, topic_configs=settings)])
    finally:
        await admin.close()


async def produce(kafka: Broker, topic: str, values: list[bytes], *, at: int | None = None) -> None:
    """Return when all replicas in sync have acknowledged every value."""
    # A node that hangs is asked again until the others take its place, which may take a busy machine a while; what it
    # has written after all is not written twice.
    async with AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, acks="all", enable_idempotence=True, request_timeout_ms=20_000
    ) as producer:
        producer._message_accumulator._batch_ttl = 180
        for value in values:
            await producer.send_and_wait(topic, value, timestamp_ms=at)


async def consume(kafka: Broker, topic: str) -> list[bytes]:
    """Return all that the topic holds now."""
    partition = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers) as consumer:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        values = []
        while await consumer.position(partition) < end:
            values.append((await consumer.getone()).value)
        return values


def wait_for_end(pid: int, *, timeout_seconds: float = 60) -> bool:
    """Wait for a process that is not our child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout_seconds)[0])
    finally:
        os.close(descriptor)


async def test_what_is_produced_is_consumed(kafka: Broker) -> None:
    await create_topic(kafka, "round-trip")
    await produce(kafka, "round-trip", [b"one", b"two"])
    assert await consume(kafka, "round-trip") == [b"one", b"two"]


async def test_a_group_commits_and_resumes(kafka: Broker) -> None:
    await create_topic(kafka, "groups")
    await produce(kafka, "groups", [b"one", b"two"])
    for expected in (b"one", b"two"):
        async with AIOKafkaConsumer(
            "groups",
            bootstrap_servers=kafka.bootstrap_servers,
            group_id="readers",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=1,
        ) as consumer:
            record = await consumer.getone()
            await consumer.commit({TopicPartition("groups", 0): record.offset + 1})
        assert record.value == expected


async def test_records_of_years_ago_are_kept_unless_their_topic_says_otherwise(mortal_kafka: Broker) -> None:
    await create_topic(mortal_kafka, "kept")
    await create_topic(mortal_kafka, "aged", retention_ms="3600000")
    await produce(mortal_kafka, "kept", [b"old"], at=OLD_INSTANT)
    await produce(mortal_kafka, "aged", [b"old"], at=OLD_INSTANT)
    aged = TopicPartition("aged", 0)
    async with AIOKafkaConsumer(bootstrap_servers=mortal_kafka.bootstrap_servers) as consumer:
        # The broker has looked for what is too old, and the same record went from the other topic.
        async with asyncio.timeout(60):
            while (await consumer.beginning_offsets([aged]))[aged] == 0:
                pass
    assert await consume(mortal_kafka, "kept") == [b"old"]


async def test_a_restart_keeps_data_and_port(mortal_kafka: Broker) -> None:
    await create_topic(mortal_kafka, "restarted")
    await produce(mortal_kafka, "restarted", [b"before"])
    address, pids = mortal_kafka.bootstrap_servers, mortal_kafka.pids
    mortal_kafka.restart()
    assert mortal_kafka.bootstrap_servers == address
    assert mortal_kafka.pids != pids
    await produce(mortal_kafka, "restarted", [b"after"])
    assert await consume(mortal_kafka, "restarted") == [b"before", b"after"]


async def test_a_kill_keeps_all_that_was_acknowledged(mortal_kafka: Broker) -> None:
    await create_topic(mortal_kafka, "killed")
    values = [b"%d" % number for number in range(200)]
    await produce(mortal_kafka, "killed", values)
    mortal_kafka.kill()
    assert mortal_kafka.pids == []
    assert not ports.answers(int(mortal_kafka.bootstrap_servers.rpartition(":")[2]))
    mortal_kafka.restart()
    assert await consume(mortal_kafka, "killed") == values


@pytest.mark.long
async def test_of_three_nodes_one_may_die_end_or_be_suspended(kafka: Broker) -> None:
    with Broker(nodes=3) as cluster:
        await create_topic(cluster, "replicated", copies=3)
        await produce(cluster, "replicated", [b"three nodes"])
        cluster.kill(2)
        await produce(cluster, "replicated", [b"one killed"])
        assert len(cluster.pids) == 2
        cluster.restart(2)
        cluster.pause(3)
        await produce(cluster, "replicated", [b"one suspended"])
        cluster.resume(3)
        cluster.end(1)
        await produce(cluster, "replicated", [b"one ended"])
        assert len(cluster.pids) == 2
        cluster.restart(1)
        assert len(cluster.pids) == 3
        expected = [b"three nodes", b"one killed", b"one suspended", b"one ended"]
        assert await consume(cluster, "replicated") == expected


async def test_a_suspended_node_can_be_ended(kafka: Broker) -> None:
    with Broker() as broker:
        broker.pause()
        broker.end()
        assert broker.pids == []
        with pytest.raises(BrokerError, match="node 1 does not run"):
            broker.resume()


def test_a_wrong_property_fails_the_start_with_the_words_of_kafka(kafka: Broker) -> None:
    broker = Broker(properties={"log.retention.ms": "for ever"})
    with pytest.raises(BrokerError, match="Invalid value for ever for configuration"):
        broker.start()
    assert broker.pids == []


def test_a_port_taken_by_another_is_exchanged_for_one_that_is_free(kafka: Broker) -> None:
    (taken,) = ports.free_ports(1)
    offers = iter([[taken, *ports.free_ports(1)], ports.free_ports(2)])
    with socket.create_server(("127.0.0.1", taken)), Broker(find_ports=lambda _: next(offers)) as broker:
        assert broker.bootstrap_servers != f"127.0.0.1:{taken}"
        assert ports.answers(int(broker.bootstrap_servers.rpartition(":")[2]))
    assert next(offers, None) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_the_broker_dies_with_a_parent_that_is_killed(kafka: Broker) -> None:
    script = "from correlator.devkafka import *; b = Broker().start(); print(b.pids[0], b.folder, flush=True); input()"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        assert not wait_for_end(int(pid), timeout_seconds=0)
        parent.kill()
    assert wait_for_end(int(pid))
    shutil.rmtree(folder)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_run_prints_its_address_and_stops_on_a_signal(kafka: Broker, tmp_path: Path, signum: int) -> None:
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([*DEVKAFKA, "run"], stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        host, _, port = process.stdout.readline().strip().partition(":")
        assert (host, ports.answers(int(port))) == ("127.0.0.1", True)
        assert list(tmp_path.iterdir())
        process.send_signal(signum)
        try:
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()  # else a failure would wait for its end
    assert not ports.answers(int(port))
    assert not list(tmp_path.iterdir())


def test_start_leaves_a_broker_in_the_background_until_stop(kafka: Broker, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    option = ["--state-file", str(file)]
    subprocess.run([*DEVKAFKA, "start", *option], check=True, stdout=subprocess.DEVNULL)
    state = json.loads(file.read_text())
    assert ports.answers(state["port"])
    again = subprocess.run([*DEVKAFKA, "start", *option], capture_output=True, text=True)
    assert (again.returncode, "a broker may run" in again.stderr) == (1, True)
    subprocess.run([*DEVKAFKA, "stop", *option], check=True)
    assert wait_for_end(state["pid"], timeout_seconds=10)
    assert not Path(state["directory"]).exists()
    assert not file.exists()


def test_the_real_jars_come_over_http_too(kafka: Broker, tmp_path: Path) -> None:
    real = jars.fetch()
    pins = jars.read_pins(jars.bundle_folder() / "kafka.sha256")
    home = str(real[0]).removesuffix(pins[0].path)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=home)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        environ = {"PATH": "", "CORRELATOR_CACHE": str(tmp_path), jars.REPOSITORY_VARIABLE: base}
        brought = jars.fetch(environ)
        server.shutdown()
        thread.join()
    assert [jar.relative_to(tmp_path).parts[1:] for jar in brought] == [Path(pin.path).parts for pin in pins]
