"""Replay: the same engine over a file. Time comes from the input; after its end it goes on until nothing is pending."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import IO

import msgspec

from correlator.config import Config
from correlator.domain import AlertEvent, Disposition
from correlator.engine.engine import Engine
from correlator.engine.ranking import Ranker
from correlator.engine.warmth import Warmth, learned
from correlator.errors import InputError, LogError
from correlator.formats import canonical, log
from correlator.formats.naming import Namer
from correlator.partition import Partition
from correlator.sinks import Sinks, Summary, write
from topology.graph import ServiceGraph

#: An arrival so much later than all before it is a broken clock, not a pause.
_MAX_JUMP_MS = 366 * 86_400_000


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """A line nobody could use, with its bytes: as text where they are text, else base64."""

    line: int
    reason: str
    detail: str
    text: str | None
    base64: str | None


def rejection(number: int, data: bytes, error: InputError) -> Rejection:
    try:
        return Rejection(line=number, reason=error.reason, detail=error.detail, text=data.decode(), base64=None)
    except UnicodeDecodeError:
        encoded = base64.b64encode(data).decode()
        return Rejection(line=number, reason=error.reason, detail=error.detail, text=None, base64=encoded)


class Replay:
    """Run an engine over alert events, one line each.

    Everything it says goes to the given sinks at once, but for assignments: those wait, in input order, until the fate
    of their alerts is sealed.
    """

    def __init__(
        self,
        config: Config,
        graph: ServiceGraph,
        sinks: Sinks,
        *,
        ranker: Ranker | None = None,
        warm: Warmth | None = None,
        rejected: IO[bytes] | None = None,
    ) -> None:
        self._engine = Engine(config, ranker=ranker, warm=warm)
        self._namer = Namer(config.naming, graph)
        self.max_line_bytes = config.worker.max_event_bytes
        self._rejected = rejected
        self._sinks = sinks
        self._graph: ServiceGraph | None = graph
        self._now = 0
        self.summary = sinks.summary

    def feed(self, number: int, data: bytes) -> None:
        """Take one line of the input; `number` counts from one."""
        try:
            event = self._parse(number, data)
        except InputError as error:
            self._reject(number, data, error)
            return
        self._now = event.observed_at
        if self._graph is not None:
            self._sinks.take(self._engine.use_topology(self._graph, event.observed_at))
            self._graph = None
        self._sinks.count(event)
        self._sinks.take(self._engine.on_event(event, event.observed_at))

    def finish(self) -> Summary:
        """Let time go on until nothing is pending, and count up."""
        while (due := self._engine.next_due()) is not None:
            self._sinks.take(self._engine.tick(due))
        return self._sinks.finish(sealed=True)

    def learned(self) -> Warmth:
        """Return what the engine has learned of everyday noise so far."""
        return learned(self._engine.state)

    def _parse(self, number: int, data: bytes) -> AlertEvent:
        if len(data) > self.max_line_bytes:
            raise InputError("too_large", f"more than {self.max_line_bytes} bytes")
        alert = canonical.parse(data)
        observed_at = max(self._now, alert.starts_at if alert.observed_at is None else alert.observed_at)
        if self._now and observed_at > self._now + _MAX_JUMP_MS:
            raise InputError("bad_timestamp", "arrives more than a year after all before it")
        return self._namer.name(alert, event_id=alert.id or f"line-{number}", observed_at=observed_at)

    def _reject(self, number: int, data: bytes, error: InputError) -> None:
        self.summary.events += 1
        self.summary.rejected += 1
        if self._rejected is not None:
            write(self._rejected, rejection(number, data, error))
        self._sinks.assignments.decided(f"line-{number}", None, Disposition.REJECTED, error.reason)


class LogReplay:
    """Run engines over a dump of the event log, one for each partition: exactly what the workers published."""

    max_line_bytes = 64_000_000

    def __init__(
        self,
        config: Config,
        graphs: Iterable[ServiceGraph],
        sinks: Sinks,
        *,
        ranker: Ranker | None = None,
        warm: Warmth | None = None,
        rejected: IO[bytes] | None = None,
    ) -> None:
        self._config = config
        self._ranker = ranker
        self._warm = warm
        self._graphs = {graph.version: graph for graph in [*graphs, ServiceGraph.empty()]}
        self._partitions: dict[int, Partition] = {}
        self._rejected = rejected
        self._sinks = sinks
        self.summary = sinks.summary

    def feed(self, number: int, data: bytes) -> None:
        """Take one line of the dump: a record with its partition.

        Raises:
            LogError: the line is no record, or names a version of the graph that was not given.
        """
        try:
            dumped = _dumped.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LogError(f"line {number}: {error}") from None
        partition = self._partitions.get(dumped.partition)
        if partition is None:
            partition = self._partitions[dumped.partition] = Partition(
                self._config, self._graphs, ranker=self._ranker, warm=self._warm
            )
        try:
            record = log.decode(bytes(dumped.value))
        except LogError as error:
            self._reject(number, data, error)
            return
        try:
            self._sinks.take(partition.apply(record, self._graphs))
        except LogError as error:
            raise LogError(f"line {number}: {error}") from None
        if isinstance(record, log.Alerts):
            for event in record.events:
                self._sinks.count(event)

    def _reject(self, number: int, data: bytes, error: LogError) -> None:
        """Pass over what is no record of the log, as the workers did."""
        self.summary.rejected += 1
        if self._rejected is not None:
            write(self._rejected, rejection(number, data, InputError("not_a_log_record", str(error))))

    def finish(self) -> Summary:
        """Stop where the log stops: what is pending there is pending."""
        return self._sinks.finish(sealed=False)


class DumpedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `correlator dump`."""

    partition: int
    offset: int
    timestamp: int
    value: msgspec.Raw


_dumped = msgspec.json.Decoder(DumpedRecord)
