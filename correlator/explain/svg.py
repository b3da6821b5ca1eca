"""The tree of an incident as a picture: causes left, what they caused right, strong explanations as thick lines."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from correlator.explain import wording
from correlator.explain.values import Bond, Explanation, Member

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 220, 46, 90, 16, 24
_TOP = 44
_LETTERS = 32
_STYLE = (
    "text{font:12px sans-serif;fill:#1b1f24}.small{font-size:10px;fill:#57606a}.title{font-size:14px;font-weight:bold}"
    "rect{fill:#f6f8fa;stroke:#57606a}.root rect{fill:#ffebe9;stroke:#cf222e;stroke-width:2}"
    "path{fill:none;stroke:#57606a}.beyond{stroke-dasharray:4 4}.silent rect{stroke-dasharray:4 4}"
)


def draw(found: Explanation) -> str:
    """Return an SVG document."""
    depth, row = _places(found.members)
    columns = 1 + max(depth.values(), default=0)
    rows = max(1, len(set(row.values())))
    width = 2 * _MARGIN + columns * (_WIDTH + _GAP_X) - _GAP_X
    height = _TOP + 2 * _MARGIN + rows * (_HEIGHT + _GAP_Y)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="{_MARGIN}" y="28">{escape(found.title)}</text>',
    ]
    for member in found.members:
        parts += _line(member, depth, row)
    for member in found.members:
        parts += _box(member, found.root, depth, row)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _places(members: list[Member]) -> tuple[dict[int, int], dict[int, int]]:
    """Return column and row of each node: leaves take the rows one by one, a cause is level with its first effect."""
    depth: dict[int, int] = {}
    row: dict[int, int] = {}
    parents = {member.parent for member in members}
    rows = 0
    for member in members:  # parents come first
        depth[member.node] = depth.get(member.parent, -1) + 1 if member.parent is not None else 0
        if member.node not in parents:
            row[member.node] = rows
            rows += 1
    for member in reversed(members):
        if member.parent is not None and member.node in row:
            row[member.parent] = min(row.get(member.parent, row[member.node]), row[member.node])
    return depth, row


def _corner(node: int, depth: dict[int, int], row: dict[int, int]) -> tuple[int, int]:
    return _MARGIN + depth[node] * (_WIDTH + _GAP_X), _TOP + _MARGIN + row[node] * (_HEIGHT + _GAP_Y)


def _line(member: Member, depth: dict[int, int], row: dict[int, int]) -> Iterator[str]:
    if member.parent is None or member.parent not in depth:
        return
    left, top = _corner(member.parent, depth, row)
    x, y = _corner(member.node, depth, row)
    start, end = (left + _WIDTH, top + _HEIGHT // 2), (x, y + _HEIGHT // 2)
    middle = (start[0] + end[0]) // 2
    thick = 1 + max(0.0, min(4.0, (member.strength or 0.0) / 2))
    beyond = ' class="beyond"' if member.bond is Bond.BEYOND_THE_GRAPH else ""
    curve = f"M{start[0]} {start[1]}C{middle} {start[1]} {middle} {end[1]} {end[0]} {end[1]}"
    yield f'<path{beyond} stroke-width="{thick:.1f}" d="{curve}"/>'
    delay = member.delay_seconds or 0.0
    sign = "+" if delay >= 0 else "-"
    yield f'<text class="small" x="{end[0] - 62}" y="{end[1] - 6}">{sign}{wording.duration(delay)}</text>'


def _box(member: Member, root: str, depth: dict[int, int], row: dict[int, int]) -> Iterator[str]:
    x, y = _corner(member.node, depth, row)
    names = ", ".join(dict.fromkeys(alert.name for alert in member.alerts))
    strength = "" if member.strength is None else f"{member.strength:+.1f} nats, {member.strength_words}"
    kind = ' class="root"' if member.service == root else ""
    yield f"<g{kind}><title>{escape(f'{member.service}: {names}')}</title>"
    yield f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="5"/>'
    yield f'<text x="{x + 8}" y="{y + 15}">{escape(_short(member.service))}</text>'
    yield f'<text class="small" x="{x + 8}" y="{y + 28}">{escape(_short(names))}</text>'
    yield f'<text class="small" x="{x + 8}" y="{y + 40}">{escape(_short(strength))}</text></g>'


def _short(text: str) -> str:
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
