import pytest

from correlator.scoring.calibration import calibration


def test_brier_and_ece_by_hand() -> None:
    judged = calibration([(0.9, True), (0.95, False), (0.2, False)])
    assert judged.brier == pytest.approx((0.01 + 0.9025 + 0.04) / 3)
    # One bin holds .9 and .95 (mean .925, half of them right), another .2 (none right).
    assert judged.ece == pytest.approx((2 * 0.425 + 1 * 0.2) / 3)
    assert [(row.low, row.count, row.right) for row in judged.reliability] == [(0.2, 1, 0.0), (0.9, 2, 0.5)]


def test_certainty_belongs_to_the_last_bin_and_impossibility_to_the_first() -> None:
    assert [(row.low, row.high) for row in calibration([(1.0, True), (0.0, False)]).reliability] == [
        (0.0, 0.1),
        (0.9, 1.0),
    ]


def test_certain_and_right_is_perfect() -> None:
    judged = calibration([(1.0, True), (0.0, False)])
    assert (judged.brier, judged.ece) == (0, 0)


def test_without_statements_there_is_nothing_to_judge() -> None:
    judged = calibration([])
    assert (judged.count, judged.brier, judged.ece) == (0, None, None)
