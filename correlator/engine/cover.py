"""The silent cover: which service that says nothing explains several trees of the forest at once.

Only the trees' roots are looked at: what has a cause that speaks needs none that does not.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise

import msgspec

from correlator.engine.causes import COVERAGE, FAULT_RATE, STICKINESS, Explainer, Path, Paths
from correlator.engine.state import Node

#: Least gain, in nats, for which a silent service is named the common cause of several trees.
_MIN_COVER_GAIN = 1.5
#: Prior cost of a root that says nothing, in nats beside its missing coverage.
_SILENT_COST = math.log(3)
#: Quiet dependents count less than fully: their silences are correlated (a dead exporter, a rule nobody wrote).
_QUIET_TEMPER = 0.5
#: How much of a service a fault may take: all, half, an endpoint.
_ALPHAS = (1.0, 0.5, 0.2)


class _Cover(msgspec.Struct, frozen=True):
    gain: float
    service: str
    shares: dict[int, float]


def cover(
    nodes: Mapping[int, Node],
    parents: Mapping[int, int],
    paths: Paths,
    explainer: Explainer,
    faults: Mapping[int, float],
    noises: Mapping[int, float],
    published: Mapping[int, bool],
) -> dict[int, tuple[str, float]]:
    """Find silent services that explain several trees at once, greedily, best first.

    Returns, for each covered root, the silent service and the log density of that root under it. Each dependent
    that ought to alert and does not counts against a candidate: this keeps hubs from explaining everything.
    """
    live = {node.service for node in nodes.values()}
    children: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for key, parent in parents.items():
        if parent == 0:
            for path in paths.from_dependencies(nodes[key].service):
                if path.cause not in live and (path.hops == 1 or path.via not in live):
                    children[path.cause].append((key, path))
    taken: dict[int, tuple[str, float]] = {}
    covers: dict[str, _Cover] = {}
    names = sorted(service for service, found in children.items() if len(found) > 1)
    stale: Iterable[str] = names
    while True:
        for service in stale:
            covers.pop(service, None)
            free = [(key, path) for key, path in children[service] if key not in taken]
            if not _worth_a_look(service, [nodes[key] for key, _ in free], explainer.window_ms):
                continue
            found = _best_cover(service, free, nodes, live, paths, explainer, faults, noises, published)
            if found is not None:
                covers[service] = found
        best: _Cover | None = None
        for service in names:
            found = covers.get(service)
            if found is not None and (best is None or round(found.gain, 9) > round(best.gain, 9)):
                best = found
        if best is None:
            return taken
        taken.update({key: (best.service, share) for key, share in best.shares.items()})
        # A cover depends on what is free for it alone.
        stale = [service for service in names if any(key in best.shares for key, _ in children[service])]


def _worth_a_look(service: str, roots: list[Node], window_ms: int) -> bool:
    """Tell whether two services began within a window, and whether any of it can still change."""
    if len(roots) < 2 or not any(not node.frozen or node.covered_by == service for node in roots):
        return False
    ordered = sorted((node.onset_at, node.service) for node in roots)
    return any(
        later - earlier <= window_ms and first != second for (earlier, first), (later, second) in pairwise(ordered)
    )


def _best_cover(
    service: str,
    free: list[tuple[int, Path]],
    nodes: Mapping[int, Node],
    live: set[str],
    paths: Paths,
    explainer: Explainer,
    faults: Mapping[int, float],
    noises: Mapping[int, float],
    published: Mapping[int, bool],
) -> _Cover | None:
    prior = math.log(FAULT_RATE * (1 - COVERAGE)) - _SILENT_COST
    best: _Cover | None = None
    # The root, its onset, its best explanation else, and whether somebody was told another story about it.
    rows = [
        (
            key,
            path,
            nodes[key].onset_at,
            max(faults[key], noises[key]),
            published[key] and nodes[key].covered_by != service,
        )
        for key, path in free
    ]
    for onset in sorted({row[2] for row in rows}):
        later = [row for row in rows if row[2] >= onset]
        if len(later) < 2:
            break
        for alpha in _ALPHAS:  # falling: what gains too little at one gains no more at the next
            shares: dict[int, float] = {}
            gain = prior
            for key, path, onset_at, otherwise, told in later:
                offset = onset_at - onset
                strength = min(0.95, alpha * path.strength * COVERAGE * (0.3 if path.hops == 2 else 1.0))
                density = strength * (1.0 if offset == 0 else explainer.delay(offset, path.hops))
                if density <= 0:
                    continue
                log_density = math.log(density)
                better = log_density - otherwise
                if told:
                    better -= STICKINESS
                if better > 0:
                    gain += better
                    shares[key] = log_density
            if gain < _MIN_COVER_GAIN or len({nodes[key].service for key in shares}) < 2:
                break
            gain -= _QUIET_TEMPER * quiet_cost(service, alpha, live, paths)
            if gain >= _MIN_COVER_GAIN and (best is None or gain > best.gain):
                # The node at the onset fixes the time of the fault; the fault's own density pays for it.
                first = min(shares, key=lambda key: (nodes[key].onset_at, key))
                shares[first] += prior
                best = _Cover(gain, service, shares)
    return best


def quiet_cost(service: str, alpha: float, live: Collection[str], paths: Paths) -> float:
    """Return the log probability lost by the direct dependents that say nothing."""
    total, each = paths.expected_voices(service, alpha)
    if len(live) < len(each):
        return total - sum(each[name] for name in live if name in each)
    return sum(cost for name, cost in each.items() if name not in live)
