"""One partition of the event log: its engine, what was delivered to it, and how far it has come.

The worker and `replay --log` both run the log through this, which is why they say the same.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import msgspec

from correlator import rankers, warm
from correlator.config import EngineConfig
from correlator.domain import AlertEvent
from correlator.engine import clocks
from correlator.engine.decisions import Output
from correlator.engine.deliveries import Deliveries, Session, is_news
from correlator.engine.engine import Engine
from correlator.engine.ranking import Ranker
from correlator.engine.snapshot import Snapshot
from correlator.engine.state import WarmStart
from correlator.errors import ConfigError, LogError
from correlator.formats import log
from topology.graph import ServiceGraph


class Partition:
    """Apply the records of one partition, each at most once.

    Args:
        ranker: names the roots until the log names a model; the explanations' own weights unless given.

    Raises:
        LogError: the snapshot names a version of the graph that is not among `graphs`, or a model that cannot be used.
    """

    def __init__(
        self,
        config: EngineConfig,
        graphs: Mapping[str, ServiceGraph],
        *,
        ranker: Ranker | None = None,
        snapshot: Snapshot | None = None,
        witness: Callable[[Output], None] | None = None,
    ) -> None:
        if snapshot is None:
            self.engine = Engine(config, ranker=ranker, witness=witness)
            self.offset = -1
            self.mark = ""
            self._deliveries: Deliveries = {}
            self._told = clocks.Told()
            self._model = b""
        else:
            graph = _graph(graphs, snapshot.state.topology)
            state = snapshot.state
            self._model = snapshot.model
            ranker = _ranker(self._model) if self._model else ranker
            self.engine = Engine(config, ranker=ranker, state=state, graph=graph, witness=witness)
            self.offset = snapshot.offset
            self.mark = snapshot.mark
            self._deliveries = snapshot.deliveries
            self._told = snapshot.told
        #: How often a worker's clock was not believed, `ahead` or `behind`.
        self.disbelieved: Counter[str] = Counter()

    def apply(
        self, record: log.Record, graphs: Mapping[str, ServiceGraph], *, written_at: int | None = None
    ) -> Iterator[Output]:
        """Apply one record; nothing is said of events that were applied before.

        Args:
            written_at: when the broker wrote it down, milliseconds; None where only the record's own time counts. Of a
                topic that keeps its producers' timestamps it is the same time again.

        Raises:
            LogError: it announces a version of the graph that is not among `graphs`, or what cannot be used.
        """
        if isinstance(record, log.Tick):
            yield from self.engine.tick(self._ticked(record.at, written_at))
        elif isinstance(record, log.TopologyVersion):
            graph = _graph(graphs, record.version)
            yield from self.engine.use_topology(graph, self._arrival(record.at, written_at))
        elif isinstance(record, log.ModelVersion):
            document = bytes(record.document)
            yield from self.engine.use_ranker(_ranker(document), self._arrival(record.at, written_at))
            self._model = document
        elif isinstance(record, log.WarmStart):
            start = warm.of_record(record)
            yield from self.engine.use_warm_start(start, self._arrival(record.at, written_at))
        elif isinstance(record, log.Said):
            yield from self.engine.on_feedback(record.feedback, self._arrival(record.at, written_at))
        elif isinstance(record, log.Batch):
            for part in record.records:
                yield from self.apply(part, graphs, written_at=written_at)
        elif record.source is None or self._is_news(record.source):
            at = self._arrival(record.at, written_at)
            for event in record.events:
                yield from self.engine.on_event(event if at == record.at else arrived(event, at), at)

    def advance(self, offset: int, value: bytes | None) -> None:
        """Note that the record at `offset` is dealt with."""
        self.offset = offset
        self.mark = mark(value)

    def model_version(self) -> str:
        """Return which model the log named last; empty where it named none."""
        return self.engine.ranker.version if self._model else ""

    def awaits(self, start: WarmStart) -> bool:
        """Tell whether a scope has neither begun nor been told that it will begin like this."""
        state = self.engine.state
        known = state.warm_starts.get(start.scope)
        return start.scope not in state.scopes and (known is None or known.version != start.version)

    def snapshot(self) -> Snapshot:
        """Return what is to be remembered; it shares the engine's state, so encode it before anything goes on."""
        return Snapshot(
            offset=self.offset,
            mark=self.mark,
            state=self.engine.state,
            deliveries=self._deliveries,
            told=self._told,
            model=self._model,
        )

    def _ticked(self, at: int, written_at: int | None) -> int:
        if written_at is None:
            return at
        if clocks.is_behind(at, written_at):
            self.disbelieved["behind"] += 1
        self._note_ahead(at, written_at)
        self._told = clocks.ticked(at, written_at, self._told, self.engine.now)
        return self._told.at

    def _arrival(self, at: int, written_at: int | None) -> int:
        if written_at is None:
            return at
        self._note_ahead(at, written_at)
        return clocks.arrival(at, written_at)

    def _note_ahead(self, at: int, written_at: int) -> None:
        if clocks.is_ahead(at, written_at):
            self.disbelieved["ahead"] += 1

    def _is_news(self, source: log.Source) -> bool:
        return is_news(
            self._deliveries,
            partition=source.partition,
            offset=source.offset,
            part=source.part,
            floor=source.floor,
            session=Session(source.generation, source.assigned_at),
        )


def mark(value: bytes | None) -> str:
    """Return a digest by which a record is known again."""
    return hashlib.blake2b(value or b"", digest_size=8).hexdigest()


def arrived(event: AlertEvent, at: int) -> AlertEvent:
    """Return an event as if it had arrived at `at`."""
    return msgspec.structs.replace(event, observed_at=at, starts_at=min(event.starts_at, at))


def _graph(graphs: Mapping[str, ServiceGraph], version: str) -> ServiceGraph:
    try:
        return graphs[version]
    except KeyError:
        raise LogError(f"the log names topology {version}, which was not given") from None


def _ranker(document: bytes) -> Ranker:
    try:
        return rankers.from_document(document, "the model that the log names")
    except ConfigError as error:
        raise LogError(str(error)) from None
