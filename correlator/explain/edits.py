"""Changes of the input: what could have been otherwise, in words and as it is applied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from correlator.domain import AlertEvent, Severity, Status
from correlator.engine.background import rule
from correlator.engine.state import Scope
from correlator.explain import wording
from topology.graph import ServiceGraph, TopologyDocument

Events = list[AlertEvent]


def _same(events: Events) -> Events:
    return events


def _same_graph(graph: ServiceGraph) -> ServiceGraph:
    return graph


def _same_scope(scope: Scope) -> None:
    del scope


class Edit(msgspec.Struct, frozen=True):
    """One change. It is applied to the events of a scope, to each version of the graph, and to what was learned."""

    words: str
    events: Callable[[Events], Events] = _same
    graph: Callable[[ServiceGraph], ServiceGraph] = _same_graph
    scope: Callable[[Scope], None] = _same_scope


NOTHING = Edit("as it was")


def together(*several: Edit) -> Edit:
    """Let several changes have been, one applied after the other."""

    def events(known: Events) -> Events:
        for edit in several:
            known = edit.events(known)
        return known

    def graph(known: ServiceGraph) -> ServiceGraph:
        for edit in several:
            known = edit.graph(known)
        return known

    def scope(known: Scope) -> None:
        for edit in several:
            edit.scope(known)

    return Edit(" and ".join(edit.words for edit in several), events=events, graph=graph, scope=scope)


def without(words: str, fingerprints: Iterable[str]) -> Edit:
    """Let some alerts never have come."""
    gone = frozenset(fingerprints)
    return Edit(words, events=lambda events: [event for event in events if event.fingerprint not in gone])


def also(words: str, event: AlertEvent) -> Edit:
    """Let one more alert have come, before the others of its instant."""
    return Edit(words, events=lambda events: [event, *events])


def earlier(words: str, fingerprints: Iterable[str], seconds: float, not_before: int) -> Edit:
    """Let some alerts have begun and arrived earlier, but not before an instant."""
    moved, shift = frozenset(fingerprints), round(1000 * seconds)

    def shifted(event: AlertEvent) -> AlertEvent:
        if event.fingerprint not in moved or event.status is not Status.FIRING:
            return event
        # The lease stays what it was: only the beginning moves.
        return _with(event, starts_at=event.starts_at - shift, observed_at=max(not_before, event.observed_at - shift))

    return Edit(words, events=lambda events: [shifted(event) for event in events])


def cut(source: str, to: str) -> Edit:
    """Let the graph not know a dependency."""

    def less(graph: ServiceGraph) -> ServiceGraph:
        known = graph.document
        kept = tuple(edge for edge in known.dependencies if (edge.source, edge.to) != (source, to))
        if len(kept) == len(known.dependencies):
            return graph
        return ServiceGraph(TopologyDocument(services=known.services, dependencies=kept, instances=known.instances))

    return Edit(f"if the graph did not say that {source} depends on {to}", graph=less)


def lasting(fingerprints: Iterable[str], started_at: int, seconds: int) -> Edit:
    """Let some alerts fire for so long, from their first start."""
    held = frozenset(fingerprints)
    end = started_at + 1000 * seconds

    def longer(events: Events) -> Events:
        changed: Events = []
        latest: dict[str, AlertEvent] = {}
        for event in events:
            if event.fingerprint not in held:
                changed.append(event)
            elif event.status is Status.FIRING and event.observed_at < end:
                latest[event.fingerprint] = event
                changed.append(_with(event, ends_at=end))
        changed += (
            _with(event, id=f"{event.id}:end", status=Status.RESOLVED, ends_at=end, observed_at=end)
            for event in latest.values()
        )
        return sorted(changed, key=lambda event: event.observed_at)

    return Edit(f"if it had fired for {wording.duration(seconds)}", events=longer)


def graver(fingerprints: Iterable[str], severity: Severity) -> Edit:
    """Let some alerts be of another severity."""
    raised = frozenset(fingerprints)
    return Edit(
        f"if its severity were {severity}",
        events=lambda events: [
            _with(event, severity=severity) if event.fingerprint in raised else event for event in events
        ],
    )


def rarer(service: str, names: Sequence[str], factor: float, words: str) -> Edit:
    """Let what was learned of some rules on a service be so many times less."""

    def learned(scope: Scope) -> None:
        rates = scope.background.pairs.get(service, {})
        for name in names:
            if (rate := rates.get(rule(name, service))) is not None:
                rate.count /= factor

    return Edit(words, scope=learned)


def _with(event: AlertEvent, **changes: object) -> AlertEvent:
    return msgspec.structs.replace(event, **changes)
