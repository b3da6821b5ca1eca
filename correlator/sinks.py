"""What a replay writes: incident events at once, assignments in input order, and the figures of it all."""

from __future__ import annotations

import tempfile
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import IO

import msgspec

from correlator.domain import Action, AlertEvent, Disposition, Feedback
from correlator.engine.decisions import Decision, Heard, Output, Verdict

#: Assignments that wait for a verdict are kept in memory up to this many lines, on disk beyond.
_MAX_WAITING = 20_000
#: So many are written to disk at once.
_MAX_TAIL = 2_000


class Assignment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
    #: What messages told beside alerts, `format.word`; no events.
    notices: dict[str, int] = {}
    seconds: float = 0.0
    events_per_second: float = 0.0
    first_at: int = 0
    last_at: int = 0

    def count_notices(self, notices: Mapping[tuple[str, str], int]) -> None:
        for (name, word), count in notices.items():
            key = f"{name}.{word}"
            self.notices[key] = self.notices.get(key, 0) + count


class _Line(msgspec.Struct, array_like=True, gc=False):
    event_id: str
    fingerprint: str | None
    disposition: Disposition | None
    reason: str
    scope: str
    node: int


_encoder = msgspec.json.Encoder()
_lines = msgspec.json.Decoder(_Line)


class _Queue:
    """Lines first in, first out: the first in memory, more of them on disk, the last few in memory again."""

    def __init__(self) -> None:
        self._head: deque[_Line] = deque()
        self._tail: deque[_Line] = deque()  # not yet on disk
        self._spool: IO[bytes] | None = None
        self._spooled = 0
        self._read_at = 0

    def __len__(self) -> int:
        return len(self._head) + self._spooled + len(self._tail)

    def push(self, line: _Line) -> None:
        if not self._spooled and not self._tail and len(self._head) < _MAX_WAITING:
            self._head.append(line)
            return
        self._tail.append(line)
        if len(self._tail) >= _MAX_TAIL:
            self._write()

    def first(self) -> _Line | None:
        if not self._head:
            if self._spooled:
                self._refill()
            else:
                self._head, self._tail = self._tail, self._head
        return self._head[0] if self._head else None

    def pop(self) -> None:
        self._head.popleft()

    def _write(self) -> None:
        """Append the tail to the file, which is read and written at two places: seldom, since each turn flushes."""
        if self._spool is None:
            self._spool = tempfile.TemporaryFile(prefix="correlator-")  # noqa: SIM115 - lives as long as the queue
        self._spool.seek(0, 2)
        self._spool.write(_encoder.encode_lines(self._tail))
        self._spooled += len(self._tail)
        self._tail.clear()

    def _refill(self) -> None:
        assert self._spool is not None
        self._spool.seek(self._read_at)
        for _ in range(min(self._spooled, _MAX_WAITING)):
            self._head.append(_lines.decode(self._spool.readline()))
            self._spooled -= 1
        self._read_at = self._spool.tell()
        if not self._spooled:
            self._read_at = 0
            self._spool.truncate(0)


class Assignments:
    """Assignments in input order; a line waits until the node it depends on has its verdict."""

    def __init__(self, sink: IO[bytes] | None) -> None:
        self._sink = sink
        self._waiting = _Queue()
        self._uses: dict[tuple[str, int], int] = {}  # lines that wait for a node
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
        if key in self._uses:
            self._verdicts[key] = verdict
        self._drain()

    def close(self, *, sealed: bool) -> None:
        """Write what is left. Where the end of the input `sealed` every fate, nothing is."""
        if sealed and self._waiting:
            raise AssertionError(f"{len(self._waiting)} events have no verdict")
        while (line := self._waiting.first()) is not None:
            self._waiting.pop()
            if line.disposition is None:
                line.disposition, line.reason = Disposition.SUPPRESSED, "pending"
            self._finish(line, self._verdicts.get((line.scope, line.node)))

    def _push(self, line: _Line) -> None:
        waits = bool(self._waiting)
        if line.node:
            key = (line.scope, line.node)
            self._uses[key] = self._uses.get(key, 0) + 1
        self._waiting.push(line)
        if not waits:  # else the first in the queue still waits for its verdict
            self._drain()

    def _drain(self) -> None:
        while (line := self._waiting.first()) is not None:
            verdict = self._verdicts.get((line.scope, line.node)) if line.node else None
            if line.node and verdict is None:
                return
            self._waiting.pop()
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
            write(
                self._sink,
                Assignment(
                    event_id=line.event_id,
                    fingerprint=line.fingerprint,
                    disposition=disposition,
                    reason=reason,
                    incident_id=verdict.incident_id if verdict else None,
                ),
            )


class Sinks:
    """Where what an engine says goes, and the figures of it."""

    def __init__(
        self,
        incidents: IO[bytes] | None = None,
        assignments: IO[bytes] | None = None,
        feedback: IO[bytes] | None = None,
    ) -> None:
        self._incidents = incidents
        self._feedback = feedback
        self._said: set[str] = set()  # deliveries; the log has each once a partition, and what was sent twice
        self.assignments = Assignments(assignments)
        self.summary = Summary()

    def count(self, event: AlertEvent) -> None:
        summary = self.summary
        summary.events += 1
        summary.firing_events += event.status == "firing"
        summary.first_at = summary.first_at or event.observed_at
        summary.last_at = event.observed_at

    def hear(self, feedback: Feedback) -> None:
        """Write what an operator said, once."""
        if self._feedback is not None and feedback.id not in self._said:
            self._said.add(feedback.id)
            write(self._feedback, feedback)

    def take(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if isinstance(output, Decision):
                self.summary.alerts += output.disposition is None
                self.assignments.decision(output)
            elif isinstance(output, Verdict):
                self.assignments.verdict(output)
            elif isinstance(output, Heard):
                pass  # what was said is written as it is in the log, also of incidents nobody knows
            else:
                self.summary.pages += output.page
                self.summary.incidents += output.action is Action.OPENED
                if self._incidents is not None:
                    write(self._incidents, output)

    def finish(self, *, sealed: bool) -> Summary:
        self.assignments.close(sealed=sealed)
        summary = self.summary
        summary.dispositions = {str(name): self.assignments.counts[name] for name in Disposition}
        if summary.firing_events:
            summary.noise_reduction = round(1 - summary.pages / summary.firing_events, 4)
        return summary


def write(sink: IO[bytes], value: object) -> None:
    """Write one value as a line of JSON."""
    sink.write(_encoder.encode(value) + b"\n")
