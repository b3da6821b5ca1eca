"""A dependency graph as SVG: no script, no font and no network needed; a browser shows details on hovering."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from html import escape

import networkx as nx

from topology.graph import Dependency, DependencyType, Service, ServiceGraph, ServiceKind
from topology.layers import Placed, place

_BOX_WIDTH, _BOX_HEIGHT = 190, 34
_GAP, _ROW, _WAYPOINT, _MARGIN, _TOP = 110, 46, 10, 24, 84
_CHARACTERS = 27

_FILLS = {
    ServiceKind.SERVICE: "#e8f0fe",
    ServiceKind.DATASTORE: "#e6f4ea",
    ServiceKind.QUEUE: "#fef7e0",
    ServiceKind.HOST: "#eeeeee",
    ServiceKind.EXTERNAL: "#fce8e6",
}
_STROKES = {
    ServiceKind.SERVICE: "#4472c4",
    ServiceKind.DATASTORE: "#34a853",
    ServiceKind.QUEUE: "#c79100",
    ServiceKind.HOST: "#777777",
    ServiceKind.EXTERNAL: "#c5221f",
}
_DASHES = {
    DependencyType.CALLS: "",
    DependencyType.DEPENDS_ON: "6 3",
    DependencyType.CONSUMES: "2 3",
    DependencyType.RUNS_ON: "10 3 2 3",
}
_STYLE = """
text{font:12px system-ui,"Segoe UI","DejaVu Sans",sans-serif;fill:#1a1a1a}
.small{font-size:10px;fill:#555}
.edge{fill:none;stroke:#5f6b7a;stroke-opacity:.55;stroke-width:1.2}
.edge.circle{stroke:#c5221f}
g.dependency:hover .edge{stroke:#d93025;stroke-opacity:1;stroke-width:2.6}
g.service:hover rect{stroke-width:3}
""".strip()


def svg(graph: ServiceGraph, *, title: str = "") -> str:
    """Draw a graph: callers left, what they depend on right; who has no dependency stands below."""
    whole = graph.networkx
    alone = sorted(name for name in whole if whole.degree(name) == 0)
    connected: nx.DiGraph[str] = nx.DiGraph(whole.edges)
    placed = place(connected, row=_ROW, waypoint=_WAYPOINT)
    columns = max(placed.layer.values(), default=-1) + 1
    body = [line for source in sorted(connected) for line in _dependencies(graph, source, placed)]
    body += [line for name in sorted(connected) for line in _box(graph, name, *_corner(placed, name))]
    bottom = max((at for at in placed.height.values()), default=-_ROW / 2) + _TOP + _ROW / 2
    across = max(columns, math.ceil(math.sqrt(len(alone) / 3)), 4 if alone else 3)
    for number, name in enumerate(alone):
        line, column = divmod(number, across)
        body += _box(graph, name, _MARGIN + column * (_BOX_WIDTH + _GAP), bottom + 30 + line * _ROW)
    lines = math.ceil(len(alone) / across)
    width = 2 * _MARGIN + across * (_BOX_WIDTH + _GAP) - _GAP
    height = bottom + (30 + lines * _ROW if alone else 0) + _MARGIN
    return "\n".join([*_head(graph, title, width, height), *body, "</svg>", ""])


def _head(graph: ServiceGraph, title: str, width: float, height: float) -> Iterator[str]:
    size = f"{len(graph)} services, {graph.edge_count} dependencies, version {graph.version}"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img">'
    )
    yield f"<title>{_text(title or 'Dependency graph')}: {size}</title>"
    yield f"<style>{_STYLE}</style>"
    yield (
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="#5f6b7a"/></marker></defs>'
    )
    yield f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>'
    yield f'<text x="{_MARGIN}" y="24">{_text(title)} <tspan class="small">{size}</tspan></text>'
    yield from _legend()


def _legend() -> Iterator[str]:
    x = float(_MARGIN)
    for kind in ServiceKind:
        colours = f'fill="{_FILLS[kind]}" stroke="{_STROKES[kind]}"'
        yield f'<rect x="{x:.0f}" y="36" width="12" height="12" rx="2" {colours}/>'
        yield f'<text class="small" x="{x + 17:.0f}" y="46">{kind}</text>'
        x += 84
    x = float(_MARGIN)
    for type_, dash in _DASHES.items():
        yield f'<path class="edge" d="M{x:.0f} 62h28" stroke-dasharray="{dash}" marker-end="url(#arrow)"/>'
        yield f'<text class="small" x="{x + 34:.0f}" y="66">{type_}</text>'
        x += 110
    yield f'<path class="edge circle" d="M{x:.0f} 62h28"/>'
    yield f'<text class="small" x="{x + 34:.0f}" y="66">in a circle</text>'


def _corner(placed: Placed, name: str) -> tuple[float, float]:
    return _MARGIN + placed.layer[name] * (_BOX_WIDTH + _GAP), _TOP + placed.y(name) - _BOX_HEIGHT / 2


def _box(graph: ServiceGraph, name: str, x: float, y: float) -> Iterator[str]:
    service = graph.service(name) or Service(name=name)
    second = " · ".join(filter(None, [service.owner, f"tier {service.tier}" if service.tier else ""]))
    radius = {ServiceKind.SERVICE: 5, ServiceKind.DATASTORE: 14}.get(service.kind, 0)
    yield f'<g class="service"><title>{_text(_details(graph, service))}</title>'
    yield (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="{radius}" '
        f'fill="{_FILLS[service.kind]}" stroke="{_STROKES[service.kind]}"/>'
    )
    yield f'<text x="{x + 9:.1f}" y="{y + (15 if second else 21):.1f}">{_text(_short(name))}</text>'
    if second:
        yield f'<text class="small" x="{x + 9:.1f}" y="{y + 28:.1f}">{_text(_short(second))}</text>'
    yield "</g>"


def _details(graph: ServiceGraph, service: Service) -> str:
    facts = [f"{service.name} ({service.kind})"]
    for word, value in (("owner", service.owner), ("tier", service.tier), ("system", service.system)):
        facts += [f"{word}: {value}"] if value else []
    facts += [f"also: {', '.join(service.aliases[:8])}"] if service.aliases else []
    dependencies, dependents = graph.dependencies(service.name), graph.dependents(service.name)
    facts.append(f"depends on {len(dependencies)}, {len(dependents)} depend on it")
    return "\n".join(facts)


def _dependencies(graph: ServiceGraph, source: str, placed: Placed) -> Iterator[str]:
    for to, edge in graph.dependencies(source):
        is_backward = (source, to) in placed.backward
        left, right = (to, source) if is_backward else (source, to)
        arrow = "start" if is_backward else "end"
        circle = " circle" if is_backward else ""
        dash = f' stroke-dasharray="{_DASHES[edge.type]}"' if _DASHES[edge.type] else ""
        yield f'<g class="dependency"><title>{_text(_sentence(source, to, edge))}</title>'
        yield f'<path class="edge{circle}" d="{_path(placed, left, right)}"{dash} marker-{arrow}="url(#arrow)"/></g>'


def _sentence(source: str, to: str, edge: Dependency) -> str:
    strength = "" if edge.strength is None else f", strength {edge.strength:g}"
    return f"{source} {edge.type.replace('_', ' ')} {to}{strength}"


def _path(placed: Placed, left: str, right: str) -> str:
    """Return a smooth line from the right side of a box, along its trunk, to the left side of another."""
    x, top = _corner(placed, left)
    points = [(x + _BOX_WIDTH, top + _BOX_HEIGHT / 2)]
    for cell in placed.trunk(left, right):
        start, y = _MARGIN + cell[1] * (_BOX_WIDTH + _GAP), _TOP + placed.height[cell]
        points += [(start, y), (start + _BOX_WIDTH, y)]
    end_x, end_y = _corner(placed, right)
    points.append((end_x, end_y + _BOX_HEIGHT / 2))
    drawn = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (from_x, from_y), (to_x, to_y) in itertools.pairwise(points):
        if from_y == to_y:
            drawn.append(f"L{to_x:.1f} {to_y:.1f}")
        else:
            middle = (from_x + to_x) / 2
            drawn.append(f"C{middle:.1f} {from_y:.1f} {middle:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}")
    return "".join(drawn)


def _short(name: str) -> str:
    return name if len(name) <= _CHARACTERS else name[: _CHARACTERS - 1] + "…"


def _text(words: str) -> str:
    """Return words as XML has them; control characters have no place there."""
    return escape("".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in words))
