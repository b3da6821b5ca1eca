from __future__ import annotations

import pytest

from correlator.simulator.parameters import overridden
from correlator.simulator.presets import DAY
from correlator.simulator.simulation import Simulation, simulate


@pytest.fixture(scope="session")
def small_day() -> Simulation:
    """Half a day of a system small enough to look at from all sides."""
    return simulate(overridden(DAY, ["shape.services=150", "warm_up_seconds=14400", "seconds=28800"]), seed=7)


@pytest.fixture(scope="session")
def day() -> Simulation:
    return simulate(DAY, seed=7)
