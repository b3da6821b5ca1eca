"""The dependency graph of running workers: imported, refreshed, followed by all, and in the log for every replay."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from correlator import rankers
from correlator.devkafka import Broker, free_ports
from correlator.replay import LogReplay
from correlator.shell.kafka import admin
from correlator.sinks import Sinks
from tests.integration.workers import World, storm, wait_for
from tests.test_cli import correlator
from tests.topology.sources.test_otlp import message, span
from topology.graph import ServiceGraph
from topology.sources import file

Make = Callable[..., World]


@pytest.fixture
def make(kafka: Broker, tmp_path: Path) -> Iterator[Make]:
    worlds: list[World] = []

    def new(sources: list[str], **options: Any) -> World:
        world = World(kafka.bootstrap_servers, tmp_path / str(len(worlds)), **options)
        with world.file.open("a") as config:
            config.write("\n[topology]\nrefresh_interval_seconds = 1\n")
            for source in sources:
                config.write(f"[[topology.sources]]\n{source}\n")
        worlds.append(world)
        return world

    yield new
    for world in worlds:
        world.close()


def links(path: Path, *edges: tuple[str, str]) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps([{"parent": source, "child": to, "callCount": 9} for source, to in edges]))
    draft.replace(path)


CHAIN = [(f"s{number + 1}", f"s{number}") for number in range(1, 5)]


def wait_for_edges(world: World, expected: int) -> None:
    """Return when every worker that lives goes by a graph with so many dependencies."""

    def all_have() -> bool:
        alive = [worker for worker in world.workers if worker.process.poll() is None]
        return all(worker.metric("correlator_topology_edges") == expected for worker in alive)

    wait_for(all_have, f"{expected} edges\n{world.log.read_text()[-3000:]}")


def graphs(world: World, folder: Path) -> list[ServiceGraph]:
    """Return the versions that were published, as a user gets them."""
    done = correlator("topology", "versions", "--config", world.file, "--out", folder)
    assert done.returncode == 0, done.stderr
    listed = [line.split()[0] for line in done.stdout.decode().splitlines()]
    found = [file.load(folder / f"{version}.json") for version in listed]
    assert [graph.version for graph in found] == listed
    return found


def test_a_refreshed_graph_reaches_every_partition_and_every_replay(make: Make, tmp_path: Path) -> None:
    links(tmp_path / "links.json", *CHAIN[:2])
    world = make([f'type = "zipkin"\npath = "{tmp_path / "links.json"}"'], partitions=2)
    world.start().wait_ready()
    world.start().wait_ready()
    wait_for_edges(world, 2)
    links(tmp_path / "links.json", *CHAIN)
    wait_for_edges(world, 4)
    records = [json.loads(line) for line in world.dump(world.config.kafka.events_topic)]
    announced = [record for record in records if record["value"]["type"] == "topology"]
    last = {record["partition"]: record["value"]["version"] for record in announced}
    assert set(last) == {0, 1} and len(set(last.values())) == 1
    world.play(list(storm(faults=2)))
    world.wait_done()
    published = world.incidents()
    out = BytesIO()
    run = LogReplay(world.config, graphs(world, tmp_path), Sinks(out), ranker=rankers.chosen(world.config.worker.model))
    for number, line in enumerate(world.dump(world.config.kafka.events_topic), start=1):
        run.feed(number, line)
    run.finish()
    # Each fault is one incident because the chain was learned while the worker ran.
    # The topic of incidents has two partitions: in order within each incident only.
    assert sorted(out.getvalue().splitlines()) == sorted(published)
    assert len({json.loads(event)["incident_id"] for event in published}) == 2


def test_the_worker_that_takes_over_goes_on_with_what_was_seen_and_a_dead_source_changes_nothing(
    make: Make, tmp_path: Path
) -> None:
    links(tmp_path / "links.json", *CHAIN)
    world = make([f'type = "zipkin"\npath = "{tmp_path / "links.json"}"'])
    first = world.start().wait_ready()
    wait_for_edges(world, 4)
    first.kill()
    (tmp_path / "links.json").unlink()
    second = world.start().wait_ready()
    failed = 'correlator_topology_imports_total{outcome="failed",source="zipkin"}'
    wait_for(lambda: second.metric(failed) >= 2, f"the source fails twice\n{world.log.read_text()[-3000:]}")
    wait_for_edges(world, 4)
    assert second.get("/ready")[0] == 200
    links(tmp_path / "links.json", ("s5", "s9"))
    wait_for_edges(world, 5)


def test_spans_of_a_topic_are_live_dependencies(make: Make, tmp_path: Path) -> None:
    world = make(['type = "otlp"\ntopic = "w-otlp-spans"\nmax_share = 1'])
    asyncio.run(create_topic(world, "w-otlp-spans"))
    worker = world.start().wait_ready()

    def sent() -> bool:
        # What was sent before the reader stood at the end of the topic is none of its business.
        caller, callee = message(("web", [span(1, 3)])), message(("api", [span(2, 2, 1)]))
        world.produce("w-otlp-spans", [json.dumps(half).encode() for half in (caller, callee)])
        return worker.metric("correlator_topology_edges") == 1

    wait_for(sent, f"an edge out of spans\n{world.log.read_text()[-3000:]}")
    world.produce("w-otlp-spans", [b"\xff\xff"])
    wait_for(lambda: worker.metric('correlator_topology_span_messages_total{outcome="invalid"}') >= 1, "a bad message")
    (graph,) = graphs(world, tmp_path)
    assert [(edge.source, edge.to) for edge in graph.document.dependencies] == [("web", "api")]


def test_spans_that_are_too_many_are_skipped_and_alerts_go_on(make: Make) -> None:
    world = make(['type = "otlp"\ntopic = "w-otlp-flood"\nmax_share = 0.001'])
    asyncio.run(create_topic(world, "w-otlp-flood"))
    worker = world.start().wait_ready()
    skipped = 'correlator_topology_span_messages_total{outcome="skipped"}'

    def flooded() -> bool:
        asyncio.run(flood(world, "w-otlp-flood", 3000))
        return worker.metric(skipped) > 0

    wait_for(flooded, f"messages are skipped\n{world.log.read_text()[-3000:]}")
    world.play(list(storm(faults=1)))
    world.wait_done()
    assert len(world.incidents()) >= 2


async def flood(world: World, topic: str, count: int) -> None:
    async with AIOKafkaProducer(bootstrap_servers=world.config.kafka.bootstrap_servers, linger_ms=5) as producer:
        for _ in range(count):
            await producer.send(topic, b"x", partition=0)
        await producer.flush()


async def create_topic(world: World, name: str) -> None:
    async with admin(world.config.kafka) as client:
        await client.create_topics([NewTopic(name, 2, 1)])


# -- a real Prometheus -------------------------------------------------------------------------------------------


class Exporter:
    """Serves counters of service graphs that grow with every scrape."""

    def __init__(self) -> None:
        exporter = self
        self.scrapes = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                exporter.scrapes += 1
                body = exporter.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def text(self) -> str:
        calls = 10 * self.scrapes
        graph = [("frontend", "checkout", ""), ("payments", "payments-db", "database"),
                 ("checkout", "mailer", "messaging_system"), ("user", "frontend", "virtual_node")]  # fmt: skip
        lines = ["# TYPE traces_service_graph_request_total counter"]
        for client, server, kind in graph:
            labels = f'client="{client}",server="{server}",connection_type="{kind}"'
            lines.append(f"traces_service_graph_request_total{{{labels}}} {calls}")
        lines.append('traces_service_graph_request_total{client="idle",server="never",connection_type=""} 7')
        lines.append("# TYPE istio_requests_total counter")
        for reporter in ("source", "destination"):
            for code in ("200", "503"):
                lines.append(
                    f'istio_requests_total{{reporter="{reporter}",source_canonical_service="checkout",'
                    f'source_workload_namespace="shop",destination_canonical_service="payments",'
                    f'response_code="{code}"}} {calls}'
                )
        lines.append("# TYPE response_total counter")
        lines.append(
            'response_total{direction="outbound",deployment="cart",namespace="shop",dst_statefulset="redis",'
            f'dst_namespace="shop",classification="success"}} {calls}'
        )
        lines.append(f'response_total{{direction="inbound",deployment="redis",namespace="shop"}} {calls}')
        return "\n".join([*lines, ""])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[str]:
    """Run a real Prometheus that scrapes the exporter twice a second; return its address."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no prometheus is installed (Debian: apt-get install prometheus)")
    exporter = Exporter()
    (port,) = free_ports(1)
    config = {
        "global": {"scrape_interval": "500ms"},
        "scrape_configs": [{"job_name": "graphs", "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}]}],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [program, f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        wait_for(lambda: exporter.scrapes >= 4, f"four scrapes\n{(tmp_path / 'prometheus.log').read_text()[-2000:]}")
        wait_for(lambda: _listens(port), "prometheus listens")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        exporter.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_real_prometheus_gives_the_graph_of_all_three_dialects(prometheus: str, tmp_path: Path) -> None:
    out, told = tmp_path / "topology.yaml", tmp_path / "report.json"
    arguments = ("topology", "import", "--source", f"prometheus={prometheus},window_seconds=60")
    done = correlator(*arguments, "--out", out, "--report", told)
    assert done.returncode == 0, done.stderr
    graph = file.load(out)
    assert {f"{edge.source} {edge.type} {edge.to}" for edge in graph.document.dependencies} == {
        "frontend calls checkout",
        "checkout calls payments",
        "payments calls payments-db",
        "mailer consumes checkout",
        "cart calls redis",
    }
    calls = {(edge["source"], edge["to"]): edge["calls"] for edge in json.loads(told.read_text())["provenance"]}
    # Both proxies and two response codes tell of it; one proxy's calls count, both codes of them.
    assert 1.5 < calls["checkout", "payments"] / calls["frontend", "checkout"] < 2.5


def test_a_refresh_of_one_worker_reads_the_real_prometheus(prometheus: str, make: Make) -> None:
    world = make([f'type = "prometheus"\nurl = "{prometheus}"\nwindow_seconds = 60'])
    world.start().wait_ready()
    wait_for_edges(world, 5)
