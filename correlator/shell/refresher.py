"""Keeps the dependency graph fresh: imports on an interval and announces a new version when it changed.

One worker does it for all, the one that has the first partition of the log; its successor goes on from what it kept in
Kafka. A source that fails keeps what it said before, and a graph that some source is missing from never takes the place
of a whole one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import structlog
from aiokafka.errors import KafkaError

from correlator.config import Config
from correlator.errors import SourceError
from correlator.shell.importing import Answer, Import
from correlator.shell.metrics import Metrics
from correlator.shell.topologies import Kept
from topology.findings import Findings
from topology.graph import ServiceGraph
from topology.ledger import Ledger
from topology.merge import Merged

_log = structlog.get_logger("correlator.worker")

#: How soon a worker notices that the turn is its own.
_LOOK_SECONDS = 1.0
#: What sources said is kept so often; a successor loses the last sightings of as long.
_KEEP_MS = 600_000
_RETIRE_MS = 86_400_000
#: Engines that go by another version than was announced may only be behind; after so long it is said again.
_AGAIN_MS = 60_000


class Spans(Protocol):
    """A topic of spans; `problem` is why it cannot be read, empty while it can, None as long as nobody tried."""

    @property
    def label(self) -> str: ...
    @property
    def problem(self) -> str | None: ...
    async def harvest(self) -> Findings: ...


class Store(Protocol):
    """Where what sources said outlives this worker."""

    async def kept(self) -> Kept: ...
    async def keep_observations(self, data: bytes) -> None: ...
    async def retire(self, before: int) -> int: ...


class Refresher:
    """Imports while it is this worker's turn.

    Args:
        base: the configured topology file, which stands above all sources; None without one.
        versions: the versions of the graph that the engines of this worker go by.
        announce: makes a graph the one that every engine goes by.
        now: the wall clock in milliseconds.

    Raises:
        ConfigError: an environment variable that a source names is not set.
    """

    def __init__(
        self,
        config: Config,
        *,
        base: ServiceGraph | None,
        store: Store,
        leads: Callable[[], bool],
        versions: Callable[[], Sequence[str]],
        announce: Callable[[ServiceGraph], Awaitable[None]],
        spans: Sequence[Spans],
        metrics: Metrics,
        now: Callable[[], int],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._config = config
        self._store = store
        self._leads = leads
        self._versions = versions
        self._announce = announce
        self._spans = spans
        self._metrics = metrics
        self._now = now
        self._import = Import(config.topology, environ, base=base)
        self._announced, self._announced_at = "", 0
        self._is_our_turn = False
        self._has_graph = False
        self._graph = ServiceGraph.empty()
        self._kept_at = self._retired_at = 0
        self._told: tuple[str, ...] = ()

    async def run(self) -> None:
        """Refresh for ever, whenever it is our turn."""
        interval = self._config.topology.refresh_interval_seconds or 0
        while True:
            if self._leads():
                try:
                    await self.turn()
                except Exception:
                    # Alerts are told with the graph of yesterday too: what refreshes it must not take them down.
                    _log.exception("the topology cannot be refreshed")
                await asyncio.sleep(interval)
            else:
                self._is_our_turn = False
                await asyncio.sleep(_LOOK_SECONDS)

    async def turn(self) -> None:
        """Import once; what Kafka refuses is tried again at the next turn."""
        try:
            if not self._is_our_turn:
                await self._begin()
            now = self._now()
            answers: dict[str, Answer] = {**await self._import.run(now), **await self._harvest()}
            self._note(answers, now)
            merged = await asyncio.to_thread(self._import.merged)
            if merged.document != self._graph.document:
                self._graph = await asyncio.to_thread(ServiceGraph, merged.document)
            graph = self._graph
            self._tell(merged)
            # The sources took their time: another worker may have the turn by now.
            is_news = self._leads() and self._is_news(graph)
            await self._keep(now, at_once=is_news)
            if is_news:
                await self._announce(graph)
                self._announced, self._announced_at, self._has_graph = graph.version, self._now(), True
                _log.info("topology refreshed", version=graph.version, services=len(graph), edges=graph.edge_count)
        except (KafkaError, OSError, TimeoutError) as error:
            _log.warning("the topology cannot be refreshed", problem=str(error) or type(error).__name__)

    async def _begin(self) -> None:
        """Go on from what the one before kept; what it announced last, not every partition may have heard."""
        self._announced = ""
        kept = await self._store.kept()
        self._has_graph = kept.has_versions
        if kept.observations is not None:
            try:
                self._import.ledger.restore(kept.observations)
            except SourceError as error:
                _log.warning("the topology's sources begin anew", problem=str(error))
            self._import.ledger.keep_only({source.label: source for source in self._config.topology.sources})
        self._is_our_turn = True

    async def _harvest(self) -> dict[str, Answer]:
        return {
            spans.label: SourceError(spans.problem) if spans.problem else await spans.harvest()
            for spans in self._spans
            if spans.problem is not None
        }

    def _note(self, answers: Mapping[str, Answer], now: int) -> None:
        """Enter what spans showed, count, and warn of every source that failed."""
        ledger = self._import.ledger
        for name, answer in answers.items():
            if isinstance(answer, Findings):
                if answer.is_increment:
                    ledger.enter(name, answer, now)
                self._metrics.imports.labels(name, "done").inc()
            else:
                self._metrics.imports.labels(name, "failed").inc()
                _log.warning("a topology source failed, what it said before stands", source=name, problem=str(answer))
        for name, findings in ledger.findings().items():
            self._metrics.source_dependencies.labels(name).set(len(findings.dependencies))
            self._metrics.source_success.labels(name).set((ledger.answered_at(name) or 0) / 1000)

    def _tell(self, merged: Merged) -> None:
        """Warn of conflicts, once as long as they are the same."""
        if merged.conflicts and merged.conflicts != self._told:
            some = list(merged.conflicts[:5])
            _log.warning("topology sources contradict each other", conflicts=len(merged.conflicts), first=some)
        self._told = merged.conflicts

    def _is_news(self, graph: ServiceGraph) -> bool:
        missing = _never_heard(self._config, self._import.ledger)
        if missing and self._has_graph:
            _log.warning("the topology stays as it is until every source was heard", missing=missing)
            return False
        if graph.version != self._announced:
            return True
        is_heard = all(version == graph.version for version in self._versions())
        return not is_heard and self._now() - self._announced_at >= _AGAIN_MS

    async def _keep(self, now: int, *, at_once: bool) -> None:
        """Leave in Kafka what sources said, before it is announced what follows from it."""
        if at_once or now - self._kept_at >= _KEEP_MS:
            await self._store.keep_observations(await asyncio.to_thread(self._import.ledger.encode))
            self._kept_at = now
        if now - self._retired_at >= _RETIRE_MS:
            # What the log may still name must stay, and what a worker that lags behind may still be at.
            await self._store.retire(now - round(self._config.kafka.events_retention_seconds * 1000) - _RETIRE_MS)
            self._retired_at = now


def _never_heard(config: Config, ledger: Ledger) -> list[str]:
    return [source.label for source in config.topology.sources if ledger.answered_at(source.label) is None]
