"""In which order the tests run, and that no example is judged by the clock."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import settings

# Machines are shared: how long one example takes says nothing.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the modules that wait for a broker evenly among those that compute.

    Several processes then seldom wait all at once, nor compute all at once.
    """
    modules = [list(each) for _, each in groupby(items, key=lambda item: item.path)]
    waiting = [module for module in modules if module[0].get_closest_marker("integration")]
    computing = [module for module in modules if not module[0].get_closest_marker("integration")]
    placed = [
        (place, number, module) for number, kind in enumerate((waiting, computing)) for place, module in spread(kind)
    ]
    items[:] = [item for *_, module in sorted(placed, key=lambda each: each[:2]) for item in module]


def spread(modules: list[list[pytest.Item]]) -> list[tuple[float, list[pytest.Item]]]:
    """Return each module with its place, by the share of their tests that lie before its middle."""
    total = sum(map(len, modules))
    before, places = 0, []
    for module in modules:
        places.append(((before + len(module) / 2) / total, module))
        before += len(module)
    return places
