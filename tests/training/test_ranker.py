"""Which penalty is taken."""

from __future__ import annotations

import pytest

from correlator.training.ranker import least_of_the_best


@pytest.mark.parametrize(
    ("costs", "taken"),
    [
        ({0.1: 2.0, 0.3: 2.1, 1.0: 2.2}, 0.1),
        ({0.1: 2.2, 0.3: 2.0, 1.0: 2.1}, 0.3),
        ({0.1: 2.004, 0.3: 2.0, 1.0: 2.001}, 0.1),
        ({0.1: 2.2, 0.3: 2.004, 1.0: 2.0}, 0.3),
    ],
)
def test_the_least_of_those_that_are_as_good_as_the_best(costs: dict[float, float], taken: float) -> None:
    assert least_of_the_best(costs) == taken
