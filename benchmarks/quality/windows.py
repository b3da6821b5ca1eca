"""Root rankers on the windows of the true cases: how far one gets when the grouping is given.

Every ranker is told exactly the alerts of the case: its labelled firing events in arrival order, without those that
merely stood. What it makes of them bounds what naming alone can do with so simple a rule.
"""

from __future__ import annotations

from collections import defaultdict

import msgspec

from benchmarks.quality.baselines.rankers import RANKERS, Ranker, Sighting
from benchmarks.quality.stream import Stream, service_of
from correlator.config import NamingConfig


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """Share of all cases, silent ones included, whose root is among the first one and three."""

    top1: float
    top3: float


def naive_accuracies(stream: Stream) -> dict[str, Accuracy]:
    """Judge every simple ranker on the windows of a stream's scored cases."""
    windows = case_windows(stream)
    return {name: _accuracy(stream, windows, ranker) for name, ranker in RANKERS.items()}


def case_windows(stream: Stream) -> dict[str, list[Sighting]]:
    """Return the sightings of each case in arrival order."""
    service_labels = NamingConfig().service_labels
    windows: defaultdict[str, list[Sighting]] = defaultdict(list)
    for alert in stream.alerts:
        case = stream.truth.labels.get(alert.event_id) if alert.event_id is not None else None
        if case is not None and alert.firing:
            service = service_of(alert, stream.graph, service_labels)
            windows[case].append(Sighting(service=service, at=alert.starts_at))
    return dict(windows)


def _accuracy(stream: Stream, windows: dict[str, list[Sighting]], ranker: Ranker) -> Accuracy:
    since = stream.truth.scored_from
    cases = [case for case in stream.truth.cases if since is None or case.start >= since]
    ranked = [(case.roots, ranker(windows[case.name], stream.graph)) for case in cases if case.name in windows]
    return Accuracy(
        top1=sum(not roots.isdisjoint(names[:1]) for roots, names in ranked) / max(len(cases), 1),
        top3=sum(not roots.isdisjoint(names[:3]) for roots, names in ranked) / max(len(cases), 1),
    )
