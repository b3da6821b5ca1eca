"""One partition of the event log: its engine, what was delivered to it, and how far it has come.

The worker and `replay --log` both run the log through this, which is why they say the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping

from correlator.config import EngineConfig
from correlator.engine.decisions import Output
from correlator.engine.deliveries import Deliveries, Session, is_news
from correlator.engine.engine import Engine
from correlator.engine.ranking import Ranker
from correlator.engine.snapshot import Snapshot
from correlator.engine.warmth import Warmth
from correlator.errors import LogError
from correlator.formats import log
from topology.graph import ServiceGraph


class Partition:
    """Apply the records of one partition, each at most once.

    Raises:
        LogError: the snapshot names a version of the graph that is not among `graphs`.
    """

    def __init__(
        self,
        config: EngineConfig,
        graphs: Mapping[str, ServiceGraph],
        *,
        ranker: Ranker | None = None,
        warm: Warmth | None = None,
        snapshot: Snapshot | None = None,
        witness: Callable[[Output], None] | None = None,
    ) -> None:
        if snapshot is None:
            self.engine = Engine(config, ranker=ranker, warm=warm, witness=witness)
            self.offset = -1
            self.mark = ""
            self._deliveries: Deliveries = {}
        else:
            graph = _graph(graphs, snapshot.state.topology)
            state = snapshot.state
            self.engine = Engine(config, ranker=ranker, state=state, graph=graph, warm=warm, witness=witness)
            self.offset = snapshot.offset
            self.mark = snapshot.mark
            self._deliveries = snapshot.deliveries

    def apply(self, record: log.Record, graphs: Mapping[str, ServiceGraph]) -> Iterator[Output]:
        """Apply one record; nothing is said of events that were applied before.

        Raises:
            LogError: it announces a version of the graph that is not among `graphs`.
        """
        if isinstance(record, log.Tick):
            yield from self.engine.tick(record.at)
        elif isinstance(record, log.TopologyVersion):
            yield from self.engine.use_topology(_graph(graphs, record.version), record.at)
        elif isinstance(record, log.Said):
            yield from self.engine.on_feedback(record.feedback, record.at)
        elif isinstance(record, log.Batch):
            for part in record.records:
                yield from self.apply(part, graphs)
        elif record.source is None or self._is_news(record.source):
            for event in record.events:
                yield from self.engine.on_event(event, record.at)

    def advance(self, offset: int, value: bytes | None) -> None:
        """Note that the record at `offset` is dealt with."""
        self.offset = offset
        self.mark = mark(value)

    def snapshot(self) -> Snapshot:
        """Return what is to be remembered; it shares the engine's state, so encode it before anything goes on."""
        return Snapshot(offset=self.offset, mark=self.mark, state=self.engine.state, deliveries=self._deliveries)

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


def _graph(graphs: Mapping[str, ServiceGraph], version: str) -> ServiceGraph:
    try:
        return graphs[version]
    except KeyError:
        raise LogError(f"the log names topology {version}, which was not given") from None
