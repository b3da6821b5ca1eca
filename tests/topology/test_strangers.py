"""Strangers: who is unknown to the graph, and whom a human should think of."""

from __future__ import annotations

import pytest

from topology.graph import Service, ServiceGraph, TopologyDocument
from topology.strangers import strangers

GRAPH = ServiceGraph(
    TopologyDocument(
        services=tuple(
            Service(name=name, aliases=aliases)
            for name, aliases in {"payments": ("pay-gw",), "cart": (), "users": (), "--": ()}.items()
        ),
        dependencies=(),
    )
)


@pytest.mark.parametrize(
    ("name", "alike"),
    [
        ("paymnets", "payments"),
        ("Payments", "payments"),
        ("cart-service", "cart"),
        ("cartsvc", "cart"),
        ("pay_gw", "payments"),
        ("orders", None),
        ("...", None),
    ],
)
def test_a_stranger_is_like_a_service_that_is_spelled_alike(name: str, alike: str | None) -> None:
    (one,) = strangers({name: 1}, GRAPH, limit=5)
    assert one.alike == alike


def test_those_with_most_firings_come_first_and_who_is_known_does_not() -> None:
    firings = {"a": 1, "c": 7, "b": 7, "cart": 100, "pay-gw": 100}
    assert [one.name for one in strangers(firings, GRAPH, limit=2)] == ["b", "c"]
