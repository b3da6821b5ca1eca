"""Replay: the same engine over a file. Time comes from the input; after its end it goes on until nothing is pending."""

from __future__ import annotations

import base64
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

import msgspec

from correlator.config import Config
from correlator.domain import Action, AlertEvent, Disposition, IncidentEvent
from correlator.engine.decisions import Decision, Output, Verdict
from correlator.engine.engine import Engine
from correlator.engine.ranking import Ranker
from correlator.errors import InputError, LogError
from correlator.formats import canonical, log
from correlator.formats.naming import Namer
from topology.graph import ServiceGraph

#: An arrival so much later than all before it is a broken clock, not a pause.
_MAX_JUMP_MS = 366 * 86_400_000
#: Assignments that wait for a verdict are kept in memory up to this many lines, on disk beyond.
_MAX_WAITING = 20_000


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one input event; one line of `--assignments`."""

    event_id: str
    fingerprint: str | None
    disposition: Disposition
    reason: str
    incident_id: str | None


class Summary(msgspec.Struct, kw_only=True):
    """Figures of a replay."""

    events: int = 0
    firing_events: int = 0
    rejected: int = 0
    alerts: int = 0
    incidents: int = 0
    pages: int = 0
    noise_reduction: float = 0.0
    dispositions: dict[str, int] = {}
    seconds: float = 0.0
    events_per_second: float = 0.0
    first_at: int = 0
    last_at: int = 0


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
        *,
        ranker: Ranker | None = None,
        incidents: IO[bytes] | None = None,
        assignments: IO[bytes] | None = None,
        rejected: IO[bytes] | None = None,
    ) -> None:
        self._engine = Engine(config, ranker=ranker)
        self._namer = Namer(config.naming, graph)
        self.max_line_bytes = config.worker.max_event_bytes
        self._rejected = rejected
        self._sinks = _Sinks(incidents, assignments)
        self._graph: ServiceGraph | None = graph
        self._now = 0
        self.summary = self._sinks.summary

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
            _write(self._rejected, rejection(number, data, error))
        self._sinks.assignments.decided(f"line-{number}", None, Disposition.REJECTED, error.reason)


class _Line(msgspec.Struct, array_like=True):
    event_id: str
    fingerprint: str | None
    disposition: Disposition | None
    reason: str
    scope: str
    node: int


class _Assignments:
    """Assignments in input order; a line waits until the node it depends on has its verdict."""

    def __init__(self, sink: IO[bytes] | None) -> None:
        self._sink = sink
        self._waiting: deque[_Line] = deque()
        self._uses: Counter[tuple[str, int]] = Counter()  # lines that wait for a node
        self._verdicts: dict[tuple[str, int], Verdict] = {}
        self.counts: Counter[str] = Counter()

    def decided(self, event_id: str, fingerprint: str | None, disposition: Disposition, reason: str) -> None:
        self._push(_Line(event_id, fingerprint, disposition, reason, "", 0))

    def decision(self, decision: Decision) -> None:
        self._push(
            _Line(
                decision.event_id,
                decision.fingerprint,
                decision.disposition,
                decision.reason,
                decision.scope,
                decision.node,
            )
        )

    def verdict(self, verdict: Verdict) -> None:
        key = (verdict.scope, verdict.node)
        if self._uses[key]:
            self._verdicts[key] = verdict
        self._drain()

    def close(self, *, sealed: bool) -> None:
        """Write what is left. Where the end of the input `sealed` every fate, nothing is."""
        if sealed and self._waiting:
            raise AssertionError(f"{len(self._waiting)} events have no verdict")
        for line in self._waiting:
            if line.disposition is None:
                line.disposition, line.reason = Disposition.SUPPRESSED, "pending"
            self._finish(line, self._verdicts.get((line.scope, line.node)))

    def _push(self, line: _Line) -> None:
        if line.node:
            self._uses[line.scope, line.node] += 1
        self._waiting.append(line)
        self._drain()

    def _drain(self) -> None:
        while self._waiting:
            line = self._waiting[0]
            verdict = self._verdicts.get((line.scope, line.node)) if line.node else None
            if line.node and verdict is None:
                return
            self._waiting.popleft()
            self._finish(line, verdict)

    def _finish(self, line: _Line, verdict: Verdict | None) -> None:
        disposition, reason = line.disposition, line.reason
        if verdict is not None:
            key = (line.scope, line.node)
            self._uses[key] -= 1
            if not self._uses[key]:
                del self._uses[key], self._verdicts[key]
            if disposition is None:
                disposition, reason = verdict.disposition, verdict.reason
                if verdict.opening_event == line.event_id:
                    disposition = Disposition.OPENED
        assert disposition is not None
        self.counts[disposition] += 1
        if self._sink is not None:
            _write(
                self._sink,
                Assignment(
                    event_id=line.event_id,
                    fingerprint=line.fingerprint,
                    disposition=disposition,
                    reason=reason,
                    incident_id=verdict.incident_id if verdict else None,
                ),
            )


class LogReplay:
    """Run engines over a dump of the event log, one for each partition: exactly what the workers published."""

    max_line_bytes = 64_000_000

    def __init__(
        self,
        config: Config,
        graphs: Iterable[ServiceGraph],
        *,
        ranker: Ranker | None = None,
        incidents: IO[bytes] | None = None,
        assignments: IO[bytes] | None = None,
        rejected: IO[bytes] | None = None,
    ) -> None:
        self._config = config
        self._ranker = ranker
        self._graphs = {graph.version: graph for graph in [*graphs, ServiceGraph.empty()]}
        self._engines: dict[int, Engine] = {}
        self._sinks = _Sinks(incidents, assignments)
        self.summary = self._sinks.summary

    def feed(self, number: int, data: bytes) -> None:
        """Take one line of the dump: a record with its partition.

        Raises:
            LogError: the line is no record, or names a version of the graph that was not given.
        """
        try:
            dumped = _dumped.decode(data)
            record = log.decode(bytes(dumped.value))
        except (msgspec.DecodeError, LogError) as error:
            raise LogError(f"line {number}: {error}") from None
        engine = self._engines.get(dumped.partition)
        if engine is None:
            engine = self._engines[dumped.partition] = Engine(self._config, ranker=self._ranker)
        self._sinks.take(apply(engine, record, self._graphs))
        if isinstance(record, log.Alerts):
            for event in record.events:
                self._sinks.count(event)

    def finish(self) -> Summary:
        """Stop where the log stops: what is pending there is pending."""
        return self._sinks.finish(sealed=False)


def apply(engine: Engine, record: log.Record, graphs: Mapping[str, ServiceGraph]) -> Iterator[Output]:
    """Apply one record of the event log to the engine of its partition.

    Raises:
        LogError: it announces a version of the graph that is not among `graphs`.
    """
    if isinstance(record, log.Tick):
        yield from engine.tick(record.at)
    elif isinstance(record, log.TopologyVersion):
        if record.version not in graphs:
            raise LogError(f"the log names topology {record.version}, which was not given")
        yield from engine.use_topology(graphs[record.version], record.at)
    else:
        for event in record.events:
            yield from engine.on_event(event, record.at)


class DumpedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `correlator dump`."""

    partition: int
    offset: int
    timestamp: int
    value: msgspec.Raw


_dumped = msgspec.json.Decoder(DumpedRecord)


class _Sinks:
    """Where what an engine says goes, and the figures of it."""

    def __init__(self, incidents: IO[bytes] | None, assignments: IO[bytes] | None) -> None:
        self._incidents = incidents
        self.assignments = _Assignments(assignments)
        self.summary = Summary()

    def count(self, event: AlertEvent) -> None:
        summary = self.summary
        summary.events += 1
        summary.firing_events += event.status == "firing"
        summary.first_at = summary.first_at or event.observed_at
        summary.last_at = event.observed_at

    def take(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if isinstance(output, Decision):
                self.summary.alerts += output.disposition is None
                self.assignments.decision(output)
            elif isinstance(output, Verdict):
                self.assignments.verdict(output)
            else:
                self.summary.pages += output.page
                self.summary.incidents += output.action is Action.OPENED
                if self._incidents is not None:
                    _write(self._incidents, output)

    def finish(self, *, sealed: bool) -> Summary:
        self.assignments.close(sealed=sealed)
        summary = self.summary
        summary.dispositions = {str(name): self.assignments.counts[name] for name in Disposition}
        if summary.firing_events:
            summary.noise_reduction = round(1 - summary.pages / summary.firing_events, 4)
        return summary


def _write(sink: IO[bytes], value: object) -> None:
    sink.write(msgspec.json.encode(value) + b"\n")
