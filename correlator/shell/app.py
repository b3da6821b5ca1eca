"""The Faust app of the worker: its agents, the parts they work with, and what happens when partitions change hands.

alerts -> [ingest] -----> correlator-events -> [correlate] -> incidents
feedback -> [feedback] -'
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import faust
import structlog
from aiokafka import TopicPartition
from faust.auth import OAuthCredentials
from faust.types import TP

from correlator.access import client_settings
from correlator.config import Config, KafkaConfig
from correlator.config_topology import OtlpSource
from correlator.engine.ranking import Ranker
from correlator.engine.warmth import Warmth
from correlator.shell.announcer import Announcer
from correlator.shell.assignment import Loader
from correlator.shell.bulk import WAITING_BULKS, BulkSchema
from correlator.shell.correlate import Correlate
from correlator.shell.deadletters import DeadLetters
from correlator.shell.feedback import Listening
from correlator.shell.ingest import Ingest, Reader
from correlator.shell.metrics import Metrics, Monitor
from correlator.shell.refresher import Refresher
from correlator.shell.snapshots import SnapshotStore
from correlator.shell.spans import SpanReader
from correlator.shell.ticks import tick
from correlator.shell.topics import ENVELOPE_BYTES, record_bytes
from correlator.shell.topologies import TopologyStore
from correlator.shell.transport import Publisher, WorkerApp
from correlator.shell.watchdog import Stall, watch
from topology.graph import ServiceGraph

_log = structlog.get_logger("correlator.worker")

#: A broker that answers no request for so long is asked again, or the one that leads in its place.
_SEND_TIMEOUT_SECONDS = 20
_RELEASE_SECONDS = 5.0


def wall_clock() -> int:
    """Return milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class CorrelatorApp(WorkerApp):
    """The app with its parts.

    Args:
        graph: the configured dependency graph, None where none is configured: the engines then keep theirs.
        now: the wall clock in milliseconds.
    """

    def __init__(
        self,
        config: Config,
        *,
        graph: ServiceGraph | None,
        metrics: Metrics,
        ranker: Ranker | None = None,
        warmth: Warmth | None = None,
        now: Callable[[], int] = wall_clock,
    ) -> None:
        super().__init__(**settings(config))
        self.monitor = Monitor(metrics=metrics.faust)
        self.log_topic = config.kafka.events_topic
        self._config = config
        self._graph = graph
        self._metrics = metrics
        self._now = now
        self._loaded = False
        self._is_refreshed = config.topology.refresh_interval_seconds is not None
        self.stall = Stall(config.worker.stall_seconds)
        self._publisher = Publisher(self)
        letters = DeadLetters(config, self._publisher, metrics)
        snapshots = SnapshotStore(config.kafka, self._publisher.send)
        self._topologies = TopologyStore(config.kafka, self._publisher.send)
        self.correlate = Correlate(
            self,
            config,
            publisher=self._publisher,
            letters=letters,
            snapshots=snapshots,
            topologies=self._topologies,
            loader=Loader(config, snapshots, self._topologies, ranker=ranker),
            metrics=metrics,
            on_topology=self._go_by,
        )
        self._announcer = Announcer(
            config,
            graph=graph,
            ranker=ranker,
            warmth=warmth,
            correlate=self.correlate,
            topologies=self._topologies,
            publisher=self._publisher,
            now=now,
        )
        self._reader = Reader(config, graph or ServiceGraph.empty(), now if config.worker.clock == "wall" else None)
        self._named_by = (graph or ServiceGraph.empty()).version
        self.ingest = Ingest(
            self,
            config,
            reader=self._reader,
            publisher=self._publisher,
            letters=letters,
            metrics=metrics,
        )
        self.listening = Listening(self, config, publisher=self._publisher, letters=letters, metrics=metrics, now=now)
        self._wire()
        if self._is_refreshed:
            self._wire_refresher()

    def _wire(self) -> None:
        kafka = self._config.kafka
        for name, topic, run in (
            ("ingest", kafka.alerts_topic, self.ingest.run),
            ("feedback", kafka.feedback_topic, self.listening.run),
            ("correlate", kafka.events_topic, self.correlate.run),
        ):
            self.agent(self.topic(topic, schema=BulkSchema(allow_empty=False)), name=name, concurrency=1)(run)
        self.on_partitions_revoked.connect(self._on_revoked)
        self.on_rebalance_complete.connect(self._on_assigned)
        self.task(self.correlate.keep_snapshots)
        self.task(self._watch)
        if self._config.worker.clock == "wall":
            self.task(self._tick)

    def _wire_refresher(self) -> None:
        sources = self._config.topology.sources
        topics = [source for source in sources if isinstance(source, OtlpSource) and source.topic]
        spans = [SpanReader(self._config.kafka, source, self._metrics) for source in topics]
        self._refresher = Refresher(
            self._config,
            base=self._graph,
            store=self._topologies,
            leads=self._leads,
            versions=lambda: list(self.correlate.topology_versions().values()),
            announce=self._announcer.announce_everywhere,
            spans=spans,
            metrics=self._metrics,
            now=self._now,
        )
        self.task(self._refresher.run)
        for each in spans:
            self.task(functools.partial(each.run, self._leads))

    # -- partitions change hands ---------------------------------------------------------------------------------

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        """Let go while the session still lasts."""
        self._loaded = False
        try:
            await asyncio.wait_for(self.correlate.release(), _RELEASE_SECONDS)
        except TimeoutError:
            _log.warning("partitions are let go without a last snapshot")

    async def _on_assigned(self, *_: Any, **__: Any) -> None:
        """Load the engines before Faust resumes the flow."""
        try:
            places = self.consumer.assignment()
            numbers = sorted(place.partition for place in places if self.is_log(place))
            await self.correlate.load(numbers)
            if self._is_refreshed:
                self._follow(self.correlate.topology_versions().values())
            await self._announcer.announce()
            self.ingest.positions.clear()
            self.listening.positions.clear()
            self.forget_floors()
            self.ingest.assigned_at = wall_clock()
            self._loaded = True
        except Exception as error:
            # Faust would only log it and read on.
            await self.crash(error)
            raise

    def _follow(self, versions: Iterable[str]) -> None:
        """Name services by a graph that an engine goes by."""
        for version in versions:
            if version != ServiceGraph.empty().version and version in self._topologies.graphs:
                self._go_by(self._topologies.graphs[version], 0)
                return

    def _go_by(self, graph: ServiceGraph, at: int) -> None:
        """Name services by the graph that the log announced at `at`; 0 where it was announced before."""
        if at:
            self._metrics.topology_announced.set(at / 1000)
        if self._is_refreshed and graph.version != self._named_by:
            self._reader.use(graph)
            self._named_by = graph.version
            _show_size(self._metrics, graph)

    def position_of(self, partition: TP) -> int | None:
        return self.correlate.position(partition.partition)

    def on_positions(self, positions: Mapping[TP, int]) -> None:
        for place, at in positions.items():
            if place.topic == self._config.kafka.feedback_topic:
                self.listening.positions[place] = at
            elif not self.is_log(place):
                self.ingest.positions[place] = at

    # -- beside the stream ---------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        await tick(
            self._publisher,
            self.log_topic,
            interval_seconds=self._config.worker.tick_interval_seconds,
            now=self._now,
            owned=self._owned,
            told=self._metrics.ticks.inc,
        )

    async def _watch(self) -> None:
        limit = self._config.worker.stall_seconds
        await watch(
            self._config.kafka,
            self._metrics,
            self.stall,
            interval_seconds=min(5.0, limit / 4),
            positions=self._positions,
            is_ready=lambda: not self.why_not_ready(),
            done=lambda: self.correlate.handled + self.ingest.handled + self.listening.handled,
            give_up=self._give_up,
        )

    async def _give_up(self, reason: str) -> None:
        await self.crash(RuntimeError(f"the worker stalls: {reason}"))

    def _owned(self) -> Iterable[int]:
        return self.correlate.owned if self._loaded and not self.rebalancing else ()

    def _leads(self) -> bool:
        """Tell whether it is this worker's turn to do what one does for all: who has the first partition, does."""
        return 0 in self._owned() and self.generation() >= 0

    def _positions(self) -> Mapping[TopicPartition, int]:
        read = {**self.ingest.positions, **self.listening.positions}
        places = {TopicPartition(*place): at for place, at in read.items()}
        for number in self.correlate.owned:
            places[TopicPartition(self.log_topic, number)] = self.correlate.position(number) or 0
        return places

    # -- what the web server asks --------------------------------------------------------------------------------

    def why_not_ready(self) -> str:
        """Say what the worker waits for; empty while it does its work."""
        if self.correlate.closing:
            return "stopping"
        if self.rebalancing:
            return "partitions change hands"
        if not self._loaded:
            return "no partitions are assigned and loaded yet"
        if self.stall.seconds(time.monotonic()) > self._config.worker.stall_seconds / 2:
            return "records wait and none is dealt with"
        return ""

    def observe(self) -> None:
        """Bring the gauges up to date."""
        self.correlate.observe()
        self._metrics.ready.set(not self.why_not_ready())
        self._metrics.stalled.set(self.stall.seconds(time.monotonic()))
        self._metrics.watermark_delay.clear()
        for number, at in self.correlate.times().items():
            if at:
                self._metrics.watermark_delay.labels(number).set((self._now() - at) / 1000)


def create_app(
    config: Config,
    *,
    graph: ServiceGraph | None,
    metrics: Metrics,
    ranker: Ranker | None = None,
    warmth: Warmth | None = None,
    now: Callable[[], int] = wall_clock,
) -> CorrelatorApp:
    """Build the app; it is started and stopped as any Faust app is."""
    if graph is not None:
        _show_size(metrics, graph)
    return CorrelatorApp(config, graph=graph, metrics=metrics, ranker=ranker, warmth=warmth, now=now)


def _show_size(metrics: Metrics, graph: ServiceGraph) -> None:
    metrics.topology_nodes.set(len(graph))
    metrics.topology_edges.set(graph.edge_count)


def settings(config: Config) -> dict[str, Any]:
    """Return the settings of Faust."""
    kafka, worker = config.kafka, config.worker
    session = worker.session_timeout_seconds
    brokers = [f"aiokafka://{address.strip()}" for address in kafka.bootstrap_servers.split(",")]
    return {
        "id": worker.app_id,
        "broker": brokers,
        "broker_credentials": credentials(kafka),
        "autodiscover": False,
        "key_serializer": "raw",
        "value_serializer": "raw",
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "broker_session_timeout": session,
        "broker_heartbeat_interval": session / 5,
        "broker_rebalance_timeout": 2 * session,
        "broker_request_timeout": max(30.0, session),
        "broker_commit_interval": 1.0,
        "consumer_auto_offset_reset": "earliest",
        # Who leads the group shares out the partitions it knows of, and after an outage it may not know of any of a
        # topic. Only with the next metadata it sees that, and all rest until then: by default for five minutes.
        "consumer_metadata_max_age_ms": 5000,
        "consumer_max_fetch_size": max(1 << 20, record_bytes(config) + ENVELOPE_BYTES),
        "producer_linger": 0.005,
        "producer_max_batch_size": 256_000,
        "producer_max_request_size": record_bytes(config) + ENVELOPE_BYTES,
        "producer_request_timeout": _SEND_TIMEOUT_SECONDS,
        "stream_buffer_maxsize": WAITING_BULKS,
        "stream_wait_empty": False,
        "stream_processing_timeout": worker.stall_seconds,
        "worker_redirect_stdouts": False,
        "web_enabled": False,
    }


def credentials(kafka: KafkaConfig) -> Any:
    """Return Faust's form of how to authenticate; None for plain text."""
    access = client_settings(kafka)
    context = access.get("ssl_context")
    if "sasl_oauth_token_provider" in access:
        return OAuthCredentials(oauth_cb=access["sasl_oauth_token_provider"], ssl_context=context)
    if "sasl_mechanism" in access:
        return faust.SASLCredentials(
            mechanism=access["sasl_mechanism"],
            username=access["sasl_plain_username"],
            password=access["sasl_plain_password"],
            ssl_context=context,
        )
    return faust.SSLCredentials(context=context) if context else None
