"""A layered layout (Sugiyama, Tagawa, Toda 1981): callers left of what they depend on, few crossings, no overlaps.

Pure and deterministic. Edges over several layers run through waypoints, one chain for all of a service, so that a hub
has one trunk and not a hundred lines.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import networkx as nx

#: Sweeps of ordering and of straightening; more change nothing that can be seen.
_SWEEPS = 12

#: A place in the picture: a service, or the waypoint of a service's trunk in a layer.
Cell = tuple[str, int]
_SERVICE = -1


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A layout.

    Args:
        layer: of each service, 0 at the left.
        height: the middle of each service and of each waypoint, by (service, layer); services have layer -1.
        backward: edges that run against the order because of a circle.
    """

    layer: Mapping[str, int]
    height: Mapping[Cell, float]
    backward: frozenset[tuple[str, str]]

    def y(self, service: str) -> float:
        return self.height[service, _SERVICE]

    def trunk(self, source: str, target: str) -> list[Cell]:
        """Return the waypoints of an edge between two services, left to right."""
        return [(source, layer) for layer in range(self.layer[source] + 1, self.layer[target])]


def place(graph: nx.DiGraph[str], *, row: float, waypoint: float) -> Placed:
    """Lay out the services of a graph.

    Args:
        row: height of a service with the space around it; `waypoint` that of a passing trunk.
    """
    forward, backward = _without_circles(graph)
    layer = _layers(forward)
    columns, neighbours = _cells(forward, layer)
    _order(columns, neighbours)
    heights = {cell: row if cell[1] == _SERVICE else waypoint for column in columns for cell in column}
    return Placed(layer=layer, height=_straighten(columns, neighbours, heights), backward=backward)


def _without_circles(graph: nx.DiGraph[str]) -> tuple[nx.DiGraph[str], frozenset[tuple[str, str]]]:
    """Turn round as few edges as make every circle a path: those against the order of callers before callees."""
    forward: nx.DiGraph[str] = nx.DiGraph()
    forward.add_nodes_from(sorted(graph))
    rank: dict[str, int] = {}
    circle: dict[str, int] = {}
    for number, component in enumerate(nx.strongly_connected_components(graph)):
        inner = graph.subgraph(component)
        order = sorted(component, key=lambda name: (inner.in_degree(name) - inner.out_degree(name), name))
        for place_, name in enumerate(order):
            rank[name], circle[name] = place_, number
    backward = set()
    for source, to in sorted(graph.edges):
        if circle[source] == circle[to] and rank[source] > rank[to]:
            backward.add((source, to))
            forward.add_edge(to, source)
        else:
            forward.add_edge(source, to)
    return forward, frozenset(backward)


def _layers(forward: nx.DiGraph[str]) -> dict[str, int]:
    """Put each service behind all its callers, and a caller next to the first it calls."""
    order = list(nx.lexicographical_topological_sort(forward))
    layer: dict[str, int] = {}
    for name in order:
        layer[name] = max((layer[caller] + 1 for caller in forward.pred[name]), default=0)
    for name in reversed(order):
        if forward.out_degree(name) and not forward.in_degree(name):
            layer[name] = min(layer[callee] for callee in forward.adj[name]) - 1
    return layer


def _cells(
    forward: nx.DiGraph[str], layer: Mapping[str, int]
) -> tuple[list[list[Cell]], dict[Cell, tuple[list[Cell], list[Cell]]]]:
    """Return the cells of each layer, and of each cell its neighbours left and right."""
    columns: list[list[Cell]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    neighbours: dict[Cell, tuple[list[Cell], list[Cell]]] = {}
    for name in sorted(forward):
        columns[layer[name]].append((name, _SERVICE))
        neighbours[name, _SERVICE] = ([], [])
    for name in sorted(forward):
        last: Cell = (name, _SERVICE)
        cells = {layer[name]: last}
        furthest = max((layer[callee] for callee in forward.adj[name]), default=0)
        for column in range(layer[name] + 1, furthest):
            cell = (name, column)
            columns[column].append(cell)
            neighbours[cell] = ([last], [])
            neighbours[last][1].append(cell)
            cells[column] = last = cell
        for callee in sorted(forward.adj[name]):
            before = cells[layer[callee] - 1]
            neighbours[before][1].append((callee, _SERVICE))
            neighbours[callee, _SERVICE][0].append(before)
    return columns, neighbours


def _order(columns: list[list[Cell]], neighbours: Mapping[Cell, tuple[list[Cell], list[Cell]]]) -> None:
    """Order each layer by the mean place of its neighbours, from left to right and back (barycenters)."""
    place_: dict[Cell, float] = {}
    for column in columns:
        _number(column, place_)
    for sweep in range(_SWEEPS):
        side = sweep % 2
        for column in columns if side == 0 else reversed(columns):
            wanted = {cell: _mean([place_[other] for other in neighbours[cell][side]], place_[cell]) for cell in column}
            column.sort(key=lambda cell: (wanted[cell], cell))
            _number(column, place_)


def _number(column: Sequence[Cell], place_: dict[Cell, float]) -> None:
    for number, cell in enumerate(column):
        place_[cell] = (number + 0.5) / len(column)


def _straighten(
    columns: Sequence[Sequence[Cell]],
    neighbours: Mapping[Cell, tuple[list[Cell], list[Cell]]],
    heights: Mapping[Cell, float],
) -> dict[Cell, float]:
    """Move every cell as near to its neighbours as order and heights allow."""
    y: dict[Cell, float] = {}
    tallest = max((sum(heights[cell] for cell in column) for column in columns), default=0.0)
    for column in columns:
        at = (tallest - sum(heights[cell] for cell in column)) / 2
        for cell in column:
            y[cell] = at + heights[cell] / 2
            at += heights[cell]
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            wanted = [_mean([y[other] for side in neighbours[cell] for other in side], y[cell]) for cell in column]
            y.update(zip(column, _apart(wanted, [heights[cell] for cell in column]), strict=True))
    top = min((y[cell] - heights[cell] / 2 for cell in y), default=0.0)
    return {cell: at - top for cell, at in y.items()}


def _apart(wanted: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Return places next to the wanted ones, in order and without overlap: least squares, by pooling violators."""
    offsets = [0.0]
    for before, after in itertools.pairwise(heights):
        offsets.append(offsets[-1] + (before + after) / 2)
    blocks: list[tuple[float, int]] = []  # mean of wanted - offset, size
    for want, offset in zip(wanted, offsets, strict=False):
        mean, size = want - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, count = blocks.pop()
            mean, size = (mean * size + other * count) / (size + count), size + count
        blocks.append((mean, size))
    means = [mean for mean, size in blocks for _ in range(size)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=False)]


def _mean(values: Iterable[float], otherwise: float) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else otherwise
