import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from correlator.scoring.partition import (
    adjusted_mutual_information,
    adjusted_rand,
    b_cubed,
    b_cubed_macro,
    pairwise,
)

# Case a has three alerts, b one. The incidents: x holds two of a, y one of a and the one of b.
TRUTH = ["a", "a", "a", "b"]
FOUND = ["x", "x", "y", "y"]

partitions = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30)


def test_pairwise_by_hand() -> None:
    # Joined: (1,2) rightly, (3,4) wrongly. True pairs: (1,2), (1,3), (2,3).
    agreement = pairwise(TRUTH, FOUND)
    assert agreement.precision == pytest.approx(1 / 2)
    assert agreement.recall == pytest.approx(1 / 3)
    assert agreement.f_score == pytest.approx(2 / 5)


def test_b_cubed_by_hand() -> None:
    # Precision by alert: 1, 1, 1/2, 1/2. Recall: 2/3, 2/3, 1/3, 1.
    agreement = b_cubed(TRUTH, FOUND)
    assert agreement.precision == pytest.approx(3 / 4)
    assert agreement.recall == pytest.approx(2 / 3)
    assert agreement.f_score == pytest.approx(12 / 17)


def test_b_cubed_macro_by_hand_weighs_cases_equally() -> None:
    # Case a: precision 5/6, recall 5/9. Case b: precision 1/2, recall 1.
    agreement = b_cubed_macro(TRUTH, FOUND)
    assert agreement.precision == pytest.approx(2 / 3)
    assert agreement.recall == pytest.approx(7 / 9)


def test_where_no_pair_is_joined_or_to_be_joined_nothing_is_wrong() -> None:
    assert pairwise(["a", "a"], [1, 2]).precision == 1
    assert pairwise(["a", "a"], [1, 2]).recall == 0
    assert pairwise(["a", "a"], [1, 2]).f_score == 0
    assert pairwise(["a", "b"], [1, 1]).recall == 1


@given(partitions)
def test_adjusted_indices_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, found = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    named = [f"incident-{group}" for group in found]
    assert adjusted_rand(truth, named) == pytest.approx(adjusted_rand_score(truth, found))
    assert adjusted_mutual_information(truth, named) == pytest.approx(adjusted_mutual_info_score(truth, found))


@given(partitions)
def test_the_perfect_partition_scores_one_and_swapping_swaps_precision_and_recall(pairs: list[tuple[int, int]]) -> None:
    truth, found = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    for measure in (pairwise, b_cubed):
        perfect = measure(truth, [f"renamed-{case}" for case in truth])
        assert (perfect.precision, perfect.recall) == pytest.approx((1, 1))
        one, other = measure(truth, found), measure(found, truth)
        assert (one.precision, one.recall) == pytest.approx((other.recall, other.precision))
