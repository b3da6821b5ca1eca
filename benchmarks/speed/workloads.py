"""Seeded workloads: graphs of any size, alerts that repeat, alerts that change, storms."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec

from correlator.domain import rfc3339
from topology.graph import Dependency, Service, ServiceGraph, TopologyDocument

#: Monday 2 March 2026, 00:00 UTC.
START = 1_772_409_600_000
_RULES = (
    ("HighErrorRate", "errors", "critical"),
    ("LatencyP99High", "latency", "warning"),
    ("CPUThrottlingHigh", "cpu", "warning"),
    ("MemoryUsageHigh", "memory", "warning"),
    ("RequestRateDropped", "traffic", "error"),
    ("DiskFillingUp", "disk", "warning"),
    ("ConnectionPoolExhausted", "pool", "error"),
    ("ServiceUnavailable", "down", "critical"),
)


def graph(services: int, *, calls: int = 6, seed: int = 1) -> ServiceGraph:
    """Return an acyclic graph in which each service calls some of those before it, a few of them very often.

    The choice is preferential (Barabási and Albert 1999), so there are hubs as in real systems.
    """
    draw = random.Random(seed)
    names = [f"service-{number:05d}" for number in range(services)]
    urn = [0]
    edges = []
    for number in range(1, services):
        chosen = {draw.choice(urn) if draw.random() < 0.6 else draw.randrange(number) for _ in range(calls)}
        edges += [Dependency(source=names[number], to=names[callee]) for callee in sorted(chosen)]
        urn += [*sorted(chosen), number]
    return ServiceGraph(
        TopologyDocument(
            services=tuple(Service(name=name, owner=f"team-{number % 40}") for number, name in enumerate(names)),
            dependencies=tuple(edges),
        )
    )


class Alert(msgspec.Struct, frozen=True):
    """One alert of a workload: a rule on a pod of a service."""

    number: int
    service: str
    rule: tuple[str, str, str]

    def line(self, event_id: str, at: int, *, began_at: int, resolved: bool = False) -> bytes:
        """Return what a sender says of it at one moment, as one line of JSON."""
        name, what, severity = self.rule
        value = (self.number * 7919 + at // 1000) % 10_000 / 100
        event = {
            "id": event_id,
            "source": "prometheus",
            "status": "resolved" if resolved else "firing",
            "name": name,
            "service": self.service,
            "severity": severity,
            "starts_at": rfc3339(began_at),
            "observed_at": rfc3339(at),
            "ends_at": rfc3339(at if resolved else at + 240_000),
            "labels": {"cluster": "prod", "namespace": "shop", "pod": f"{self.service}-7d9f8b6c5-{self.number:05d}"},
            "summary": f"{name}: {what} of {self.service} is {value:.2f}, above 80.00",
            "value": value,
            "threshold": 80.0,
        }
        return msgspec.json.encode(event)


def alerts(count: int, services: int) -> list[Alert]:
    """Return distinct alerts, spread over the services and then over the rules."""
    return [
        Alert(number, f"service-{number % services:05d}", _RULES[number // services % len(_RULES)])
        for number in range(count)
    ]


def repeats(count: int, *, among: int, services: int, interval_seconds: int = 60) -> Iterator[bytes]:
    """Yield `count` events of `among` alerts that all fire and are sent again every interval."""
    known = alerts(among, services)
    for number in range(count):
        turn, place = divmod(number, among)
        at = START + turn * interval_seconds * 1000 + place * interval_seconds * 1000 // among
        yield known[place].line(f"r-{number}", at, began_at=START + place * interval_seconds * 1000 // among)


def changes(count: int, *, among: int, services: int, per_second: int) -> Iterator[bytes]:
    """Yield `count` events of which each changes its alert: it begins to fire, or is resolved."""
    known = alerts(among, services)
    began: dict[int, int] = {}
    for number in range(count):
        turn, place = divmod(number, among)
        at = START + number * 1000 // per_second
        resolved = bool(turn % 2)
        began_at = began.pop(place) if resolved else began.setdefault(place, at)
        yield known[place].line(f"c-{number}", at, began_at=began_at, resolved=resolved)


def storm(known: ServiceGraph, *, services: int, seconds: int, repeats: int, seed: int = 1) -> list[tuple[int, bytes]]:
    """Return arrivals and lines of a storm: what is most depended upon goes down, and who depends on it alerts.

    `services` of them, nearest first, three alerts each, within `seconds`; then all are sent again every minute.
    """
    draw = random.Random(seed)
    hub = max(known.names(), key=lambda name: (len(known.dependents(name)), name))
    hit = [hub, *known.blast_radius(hub, limit=services - 1)]
    events = []
    for place, service in enumerate(hit):
        for rule in draw.sample(_RULES, 3):
            alert = Alert(int(service.rpartition("-")[2]), service, rule)
            began_at = START + draw.randrange(1000 * seconds) * (place > 0)
            for turn in range(repeats + 1):
                at = began_at + turn * 60_000
                events.append((at, alert.line(f"s-{place}-{rule[0]}-{turn}", at, began_at=began_at)))
    return sorted(events)


def day(count: int, *, services: int, seed: int = 1, firing: int = 700, longest_minutes: int = 60) -> Iterator[bytes]:
    """Yield `count` events of a day: about `firing` alerts fire at a time and are sent again every minute.

    Each lasts for up to `longest_minutes` and ends; another begins in its place, half of them on a pod that was never
    seen.
    """
    draw = random.Random(seed)
    total = alerts(services * len(_RULES), services)
    pods = len(total)
    running: list[tuple[Alert, int, int]] = []  # with its beginning and its end
    number = 0
    minute = 0
    while number < count:
        began = START + minute * 60_000
        minute += 1
        still: list[tuple[Alert, int, int]] = []
        for place, (alert, began_at, ends_at) in enumerate(running):
            at = began + place * 60_000 // firing
            over = at >= ends_at
            yield alert.line(f"d-{number}", at, began_at=began_at, resolved=over)
            number += 1
            if not over:
                still.append((alert, began_at, ends_at))
        running = still
        while len(running) < firing:
            known = draw.choice(total)
            if draw.random() < 0.5:
                pods += 1
                known = Alert(pods, known.service, known.rule)
            at = began + 59_999
            running.append((known, at, at + draw.randrange(60_000, 60_000 * longest_minutes)))
