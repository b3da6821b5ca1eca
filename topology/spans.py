"""Dependencies out of spans: pairs the two sides of a call, within bounds of memory and time.

A call is a span of the callee whose parent is a span of another service. The sides come in any order, in different
messages; a half whose other side does not come within its time tells what its attributes name: a database, a queue, a
peer. As the servicegraph connector of the OpenTelemetry collector does; names of peers in the order of Grafana Tempo.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from enum import IntEnum

import msgspec

from topology.findings import Findings, FoundDependency, FoundService, observed
from topology.graph import DependencyType, ServiceKind
from topology.names import is_outside, service_name

#: The sides of a call leave their collectors within seconds; a batch may wait ten.
HALF_LIFE_MS = 30_000
#: A half is some 500 bytes, so 100 MB.
MAX_HALVES = 200_000
#: Dependencies in one harvest; a name with an id in it makes new ones without end.
MAX_EDGES = 50_000


class SpanKind(IntEnum):
    """As in `trace.proto`."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """What of a span tells of a call. Ids are lower-case hex, of trace and span in one."""

    id: str
    parent: str
    service: str
    kind: SpanKind
    #: What it called, by the name the caller uses, and what that is.
    peer: str = ""
    peer_kind: ServiceKind | None = None
    #: Spans that it goes on from without being their child: what a consumer read.
    links: tuple[str, ...] = ()


class _Half(msgspec.Struct):
    span: Span
    expires_at: int
    is_paired: bool = False


class SpanPairs:
    """The open halves of calls and the dependencies found since the last harvest. Time is an argument."""

    def __init__(
        self, *, half_life_ms: int = HALF_LIFE_MS, max_halves: int = MAX_HALVES, max_edges: int = MAX_EDGES
    ) -> None:
        self._half_life_ms = half_life_ms
        self._max_halves = max_halves
        self._max_edges = max_edges
        #: Spans by id, oldest first, and those that wait for a parent, by its id.
        self._halves: OrderedDict[str, _Half] = OrderedDict()
        self._waiting: dict[str, list[str]] = {}
        self._edges: dict[tuple[str, str, DependencyType, bool], int] = {}
        self._services: dict[str, ServiceKind] = {}
        #: Dependencies that were not taken up because there were too many.
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._halves)

    def add(self, spans: Iterable[Span], now: int) -> None:
        """Take up spans that arrived at `now`; it never goes back."""
        self._expire(now)
        for span in spans:
            if span.id in self._halves:
                continue  # delivered twice
            half = _Half(span, now + self._half_life_ms)
            self._halves[span.id] = half
            self._find_parents(half)
            self._find_children(half)
            if len(self._halves) > self._max_halves:
                self._let_go(*self._halves.popitem(last=False))

    def harvest(self, now: int) -> Findings:
        """Return the dependencies found since the last harvest."""
        self._expire(now)
        edges = [
            FoundDependency(source=source, to=to, type=type_, calls=calls, one_sided=one_sided)
            for (source, to, type_, one_sided), calls in sorted(self._edges.items())
        ]
        services = [FoundService(name=name, kind=kind) for name, kind in sorted(self._services.items())]
        self._edges, self._services = {}, {}
        return observed(edges, services=services, is_increment=True)

    def _find_parents(self, half: _Half) -> None:
        span = half.span
        if span.kind not in (SpanKind.SERVER, SpanKind.CONSUMER):
            return
        for parent in filter(None, dict.fromkeys((span.parent, *span.links))):
            if (other := self._halves.get(parent)) is not None:
                self._pair(other, half)
            else:
                self._waiting.setdefault(parent, []).append(span.id)

    def _find_children(self, half: _Half) -> None:
        for child in self._waiting.pop(half.span.id, ()):
            if (other := self._halves.get(child)) is not None:
                self._pair(half, other)

    def _pair(self, parent: _Half, child: _Half) -> None:
        parent.is_paired = child.is_paired = True
        if parent.span.kind is SpanKind.PRODUCER or child.span.kind is SpanKind.CONSUMER:
            # The fault of a producer reaches who reads from it, so the reader is the one that depends.
            self._count(child.span.service, parent.span.service, DependencyType.CONSUMES)
        else:
            self._count(parent.span.service, child.span.service, DependencyType.CALLS)

    def _expire(self, now: int) -> None:
        while self._halves:
            first = next(iter(self._halves))
            if self._halves[first].expires_at > now:
                return
            self._let_go(first, self._halves.pop(first))

    def _let_go(self, key: str, half: _Half) -> None:
        span = half.span
        for parent in (span.parent, *span.links):
            waiting = self._waiting.get(parent)
            if waiting is not None and key in waiting:
                waiting.remove(key)
                if not waiting:
                    del self._waiting[parent]
        if half.is_paired or not span.peer:
            return
        if span.kind is SpanKind.CLIENT:
            # A database sends no spans: there is no other side to wait for.
            one_sided = span.peer_kind is not ServiceKind.DATASTORE
            self._count(span.service, span.peer, DependencyType.CALLS, one_sided=one_sided)
        elif span.kind is SpanKind.CONSUMER:
            self._count(span.service, span.peer, DependencyType.CONSUMES)
        elif span.kind is SpanKind.PRODUCER:
            # What a queue holds comes from its producers: their fault starves it.
            self._count(span.peer, span.service, DependencyType.CONSUMES)
        if span.peer_kind is not None and len(self._services) < self._max_edges:
            self._services[span.peer] = span.peer_kind

    def _count(self, source: str, to: str, type_: DependencyType, *, one_sided: bool = False) -> None:
        if not source or not to or source == to:
            return
        key = (source, to, type_, one_sided)
        if key not in self._edges and len(self._edges) >= self._max_edges:
            self.dropped += 1
            return
        self._edges[key] = self._edges.get(key, 0) + 1


#: What names the callee of a span, first of all by who it says it is.
_PEER_KEYS = ("peer.service", "server.address", "net.peer.name", "network.peer.address", "net.sock.peer.addr")
_DATABASE_KEYS = ("db.namespace", "db.name")
_DATABASE_SYSTEM_KEYS = ("db.system.name", "db.system")
_DESTINATION_KEYS = ("messaging.destination.name", "messaging.destination")
PEER_ATTRIBUTES = _PEER_KEYS + _DATABASE_KEYS + _DATABASE_SYSTEM_KEYS + _DESTINATION_KEYS


def peer_of(kind: SpanKind, attributes: dict[str, str]) -> tuple[str, ServiceKind | None]:
    """Return what a span's attributes name as its other side, and what that is; empty where they name nothing."""
    if kind in (SpanKind.PRODUCER, SpanKind.CONSUMER):
        return next(_named(attributes, _DESTINATION_KEYS), ""), ServiceKind.QUEUE
    if kind is not SpanKind.CLIENT:
        return "", None
    system = next(_named(attributes, _DATABASE_SYSTEM_KEYS), "")
    keys = _PEER_KEYS + (_DATABASE_KEYS + _DATABASE_SYSTEM_KEYS if system else ())
    peer = next(_named(attributes, keys), "")
    if system:
        return peer, ServiceKind.DATASTORE
    return peer, ServiceKind.EXTERNAL if is_outside(peer) else None


def _named(attributes: dict[str, str], keys: Iterable[str]) -> Iterator[str]:
    for key in keys:
        if name := service_name(attributes.get(key, "")):
            yield name
