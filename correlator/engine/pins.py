"""Pins: where operators said what belongs together, the forest is cut and joined as they said.

Nodes of one pin are in one tree, those of two pins in two, for as long as they live. A node without a pin goes with
what explains it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from correlator.engine.forest import Forest, Tree
from correlator.engine.state import Node


def regroup(forest: Forest, nodes: Mapping[int, Node]) -> Forest:
    """Return a forest with its trees cut and joined by the pins of its nodes."""
    if not any(node.pin for node in nodes.values()):
        return forest
    joined: dict[str, list[Tree]] = {}
    trees: list[Tree] = []
    for tree in forest.trees:
        for pin, piece in _pieces(tree, forest.parents, nodes).items():
            if pin:
                joined.setdefault(pin, []).append(piece)
            else:
                trees.append(piece)
    for pieces in joined.values():
        trees.append(
            _tree({key: share for piece in pieces for key, share in zip(piece.nodes, piece.shares, strict=True)})
        )
    return msgspec.structs.replace(forest, trees=sorted(trees, key=lambda tree: tree.nodes[0]))


def _pieces(tree: Tree, parents: Mapping[int, int], nodes: Mapping[int, Node]) -> dict[str, Tree]:
    """Divide a tree by pins; what of it has none goes along, the whole tree where nothing in it has one."""
    pinned = [nodes[key] for key in tree.nodes if nodes[key].pin]
    if not pinned:
        return {"": tree}
    by_service = {node.service: node.pin for node in reversed(pinned)}
    members: dict[str, dict[int, float]] = {}
    for key, share in zip(tree.nodes, tree.shares, strict=True):
        pin = _nearest(key, parents, nodes, by_service) or pinned[0].pin
        members.setdefault(pin, {})[key] = share
    return {pin: _tree(shares) for pin, shares in members.items()}


def _tree(shares: Mapping[int, float]) -> Tree:
    keys = sorted(shares)
    weight = round(sum(shares[key] for key in keys), 9)
    return Tree(nodes=tuple(keys), weight=weight, shares=tuple(shares[key] for key in keys))


def _nearest(key: int, parents: Mapping[int, int], nodes: Mapping[int, Node], by_service: Mapping[str, str]) -> str:
    """Return the pin of a node, of its service, or of the nearest of its causes that has one."""
    while key:
        node = nodes[key]
        pin = node.pin or by_service.get(node.service)
        if pin:
            return pin
        key = parents[key]
    return ""
