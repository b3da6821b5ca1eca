"""Grow a blueprint: layers of services over shared hubs, stores, queues and hosts, with heavy-tailed degrees."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import msgspec
from numpy.random import Generator

from correlator.simulator.draws import Streams, chance, pick, sample
from correlator.simulator.parameters import Shape
from correlator.simulator.system import Blueprint, Bond, Tie, Vertex, VertexKind

# fmt: off
_DOMAINS = (
    "account", "address", "ads", "affiliate", "audit", "basket", "billing", "booking", "campaign", "cart", "catalog",
    "chat", "claims", "compliance", "content", "coupon", "credit", "customer", "delivery", "discount", "document",
    "dispatch", "exchange", "export", "feed", "finance", "fleet", "fraud", "fulfilment", "geo", "identity", "import",
    "insight", "inventory", "invoice", "kyc", "ledger", "legal", "loyalty", "mail", "marketing", "media", "member",
    "menu", "message", "metering", "notification", "offer", "onboarding", "order", "partner", "payout", "pricing",
    "product", "profile", "promo", "quota", "rating", "refund", "report", "return", "review", "reward", "risk",
    "route", "scoring", "search", "session", "settlement", "shipping", "sms", "stock", "subscription", "supplier",
    "support", "tax", "ticket", "translation", "trust", "vendor", "voucher", "wallet", "warehouse", "wishlist",
)
_PARTS = (
    "api", "service", "worker", "core", "engine", "adapter", "processor", "planner", "store-front", "sync", "query",
    "command", "builder", "resolver", "validator", "projector", "scheduler", "matcher", "calculator", "router",
)
# fmt: on
_GATES = ("gateway", "web-gateway", "mobile-gateway", "partner-gateway", "public-api", "admin-gateway", "edge-proxy")
_HUBS = (
    "auth",
    "config",
    "feature-flags",
    "service-discovery",
    "secrets",
    "session-hub",
    "rate-limits",
    "id-generator",
)
_EXTERNALS = ("card-network", "sms-carrier", "maps", "mail-relay", "tax-authority", "bank-link", "credit-bureau", "cdn")
_STORES = ("db", "postgres", "mongo", "index", "lake")

#: Out-degrees follow a Pareto law of this exponent, popularity of callees one of the other: few have many.
_OUT_EXPONENT = 2.1
_POPULARITY_EXPONENT = 1.3
_MOST_CALLS = 40


class _Layer(msgspec.Struct, frozen=True, kw_only=True):
    share: float
    tier: int


#: Shares of `services` by layer, shallowest first; what is left over are datastores, caches, queues and externals.
_LAYERS = (
    _Layer(share=0.03, tier=1),
    _Layer(share=0.13, tier=1),
    _Layer(share=0.34, tier=2),
    _Layer(share=0.27, tier=3),
)
_STORE_SHARE, _CACHE_SHARE, _QUEUE_SHARE, _EXTERNAL_SHARE = 0.12, 0.05, 0.03, 0.02


def grow(shape: Shape, streams: Streams) -> Blueprint:
    """Return a system of the given shape."""
    names = _Names(streams.of("names"))
    count = shape.services
    hubs = [names.of(_HUBS, owner="platform", tier=1) for _ in range(max(2, round(shape.hub_share * count)))]
    layers = [
        [names.gate() if depth == 0 else names.service(layer.tier) for _ in range(max(1, round(layer.share * count)))]
        for depth, layer in enumerate(_LAYERS)
    ]
    callers = [vertex for layer in layers for vertex in layer]
    stores = [names.store(pick(streams.of("store", str(n)), callers)) for n in range(round(_STORE_SHARE * count))]
    caches = [
        names.of(("cache", "redis", "memcached"), kind=VertexKind.DATASTORE, owner="platform", tier=3)
        for _ in range(round(_CACHE_SHARE * count))
    ]
    queues = [
        names.of(("events", "jobs", "kafka", "tasks"), kind=VertexKind.QUEUE, owner="platform", tier=2)
        for _ in range(round(_QUEUE_SHARE * count))
    ]
    externals = [
        names.of(_EXTERNALS, kind=VertexKind.EXTERNAL, owner=None, tier=None)
        for _ in range(round(_EXTERNAL_SHARE * count))
    ]
    placed = [*hubs, *callers, *stores, *caches, *queues]
    hosts = [
        Vertex(name=f"node-{n:04d}", kind=VertexKind.HOST, owner="infrastructure")
        for n in range(1, 1 + max(2, round(len(placed) / shape.services_per_host)))
    ]
    ties = [
        *_calls(layers, shape, streams.of("calls")),
        *_hub_calls(callers, hubs, shape, streams.of("hub calls")),
        *_store_calls([*hubs, *callers], stores, caches, streams.of("stores")),
        *_queue_ties(layers[2] + layers[3], queues, streams.of("queues")),
        *_external_calls(callers, externals, streams.of("externals")),
        *_cycles(layers, shape, streams.of("cycles")),
        *_placements(placed, hosts, streams.of("placements")),
    ]
    return Blueprint(vertices=(*placed, *externals, *hosts), ties=_distinct(ties))


class _Names:
    """Hand out names that no two vertices share."""

    def __init__(self, stream: Generator) -> None:
        self._stream = stream
        self._used: dict[str, int] = {}

    def of(
        self,
        choices: Sequence[str],
        *,
        kind: VertexKind = VertexKind.SERVICE,
        owner: str | None,
        tier: int | None,
    ) -> Vertex:
        return Vertex(name=self._free(pick(self._stream, choices)), kind=kind, owner=owner, tier=tier)

    def gate(self) -> Vertex:
        return self.of(_GATES, owner="edge", tier=1)

    def service(self, tier: int) -> Vertex:
        domain = pick(self._stream, _DOMAINS)
        return Vertex(name=self._free(f"{domain}-{pick(self._stream, _PARTS)}"), owner=f"team-{domain}", tier=tier)

    def store(self, user: Vertex) -> Vertex:
        domain = user.name.split("-")[0]
        name = self._free(f"{domain}-{pick(self._stream, _STORES)}")
        return Vertex(name=name, kind=VertexKind.DATASTORE, owner=user.owner, tier=user.tier)

    def _free(self, name: str) -> str:
        times = self._used[name] = self._used.get(name, 0) + 1
        return name if times == 1 else f"{name}-{times}"


class _Popularity:
    """Draw vertices so that few are wanted by many."""

    def __init__(self, vertices: Sequence[Vertex], stream: Generator) -> None:
        self._vertices = vertices
        self._stream = stream
        self._sums = list(accumulate((1 - stream.random()) ** (-1 / _POPULARITY_EXPONENT) for _ in vertices))

    def draw(self) -> Vertex:
        return self._vertices[bisect_right(self._sums, self._stream.random() * self._sums[-1])]


def _calls(layers: Sequence[Sequence[Vertex]], shape: Shape, stream: Generator) -> list[Tie]:
    """Let each service call deeper layers, mostly the next one; the deepest layer calls among itself, forwards."""
    ties = []
    popular = [_Popularity(layer, stream) for layer in layers]
    for depth, layer in enumerate(layers[:-1]):
        for caller in layer:
            for _ in range(_out_degree(shape.mean_calls, stream)):
                near = depth + 1 == len(layers) - 1 or chance(stream, 0.75)
                callee = popular[depth + 1 if near else len(layers) - 1].draw()
                ties.append(Tie(dependent=caller.name, dependency=callee.name))
    for layer in layers[2:]:
        for place, caller in enumerate(layer[:-1]):
            if chance(stream, 0.35):
                ties.append(Tie(dependent=caller.name, dependency=pick(stream, layer[place + 1 :]).name))
    return ties


def _out_degree(mean: float, stream: Generator) -> int:
    least = mean * (_OUT_EXPONENT - 1) / _OUT_EXPONENT
    return min(_MOST_CALLS, max(1, round(float(least * (1 - stream.random()) ** (-1 / _OUT_EXPONENT)))))


def _hub_calls(callers: Sequence[Vertex], hubs: Sequence[Vertex], shape: Shape, stream: Generator) -> list[Tie]:
    """Let hubs be called by very unequal shares of all services, `hub_call_share` for the first one."""
    return [
        Tie(dependent=caller.name, dependency=hub.name)
        for rank, hub in enumerate(hubs)
        for caller in callers
        if chance(stream, shape.hub_call_share / (1 + rank))
    ]


def _store_calls(
    users: Sequence[Vertex], stores: Sequence[Vertex], caches: Sequence[Vertex], stream: Generator
) -> list[Tie]:
    ties = []
    for kinds, share in ((stores, 0.5), (caches, 0.25)):
        if not kinds:
            continue
        popular = _Popularity(kinds, stream)
        ties += [Tie(dependent=user.name, dependency=popular.draw().name) for user in users if chance(stream, share)]
    return ties


def _queue_ties(services: Sequence[Vertex], queues: Sequence[Vertex], stream: Generator) -> list[Tie]:
    """Give each queue producers that call it and consumers; half the consumers feel their producers directly too."""
    ties = []
    for queue in queues:
        producers = sample(stream, services, 1 + int(3 * stream.random()))
        consumers = [one for one in sample(stream, services, 1 + int(4 * stream.random())) if one not in producers]
        ties += [Tie(dependent=one.name, dependency=queue.name) for one in producers]
        for consumer in consumers:
            ties.append(Tie(dependent=consumer.name, dependency=queue.name, bond=Bond.CONSUMES))
            if chance(stream, 0.5):
                producer = pick(stream, producers)
                ties.append(Tie(dependent=consumer.name, dependency=producer.name, bond=Bond.CONSUMES))
    return ties


def _external_calls(callers: Sequence[Vertex], externals: Sequence[Vertex], stream: Generator) -> list[Tie]:
    return [
        Tie(dependent=caller.name, dependency=external.name, bond=Bond.DEPENDS_ON)
        for external in externals
        for caller in sample(stream, callers, 1 + int(3 * stream.random()))
    ]


def _cycles(layers: Sequence[Sequence[Vertex]], shape: Shape, stream: Generator) -> list[Tie]:
    """Let a few deep services call shallow ones back."""
    calls = shape.mean_calls * sum(len(layer) for layer in layers)
    return [
        Tie(dependent=pick(stream, layers[3]).name, dependency=pick(stream, layers[1]).name)
        for _ in range(round(shape.cycle_share * calls))
    ]


def _placements(placed: Sequence[Vertex], hosts: Sequence[Vertex], stream: Generator) -> list[Tie]:
    return [Tie(dependent=vertex.name, dependency=pick(stream, hosts).name, bond=Bond.RUNS_ON) for vertex in placed]


def _distinct(ties: Sequence[Tie]) -> tuple[Tie, ...]:
    """Keep the first tie between two vertices, and none of a vertex to itself."""
    kept: dict[tuple[str, str], Tie] = {}
    for tie in ties:
        if tie.dependent != tie.dependency:
            kept.setdefault((tie.dependent, tie.dependency), tie)
    return tuple(kept.values())
