"""Replay: the same engine over a file. Time comes from the input; after its end it goes on until nothing is pending."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, NamedTuple

import msgspec

from correlator.config import Config
from correlator.domain import AlertEvent, Disposition
from correlator.engine.engine import Engine
from correlator.engine.ranking import Ranker
from correlator.engine.warmth import Warmth, learned
from correlator.errors import InputError, LogError
from correlator.formats import canonical, log
from correlator.formats.alert import ParsedAlert
from correlator.formats.mapped import formats_of
from correlator.formats.naming import Namer
from correlator.formats.reading import Contents, Formats, Read, arrival, arrival_of
from correlator.formats.redacted import redacted
from correlator.formats.redaction import Redaction, redaction_of
from correlator.partition import Partition
from correlator.sinks import Sinks, Summary, write
from topology.graph import ServiceGraph

#: An arrival so much later than all before it is a broken clock, not a pause.
_MAX_JUMP_MS = 366 * 86_400_000


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """A line nobody could use, with its bytes but for what is redacted: as text where they are text, else base64."""

    line: int
    reason: str
    detail: str
    text: str | None
    base64: str | None


def rejection(number: int, data: bytes, error: InputError, redaction: Redaction) -> Rejection:
    data, detail = redacted(data, redaction), redaction.text(error.detail)
    try:
        return Rejection(line=number, reason=error.reason, detail=detail, text=data.decode(), base64=None)
    except UnicodeDecodeError:
        encoded = base64.b64encode(data).decode()
        return Rejection(line=number, reason=error.reason, detail=detail, text=None, base64=encoded)


class Named(NamedTuple):
    """An alert of a line: as the engine gets it, and as it was sent."""

    event: AlertEvent
    alert: ParsedAlert


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """What of a line nobody could use; `event_id` may be seen, `data` holds what secrets it had."""

    event_id: str
    data: bytes
    error: InputError


class Arrivals:
    """The lines of a file as events in their order of arrival, with ids and the names of their services.

    Args:
        count_notices: hears of what messages tell beside alerts.
    """

    def __init__(
        self, config: Config, graph: ServiceGraph, count_notices: Callable[[Mapping[tuple[str, str], int]], None]
    ) -> None:
        self._formats = Formats(formats_of(config))
        self.redaction = redaction_of(config)
        self._namer = Namer(config.naming, graph, self.redaction)
        self._count_notices = count_notices
        self._now = 0
        self.max_line_bytes = config.worker.max_event_bytes

    def read(self, number: int, data: bytes) -> Iterator[Named | Refusal]:
        """Yield what one line holds, a message of any format; `number` counts from one."""
        place = f"line-{number}"
        if len(data) > self.max_line_bytes:
            error = InputError("too_large", f"more than {self.max_line_bytes} bytes")
            yield self._refusal(place, data, error)
            return
        contents, observed_at = self._read(data)
        self._count_notices(contents.notices)
        is_clean = self._namer.are_clean(contents.events)
        for read in contents.events:
            try:
                named = self._named(read, read.id(place), observed_at, is_clean)
            except InputError as error:
                name = read.id(place) if len(contents.events) > 1 else place
                yield self._refusal(name, read.data, error)
            else:
                self._now = named.event.observed_at
                yield named

    def _refusal(self, event_id: str, data: bytes, error: InputError) -> Refusal:
        return Refusal(event_id=self.redaction.identity(event_id), data=data, error=error)

    def _read(self, data: bytes) -> tuple[Contents, int]:
        """Return what a line holds, and when it arrives."""
        contents = self._formats.read(data, arrived_at=self._now or None)
        observed_at = self._arrival(contents.alerts)
        if observed_at > self._now and any(name != canonical.FORMAT.name for name in contents.formats):
            # Leases and the like begin at the arrival, which is known only now.
            contents = self._formats.read(data, arrived_at=observed_at)
        return contents, observed_at

    def _arrival(self, alerts: Iterable[ParsedAlert]) -> int:
        """Return when a line arrives: by its alerts' account, but never before the line above it."""
        return max(self._now, arrival(alert for alert in alerts if not self._jumps(alert)) or 0)

    def _jumps(self, alert: ParsedAlert) -> bool:
        return self._now > 0 and arrival_of(alert) > self._now + _MAX_JUMP_MS

    def _named(self, read: Read, event_id: str, observed_at: int, is_clean: bool) -> Named:
        alert = read.event
        if isinstance(alert, InputError):
            raise alert
        if self._jumps(alert):
            raise InputError("bad_timestamp", "arrives more than a year after all before it")
        return Named(self._namer.name(alert, event_id=event_id, observed_at=observed_at, is_clean=is_clean), alert)


class Replay:
    """Run an engine over messages, one line each: an alert event, or what any format tells of alerts.

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
        self._engine = Engine(config, ranker=ranker)
        self._warm = warm
        self._arrivals = Arrivals(config, graph, sinks.summary.count_notices)
        self.max_line_bytes = self._arrivals.max_line_bytes
        self._rejected = rejected
        self._sinks = sinks
        self._graph: ServiceGraph | None = graph
        self.summary = sinks.summary

    def feed(self, number: int, data: bytes) -> None:
        """Take one line of the input, a message of any format; `number` counts from one."""
        for read in self._arrivals.read(number, data):
            if isinstance(read, Refusal):
                self._reject(number, read)
            else:
                self._take(read.event)

    def finish(self) -> Summary:
        """Let time go on until nothing is pending, and count up."""
        while (due := self._engine.next_due()) is not None:
            self._sinks.take(self._engine.tick(due))
        return self._sinks.finish(sealed=True)

    def learned(self) -> Warmth:
        """Return what the engine has learned of everyday noise so far."""
        return learned(self._engine.state)

    def _take(self, event: AlertEvent) -> None:
        if self._graph is not None:
            self._sinks.take(self._engine.use_topology(self._graph, event.observed_at))
            for start in self._warm.starts() if self._warm is not None else ():
                self._sinks.take(self._engine.use_warm_start(start, event.observed_at))
            self._graph = None
        self._sinks.count(event)
        self._sinks.take(self._engine.on_event(event, event.observed_at))

    def _reject(self, number: int, refusal: Refusal) -> None:
        self.summary.events += 1
        self.summary.rejected += 1
        if self._rejected is not None:
            write(self._rejected, rejection(number, refusal.data, refusal.error, self._arrivals.redaction))
        self._sinks.assignments.decided(refusal.event_id, None, Disposition.REJECTED, refusal.error.reason)


class LogReplay:
    """Run engines over a dump of the event log, one for each partition: exactly what the workers published.

    Args:
        ranker: names the roots until the log names a model.
    """

    max_line_bytes = 64_000_000

    def __init__(
        self,
        config: Config,
        graphs: Iterable[ServiceGraph],
        sinks: Sinks,
        *,
        ranker: Ranker | None = None,
        rejected: IO[bytes] | None = None,
    ) -> None:
        self._config = config
        self._redaction = redaction_of(config)
        self._ranker = ranker
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
            partition = self._partitions[dumped.partition] = Partition(self._config, self._graphs, ranker=self._ranker)
        try:
            record = log.decode(bytes(dumped.value))
        except LogError as error:
            self._reject(number, data, error)
            return
        written_at = dumped.timestamp if self._config.worker.clock == "wall" else None
        for part in log.parts(record):
            try:
                self._sinks.take(partition.apply(part, self._graphs, written_at=written_at))
            except LogError as error:
                raise LogError(f"line {number}: {error}") from None
            if isinstance(part, log.Said):
                self._sinks.hear(part.feedback)
            if isinstance(part, log.Alerts):
                for event in part.events:
                    self._sinks.count(event)

    def _reject(self, number: int, data: bytes, error: LogError) -> None:
        """Pass over what is no record of the log, as the workers did."""
        self.summary.rejected += 1
        if self._rejected is not None:
            write(self._rejected, rejection(number, data, InputError("not_a_log_record", str(error)), self._redaction))

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
