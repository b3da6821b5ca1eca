"""The course of events as the engines saw it: applied once, kept, and gone through again with something changed.

What is kept is every event that was applied, so the memory needed grows with the input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from correlator import warm
from correlator.config import Config
from correlator.domain import AlertEvent, Feedback
from correlator.engine.background import rule
from correlator.engine.decisions import Decision, Output
from correlator.engine.engine import Engine
from correlator.engine.ranking import Ranker
from correlator.engine.state import Scope, State, WarmStart
from correlator.explain.edits import Edit
from correlator.formats import log
from correlator.partition import Partition, arrived
from topology.graph import ServiceGraph


class Step(NamedTuple):
    """One record of one partition of the event log."""

    partition: int
    record: log.Part
    written_at: int | None = None  # when the broker wrote it down, milliseconds


class Item(NamedTuple):
    """What was applied: an event, an operator's word, or what holds from then on: a graph, a ranker, a warm start."""

    at: int
    partition: int
    what: AlertEvent | Feedback | ServiceGraph | Ranker | WarmStart


class Said(NamedTuple):
    """One thing an engine said, while its state is the one it speaks of; only decisions come a little later.

    `applied` is how many items were applied before; those at the same instant come after.
    """

    partition: int
    engine: Engine
    output: Output
    applied: int


class Course:
    """Apply the input and tell a listener of all that is said.

    Args:
        graphs: the versions of the graph that the input names.
        ranker: names the roots until the input names a model.
    """

    def __init__(
        self,
        config: Config,
        graphs: Mapping[str, ServiceGraph],
        *,
        ranker: Ranker | None,
        listen: Callable[[Said], None],
    ) -> None:
        self.config = config
        self.ranker = ranker
        self.items: list[Item] = []
        self._graphs = graphs
        self._listen = listen
        self._partitions: dict[int, Partition] = {}

    def run(self, steps: Iterable[Step], *, sealed: bool) -> None:
        """Apply all of the input; where its end `sealed` all, let time go on until nothing is pending.

        Raises:
            LogError: the input names a version of the graph that was not given.
        """
        for step in steps:
            self._apply(step)
        if sealed:
            for engine in self.engines():
                while (due := engine.next_due()) is not None:
                    engine.tick(due)

    def engines(self) -> Iterator[Engine]:
        """Yield the engines as they are now, in the order of their partitions."""
        for number in sorted(self._partitions):
            yield self._partitions[number].engine

    def numbered(self) -> Iterator[tuple[int, Engine]]:
        """Yield the engines with their partitions."""
        yield from zip(sorted(self._partitions), self.engines(), strict=True)

    def _apply(self, step: Step) -> None:
        number, record, written_at = step
        partition = self._partitions.get(number)
        if partition is None:
            partition = self._begin(number)
        decided = False
        if self.config.worker.clock != "wall":
            written_at = None
        for output in partition.apply(record, self._graphs, written_at=written_at):
            if isinstance(output, Decision):
                decided = True
                self._listen(Said(number, partition.engine, output, len(self.items)))
        at = partition.engine.now
        if isinstance(record, log.TopologyVersion):
            self.items.append(Item(at, number, self._graphs[record.version]))
        elif isinstance(record, log.ModelVersion):
            self.items.append(Item(at, number, partition.engine.ranker))
        elif isinstance(record, log.WarmStart):
            self.items.append(Item(at, number, warm.of_record(record)))
        elif isinstance(record, log.Said):
            self.items.append(Item(at, number, record.feedback))
        elif isinstance(record, log.Alerts) and decided:
            self.items += (
                Item(at, number, event if at == record.at else arrived(event, at)) for event in record.events
            )

    def _begin(self, number: int) -> Partition:
        def witness(output: Output) -> None:
            self._listen(Said(number, partition.engine, output, len(self.items)))

        partition = Partition(self.config, self._graphs, ranker=self.ranker, witness=witness)
        self._partitions[number] = partition
        return partition

    def stretch(self, partition: int, scope: str, since: int, until: int) -> Stretch:
        """Return the part of one scope's course that begins with the events that arrived at `since`.

        Args:
            until: how many items belong to it or were before it.
        """
        own = [
            item
            for item in self.items[:until]
            if item.partition == partition and not (isinstance(item.what, AlertEvent) and item.what.scope != scope)
        ]
        start = next((place for place, item in enumerate(own) if item.at >= since), len(own))
        engine = Engine(self.config, ranker=self.ranker)
        graph = _play(engine, own[:start], ServiceGraph.empty(), lambda graph: graph)
        return Stretch(
            config=self.config,
            ranker=engine.ranker,
            state=msgspec.msgpack.encode(engine.state),
            graph=graph,
            scope=scope,
            items=own[start:],
        )


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the course of one scope, from a state on; it can be gone through again and again.

    What is in different scopes is never correlated, so the others are left out.
    """

    config: Config
    ranker: Ranker
    state: bytes
    graph: ServiceGraph
    scope: str
    items: list[Item]

    def fired_before(self, service: str, names: Iterable[str]) -> list[str]:
        """Return those of some rules that had fired on a service before it begins."""
        scope = msgspec.msgpack.decode(self.state, type=State).scopes.get(self.scope)
        rates = scope.background.pairs.get(service, {}) if scope is not None else {}
        return [name for name in names if rule(name, service) in rates]

    def again(self, edit: Edit, until: int, witness: Callable[[Engine, Output], None] | None = None) -> Engine:
        """Go through it with something changed; return the engine as it is at `until`."""

        def heard(output: Output) -> None:
            if witness is not None:
                witness(engine, output)

        state = msgspec.msgpack.decode(self.state, type=State)
        edit.scope(state.scopes.get(self.scope) or Scope(name=self.scope))
        graph = edit.graph(self.graph)
        engine = Engine(self.config, ranker=self.ranker, state=state, graph=graph, witness=heard)
        events = [item.what for item in self.items if isinstance(item.what, AlertEvent)]
        changed = edit.events(events)
        items = [item for item in self.items if not isinstance(item.what, AlertEvent)]
        if changed is events:
            items = self.items
        else:
            items += (Item(event.observed_at, 0, event) for event in changed)
            items.sort(key=lambda item: item.at)
        _play(engine, (item for item in items if item.at <= until), graph, edit.graph)
        engine.tick(until)
        return engine


def _play(
    engine: Engine, items: Iterable[Item], graph: ServiceGraph, changed: Callable[[ServiceGraph], ServiceGraph]
) -> ServiceGraph:
    """Apply the items; return the version of the graph that holds at their end."""
    for item in items:
        if isinstance(item.what, ServiceGraph):
            graph = item.what
            engine.use_topology(changed(graph), item.at)
        elif isinstance(item.what, Feedback):
            engine.on_feedback(item.what, item.at)
        elif isinstance(item.what, AlertEvent):
            engine.on_event(item.what, item.at)
        elif isinstance(item.what, WarmStart):
            engine.use_warm_start(item.what, item.at)
        else:
            engine.use_ranker(item.what, item.at)
    return graph
