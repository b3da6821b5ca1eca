"""What does it cost in quality to cut one giant scope into parts that separate engines correlate?

python -m benchmarks.scale.cut [--services N] [--faults N] [--parts N ...] [--seed N]

A system of ten thousand services is simulated (the preset `day`, an hour after half an hour of warm-up, faults and
noise), and its stream correlated as a whole by the real engine. Then the observed graph is cut: cycles are contracted,
so none is cut, communities found (Louvain) and packed into parts of equal size; beside it, as a yardstick, services are
placed by a hash. Each part gets its own engine and the part of the graph within it. Last the incidents of all parts are
merged at their roots: one whose root depends, over at most two hops of the whole graph, on a service of another part's
incident that began within a correlation window of it is explained by that one. Judged on the labelled alerts.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import networkx as nx

from correlator.config import Config
from correlator.domain import AlertEvent, Disposition
from correlator.engine.engine import Engine
from correlator.formats import canonical
from correlator.formats.naming import Namer
from correlator.scoring.inputs import Truth, read_truth
from correlator.scoring.partition import b_cubed
from correlator.simulator.parameters import overridden
from correlator.simulator.presets import preset
from correlator.simulator.simulation import simulate
from correlator.simulator.writing import ALERTS, TOPOLOGY, TRUTH, write
from correlator.sinks import Assignment, Sinks
from topology.graph import ServiceGraph, TopologyDocument
from topology.sources import file as topology_file

PartOf = Mapping[str, int]

_COLUMNS = (
    "correlated",
    "cut dependencies",
    "precision",
    "recall",
    "B-cubed",
    "incidents a fault",
    "root right",
    "slowest part, s",
)


class Told(msgspec.Struct, frozen=True):
    """One published incident: its last root, its services, when it began (milliseconds), and in which part."""

    id: str
    root: str
    services: frozenset[str]
    began_at: int
    part: int


class Outcome(msgspec.Struct):
    """What one engine, or several, made of the stream."""

    found: dict[str, str] = {}  # event -> incident
    told: dict[str, Told] = {}
    seconds: float = 0.0  # of the processor
    slowest: float = 0.0  # of them the longest part


class _Step(msgspec.Struct):
    """The fields of an incident event that are needed here."""

    incident_id: str
    root_cause: _Root
    services: list[str]
    started_at: str
    merged_into: str | None


class _Root(msgspec.Struct):
    service: str


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.cut", description=__doc__)
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--parts", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    events, graph, truth = _simulated(options.services, options.faults, options.seed)
    size = f"{len(graph):,} services, {graph.edge_count:,} dependencies"
    print(f"{size}, {len(events):,} events, {len(truth.cases)} faults\n")
    print(f"| {' | '.join(_COLUMNS)} |\n| --- |{' ---: |' * (len(_COLUMNS) - 1)}")
    whole = run(dict.fromkeys(graph.names(), 0), graph, events)
    print(_row("whole", 0.0, whole, events, truth), flush=True)
    for count in options.parts:
        hashed = {name: by_hash(name, count) for name in graph.names()}
        for way, part_of in (("communities", by_communities(graph, count, options.seed)), ("hash", hashed)):
            apart = run(part_of, graph, events)
            lost = cut_share(graph, part_of)
            print(_row(f"{count} parts by {way}", lost, apart, events, truth), flush=True)
            merged = at_their_roots(apart, graph, Config())
            print(_row(f"{count} parts by {way}, merged", lost, merged, events, truth), flush=True)


def _simulated(services: int, faults: int, seed: int) -> tuple[list[AlertEvent], ServiceGraph, Truth]:
    """Return the named events of a simulation, the graph as an observer sees it, and the truth."""
    settings = [f"shape.services={services}", f"faults.count={faults}", "warm_up_seconds=1800", "seconds=3600"]
    with TemporaryDirectory(prefix="correlator-scale-") as name:
        folder = Path(name)
        write(simulate(overridden(preset("day"), settings), seed), folder)
        graph = topology_file.load(folder / TOPOLOGY)
        namer = Namer(Config().naming, graph)
        events = []
        for line in (folder / ALERTS).read_bytes().splitlines():
            parsed = canonical.parse(line)
            observed_at = parsed.observed_at or parsed.starts_at
            events.append(namer.name(parsed, event_id=parsed.id or "", observed_at=observed_at))
        return events, graph, read_truth(folder / TRUTH)


# -- cutting -------------------------------------------------------------------------------------------------------


def by_hash(name: str, parts: int) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest()) % parts


def by_communities(graph: ServiceGraph, parts: int, seed: int) -> PartOf:
    """Pack communities of the graph, cycles kept whole, into parts of about equal size, the largest first."""
    condensed = nx.condensation(graph.networkx)
    members: dict[int, set[str]] = {node: data["members"] for node, data in condensed.nodes(data=True)}
    communities = nx.community.louvain_communities(condensed.to_undirected(), seed=seed)
    sized = sorted(
        ([name for node in sorted(nodes) for name in sorted(members[node])] for nodes in communities),
        key=lambda names: (-len(names), names),
    )
    sizes = [0] * parts
    part_of: dict[str, int] = {}
    for names in sized:
        least = min(range(parts), key=lambda number: (sizes[number], number))
        sizes[least] += len(names)
        part_of |= dict.fromkeys(names, least)
    return part_of


def cut_share(graph: ServiceGraph, part_of: PartOf) -> float:
    """Return which share of the dependencies lies between parts."""
    edges = graph.document.dependencies
    return sum(part_of[edge.source] != part_of[edge.to] for edge in edges) / max(len(edges), 1)


def _within(graph: ServiceGraph, part_of: PartOf, part: int) -> ServiceGraph:
    document = graph.document
    return ServiceGraph(
        TopologyDocument(
            services=tuple(service for service in document.services if part_of[service.name] == part),
            dependencies=tuple(
                edge for edge in document.dependencies if part_of[edge.source] == part_of[edge.to] == part
            ),
        )
    )


# -- correlating ---------------------------------------------------------------------------------------------------


def run(part_of: PartOf, graph: ServiceGraph, events: Sequence[AlertEvent]) -> Outcome:
    """Let one engine a part correlate its part of the stream."""
    parts = max(part_of.values()) + 1
    shares: dict[int, list[AlertEvent]] = defaultdict(list)
    for event in events:
        # An unknown service lies where its name is hashed to.
        shares[part_of.get(event.service, by_hash(event.service, parts))].append(event)
    outcome = Outcome()
    for part in range(parts):
        begun = time.process_time()
        inner = graph if parts == 1 else _within(graph, part_of, part)
        _run_one(inner, shares[part], part, outcome)
        spent = time.process_time() - begun
        outcome.seconds += spent
        outcome.slowest = max(outcome.slowest, spent)
    return outcome


def _run_one(graph: ServiceGraph, events: Iterable[AlertEvent], part: int, outcome: Outcome) -> None:
    engine = Engine(Config())
    incidents, assignments = BytesIO(), BytesIO()
    sinks = Sinks(incidents, assignments)
    started = False
    for event in events:
        if not started:
            sinks.take(engine.use_topology(graph, event.observed_at))
            started = True
        sinks.count(event)
        sinks.take(engine.on_event(event, event.observed_at))
    while (due := engine.next_due()) is not None:
        sinks.take(engine.tick(due))
    sinks.finish(sealed=True)
    into: dict[str, str] = {}
    for line in incidents.getvalue().splitlines():
        step = msgspec.json.decode(line, type=_Step)
        if step.merged_into is not None:
            into[step.incident_id] = step.merged_into
        began_at = round(msgspec.convert(step.started_at, type=datetime).timestamp() * 1000)
        outcome.told[step.incident_id] = Told(
            step.incident_id, step.root_cause.service, frozenset(step.services), began_at, part
        )
    for line in assignments.getvalue().splitlines():
        assigned = msgspec.json.decode(line, type=Assignment)
        if assigned.incident_id is not None and assigned.disposition is not Disposition.RESOLVED:
            outcome.found[assigned.event_id] = _end(assigned.incident_id, into)


def _end(name: str, into: Mapping[str, str]) -> str:
    while name in into:
        name = into[name]
    return name


def at_their_roots(apart: Outcome, graph: ServiceGraph, config: Config) -> Outcome:
    """Return the outcome with incidents of different parts made one where the root of one depends on the other."""
    window_ms = 1000 * config.correlation_window_seconds
    by_service: dict[str, list[Told]] = defaultdict(list)
    for told in apart.told.values():
        for service in told.services:
            by_service[service].append(told)
    into: dict[str, str] = {}
    for told in sorted(apart.told.values(), key=lambda one: (one.began_at, one.id)):
        causes = [
            (hops, abs(other.began_at - told.began_at), other.id)
            for hops, service in _below(graph, told.root, config.max_hops)
            for other in by_service.get(service, ())
            if other.part != told.part and abs(other.began_at - told.began_at) <= window_ms
        ]
        for _, _, cause in sorted(causes):
            if _end(cause, into) != told.id:
                into[told.id] = cause
                break
    return Outcome(
        found={event: _end(name, into) for event, name in apart.found.items()},
        told=apart.told,
        seconds=apart.seconds,
        slowest=apart.slowest,
    )


def _below(graph: ServiceGraph, service: str, hops: int) -> Iterator[tuple[int, str]]:
    """Yield what a service depends on, with the distance."""
    ring, seen = {service}, {service}
    for distance in range(1, hops + 1):
        ring = {to for name in ring for to, _ in graph.dependencies(name)} - seen
        seen |= ring
        for name in sorted(ring):
            yield distance, name


# -- judging -------------------------------------------------------------------------------------------------------


def _row(what: str, cut: float, outcome: Outcome, events: Iterable[AlertEvent], truth: Truth) -> str:
    cases, groups = _labelled(outcome, events, truth)
    agreement = b_cubed(cases, groups)
    held: dict[Hashable, Counter[Hashable]] = defaultdict(Counter)
    for case, group in zip(cases, groups, strict=True):
        if group in outcome.told:
            held[case][group] += 1
    spread = sum(len(found) for found in held.values()) / max(len(held), 1)
    roots = {case.name: case.roots for case in truth.cases}
    right = sum(outcome.told[str(found.most_common(1)[0][0])].root in roots[str(case)] for case, found in held.items())
    return (
        f"| {what} | {cut:.0%} | {agreement.precision:.3f} | {agreement.recall:.3f} | {agreement.f_score:.3f} "
        f"| {spread:.2f} | {right / max(len(held), 1):.2f} | {outcome.slowest:.0f} |"
    )


def _labelled(outcome: Outcome, events: Iterable[AlertEvent], truth: Truth) -> tuple[list[Hashable], list[Hashable]]:
    """Return the true and the found group of each labelled alert, once however often it was sent; None is alone."""
    scored = {case.name for case in truth.cases}
    groups: dict[tuple[str, str], str | None] = {}
    for event in events:
        case = truth.labels.get(event.id)
        if case in scored:
            key = (case, event.fingerprint)
            groups[key] = groups.get(key) or outcome.found.get(event.id)
    found: list[Hashable] = [key if group is None else group for key, group in groups.items()]
    return [case for case, _ in groups], found


if __name__ == "__main__":
    main()
