"""The refresher: announces what changed and nothing else, loses nothing when a source fails or the turn passes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaConnectionError
from prometheus_client import CollectorRegistry

from correlator.config import Config
from correlator.config_topology import BackstageSource, FileSource, OtlpSource, Source, TopologyConfig, ZipkinSource
from correlator.errors import ConfigError
from correlator.shell.metrics import Metrics
from correlator.shell.refresher import Refresher
from correlator.shell.topologies import Kept, TopologyStore, encode, superseded
from topology.findings import Findings, FoundDependency
from topology.graph import Dependency, Service, ServiceGraph, TopologyDocument

EMPTY = ServiceGraph.empty().version
DAY = 86_400_000


class Store:
    """Keeps observations as Kafka would."""

    def __init__(self) -> None:
        self.data: bytes | None = None
        self.has_versions = False
        self.retired: list[int] = []

    async def kept(self) -> Kept:
        return Kept(observations=self.data, has_versions=self.has_versions)

    async def keep_observations(self, data: bytes) -> None:
        self.data = data

    async def retire(self, before: int) -> int:
        self.retired.append(before)
        return 0


class Spans:
    label = "traces"

    def __init__(self) -> None:
        self.problem: str | None = ""
        self.seen: list[FoundDependency] = []

    async def harvest(self) -> Findings:
        seen, self.seen = tuple(self.seen), []
        return Findings(declared=False, is_increment=True, dependencies=seen)


class Worker:
    """A worker whose engines go by what was announced last."""

    def __init__(
        self, folder: Path, store: Store, *, spans: Spans | None = None, base: ServiceGraph | None = None
    ) -> None:
        sources: list[Source] = [
            ZipkinSource(path=folder / "links.json"),
            FileSource(path=folder / "declared.yaml"),
        ]
        traces = [OtlpSource(name="traces", topic="otlp_spans")] if spans else []
        topology = TopologyConfig(sources=(*sources, *traces), refresh_interval_seconds=60)
        self.metrics = Metrics(CollectorRegistry())
        self.announced: list[set[str]] = []
        self.versions = [EMPTY, EMPTY]
        self.leads = True
        self.fails = False
        self.now = 1_700_000_000_000
        self.refresher = Refresher(
            Config(topology=topology),
            base=base,
            store=store,
            leads=lambda: self.leads,
            versions=lambda: self.versions,
            announce=self.announce,
            spans=[spans] if spans else [],
            metrics=self.metrics,
            now=lambda: self.now,
            environ={},
        )

    async def announce(self, graph: ServiceGraph) -> None:
        if self.fails:
            raise KafkaConnectionError("away")
        self.announced.append({f"{edge.source} {edge.to}" for edge in graph.document.dependencies})
        self.versions = [graph.version] * 2

    async def turn(self) -> list[set[str]]:
        """Refresh once, a minute later; return what was announced."""
        self.now += 60_000
        before = len(self.announced)
        await self.refresher.turn()
        return self.announced[before:]

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


def links(folder: Path, *edges: str) -> None:
    listed = [dict(zip(("parent", "child"), edge.split(), strict=True)) for edge in edges]
    (folder / "links.json").write_text(str(listed).replace("'", '"'))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    links(tmp_path, "web api")
    (tmp_path / "declared.yaml").write_text("services: [{name: api, owner: core}]\ndependencies: []\n")
    return tmp_path


async def test_a_graph_is_announced_when_it_changed_and_only_then(folder: Path) -> None:
    worker = Worker(folder, Store())
    assert await worker.turn() == [{"web api"}]
    assert await worker.turn() == []
    links(folder, "web api", "api db")
    assert await worker.turn() == [{"web api", "api db"}]
    # What is not seen for a while stays, so nothing changes.
    links(folder, "web api")
    assert await worker.turn() == []


async def test_a_source_that_fails_keeps_the_last_graph_and_is_counted(folder: Path) -> None:
    worker = Worker(folder, Store())
    await worker.turn()
    (folder / "links.json").write_text("damaged")
    assert await worker.turn() == []
    assert worker.value("correlator_topology_imports_total", source="zipkin", outcome="failed") == 1
    assert worker.value("correlator_topology_imports_total", source="file", outcome="done") == 2
    success = worker.value("correlator_topology_last_success_timestamp_seconds", source="zipkin")
    assert success == (worker.now - 60_000) / 1000
    assert worker.value("correlator_topology_source_dependencies", source="zipkin") == 1


async def test_a_part_of_the_graph_does_not_take_the_place_of_the_whole(folder: Path) -> None:
    (folder / "links.json").unlink()
    store = Store()
    store.has_versions = True
    worker = Worker(folder, store)
    assert await worker.turn() == []
    links(folder, "web api")
    assert await worker.turn() == [{"web api"}]


async def test_where_there_is_no_graph_a_part_is_better_than_none(folder: Path) -> None:
    (folder / "declared.yaml").unlink()
    assert await Worker(folder, Store()).turn() == [{"web api"}]


async def test_a_successor_goes_on_from_what_was_seen_before(folder: Path) -> None:
    store = Store()
    first, second = Worker(folder, store), Worker(folder, store)
    await first.turn()
    links(folder, "web db")
    # Announced anew, since nobody knows whether the first came to tell every partition.
    assert await second.turn() == [{"web api", "web db"}]


async def test_a_worker_whose_engines_hear_another_version_says_it_again(folder: Path) -> None:
    worker = Worker(folder, Store())
    await worker.turn()
    worker.versions[1] = "of-somebody-else"
    assert await worker.turn() == [{"web api"}]


async def test_who_loses_the_turn_while_asking_announces_nothing(folder: Path) -> None:
    worker = Worker(folder, Store())
    worker.leads = False
    assert await worker.turn() == []


async def test_what_kafka_refuses_is_tried_again(folder: Path) -> None:
    worker = Worker(folder, Store())
    worker.fails = True
    assert await worker.turn() == []
    worker.fails = False
    assert await worker.turn() == [{"web api"}]


async def test_spans_add_up_from_turn_to_turn(folder: Path) -> None:
    spans = Spans()
    worker = Worker(folder, Store(), spans=spans)
    once = FoundDependency(source="web", to="proxy", calls=1, one_sided=True)
    spans.seen = [once]
    assert await worker.turn() == [{"web api"}]
    spans.seen = [once, once]
    assert await worker.turn() == [{"web api", "web proxy"}]
    spans.problem = "no such topic"
    assert await worker.turn() == []
    assert worker.value("correlator_topology_imports_total", source="traces", outcome="failed") == 1


async def test_the_configured_file_stands_above_every_source(folder: Path) -> None:
    document = TopologyDocument(
        services=(Service(name="api", owner="base"), Service(name="x")),
        dependencies=(Dependency(source="api", to="x"),),
    )
    worker = Worker(folder, Store(), base=ServiceGraph(document))
    assert await worker.turn() == [{"web api", "api x"}]


async def test_old_versions_are_retired_once_a_day_behind_the_retention_of_the_log(folder: Path) -> None:
    store = Store()
    worker = Worker(folder, store)
    await worker.turn()
    await worker.turn()
    assert store.retired == [worker.now - 60_000 - 8 * DAY]
    worker.now += DAY
    await worker.turn()
    assert len(store.retired) == 2


def test_a_variable_that_is_not_set_is_told_before_the_worker_starts() -> None:
    topology = TopologyConfig(
        sources=(BackstageSource(url="http://x", token_env="NOT_SET"),), refresh_interval_seconds=60
    )
    with pytest.raises(ConfigError, match="NOT_SET"):
        Refresher(
            Config(topology=topology), base=None, store=Store(), leads=lambda: True, versions=list,
            announce=_nothing, spans=[], metrics=Metrics(CollectorRegistry()), now=lambda: 0, environ={},
        )  # fmt: skip


async def _nothing(graph: ServiceGraph) -> None:
    raise AssertionError("nothing is announced")


# -- versions in Kafka -------------------------------------------------------------------------------------------


def record(key: str, timestamp: int, value: bytes | None = b"x") -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord("t", 0, 0, timestamp, 0, key.encode(), value, None, 1, 1, ())


def test_a_version_is_old_when_its_successor_is() -> None:
    records = [record("a", 1), record("b", 5), record("observations", 6), record("c", 10), record("d", 20)]
    assert superseded(records, 10) == [b"a"]
    assert superseded(records, 11) == [b"a", b"b"]
    # The last one holds, however old it is.
    assert superseded(records, 10**9) == [b"a", b"b", b"c"]
    # Published again it is young again, deleted it is gone.
    assert superseded([*records, record("a", 30), record("b", 31, None)], 21) == [b"c"]


async def test_only_graphs_that_are_needed_stay_in_memory() -> None:
    sent: list[tuple[bytes, bytes | None]] = []

    async def send(topic: str, value: bytes | None, *, key: bytes) -> object:
        sent.append((key, value))
        done: object = _done()
        return done

    store = TopologyStore(Config().kafka, send)  # type: ignore[arg-type]
    graphs = [
        ServiceGraph(TopologyDocument(services=(Service(name=f"s{number}"),), dependencies=())) for number in range(20)
    ]
    for graph in graphs:
        await store.publish(graph)
        assert graph.version in store.graphs and EMPTY in store.graphs
    assert len(store.graphs) < 10
    assert len(sent) == 20
    await store.publish(graphs[-1])
    assert len(sent) == 20
    assert sent[0] == (graphs[0].version.encode(), encode(graphs[0]))


def _done() -> object:
    future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future
