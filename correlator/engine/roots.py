"""Naming the root: which service is the cause of an incident's alerts.

Marginals over all forests of the incident's nodes in which one node is the fault and every other is explained by a
node or is noise: by the matrix-tree theorem the weight of all forests with root r is e_r [L^-1]_rr det L, with
L = diag(lambda_i + sum_j w_ji) - W (Chaiken 1982; Koo et al. 2007). A silent service s joins as one more vertex: its
weight is e_s det(L + diag(w_s)) / det L.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from correlator.engine.causes import COVERAGE, FAULT_RATE, Explainer, Path, Paths, root_weight
from correlator.engine.cover import quiet_cost
from correlator.engine.forest import Link
from correlator.engine.state import Node

#: Beyond so many nodes the likeliest are enough: the marginals cost the cube of their number.
MAX_NODES = 200
_MAX_SILENT = 50
#: A root that says nothing, in nats.
_SILENT_COST = 5.0


class Root(msgspec.Struct, frozen=True, gc=False):
    """A candidate. `score` is the log weight of all explanations that begin with it, relative to the others."""

    service: str
    score: float
    node: int  # its first node; 0 where it is silent
    explains: tuple[str, ...]  # services whose alerts it may have caused directly, first ones first


def rank(
    nodes: Mapping[int, Node],
    links: Mapping[int, Sequence[Link]],
    paths: Paths,
    explainer: Explainer,
) -> list[Root]:
    """Return the candidates, best first; `links` are those of the nodes that `chosen` gives."""
    keys = list(links)
    index = {key: position for position, key in enumerate(keys)}
    noise = [explainer.rarity(nodes[key]) for key in keys]
    weights = np.zeros((len(keys), len(keys)))
    for key in keys:
        for link in links[key]:
            if link.cause in index:
                weights[index[link.cause], index[key]] = math.exp(link.log_density)
    scaled = weights / np.array(noise)  # each column by its node's noise: numbers near one, the same marginals
    laplacian = np.diag(scaled.sum(axis=0) + 1.0) - scaled
    inverse = np.linalg.inv(laplacian)
    roots = _speaking(keys, nodes, inverse, noise, explainer, scaled)
    roots += _silent(keys, nodes, index, inverse, noise, paths, explainer)
    return sorted(roots, key=lambda root: (-root.score, root.service))


def chosen(nodes: Mapping[int, Node], explainer: Explainer) -> list[int]:
    """Return the nodes that are weighed: all, or the likeliest roots where they are too many."""
    if len(nodes) <= MAX_NODES:
        return list(nodes)
    weight = {key: explainer.fault(node) * root_weight(node) / explainer.rarity(node) for key, node in nodes.items()}
    return sorted(sorted(nodes, key=lambda key: (-weight[key], key))[:MAX_NODES])


def _speaking(
    keys: Sequence[int],
    nodes: Mapping[int, Node],
    inverse: npt.NDArray[np.float64],
    noise: Sequence[float],
    explainer: Explainer,
    scaled: npt.NDArray[np.float64],
) -> list[Root]:
    totals: dict[str, float] = defaultdict(float)
    first: dict[str, int] = {}
    reached: dict[str, dict[str, None]] = defaultdict(dict)
    services = [nodes[key].service for key in keys]
    for cause, victim in zip(*(places.tolist() for places in np.nonzero(scaled > 1.0)), strict=True):
        if services[victim] != services[cause]:
            reached[services[cause]][services[victim]] = None
    for position, key in enumerate(keys):
        node = nodes[key]
        own = explainer.fault(node) * root_weight(node) / noise[position]
        totals[node.service] += own * max(float(inverse[position, position]), 0.0)
        if node.service not in first or node.onset_at < nodes[first[node.service]].onset_at:
            first[node.service] = key
    return [
        Root(service, _log(total), first[service], tuple(reached.get(service, ()))) for service, total in totals.items()
    ]


def _silent(
    keys: Sequence[int],
    nodes: Mapping[int, Node],
    index: Mapping[int, int],
    inverse: npt.NDArray[np.float64],
    noise: Sequence[float],
    paths: Paths,
    explainer: Explainer,
) -> list[Root]:
    speaking = {nodes[key].service for key in keys}
    children: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for key in keys:
        for path in paths.from_dependencies(nodes[key].service):
            if path.cause not in speaking and (path.hops == 1 or path.via not in speaking):
                children[path.cause].append((key, path))
    most = sorted(children, key=lambda name: (-len(children[name]), name))[:_MAX_SILENT]
    return [
        _silent_root(name, children[name], nodes, index, inverse, noise, speaking, paths, explainer) for name in most
    ]


def _silent_root(
    name: str,
    children: Sequence[tuple[int, Path]],
    nodes: Mapping[int, Node],
    index: Mapping[int, int],
    inverse: npt.NDArray[np.float64],
    noise: Sequence[float],
    speaking: set[str],
    paths: Paths,
    explainer: Explainer,
) -> Root:
    onset = min(nodes[key].onset_at for key, _ in children)
    ghost = Node(
        id=0,
        service=name,
        onset_at=onset,
        arrived_at=onset,
        last_new_at=onset,
        names={},
        kinds={},
        members={},
        facets=[],
        severity=nodes[children[0][0]].severity,  # says nothing of what a cause does to its victims
        firing=1,
    )
    pulls = {}
    for key, path in children:
        if density := explainer.by(nodes[key], ghost, path):
            position = index[key]
            pulls[position] = density / noise[position]
    hit = sorted(pulls)
    if not hit:
        return Root(name, -math.inf, 0, ())
    # det(L + diag(p)) / det(L) over the children only (matrix determinant lemma).
    block = inverse[np.ix_(hit, hit)] * np.array([pulls[position] for position in hit])[:, None]
    block.flat[:: len(hit) + 1] += 1.0
    _, log_ratio = np.linalg.slogdet(block)
    # Its onset is unknown: integrating over it takes the place of the first child's delay.
    fault = FAULT_RATE * (1 - COVERAGE) / explainer.delay(0, 1)
    quiet = quiet_cost(name, 1.0, speaking, paths)
    score = math.log(fault) - _SILENT_COST + float(log_ratio) - 0.5 * quiet
    services = {nodes[key].service: None for key, _ in children if pulls.get(index[key], 0.0) > 1.0}
    return Root(name, round(score, 9), 0, tuple(services))


def _log(value: float) -> float:
    return round(math.log(value), 9) if value > 0 else -math.inf
