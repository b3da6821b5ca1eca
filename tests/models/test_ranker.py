from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from correlator import rankers
from correlator.engine.features import NAMES
from correlator.errors import ConfigError
from correlator.training import ranker as training
from models import artifact, conditional
from models.artifact import CALIBRATOR_INPUTS, OF_THE_FIRST, CalibratorModel, Provenance, RankerModel
from models.examples import Example
from models.ranker import LearnedRanker

COLUMNS = (*OF_THE_FIRST, "signal", "noise")
PROVENANCE = Provenance(data=["a"], command="train", code_version="0")


def model(**coefficients: float) -> RankerModel:
    calibrator = CalibratorModel(intercept=0.5, coefficients={"log_odds": 1.0})
    return RankerModel(coefficients=coefficients or {"signal": 1.0}, calibrator=calibrator, provenance=PROVENANCE)


class Asked(msgspec.Struct):
    """Candidates as the engine shows them to a ranker."""

    table: npt.NDArray[np.float64]
    names: Sequence[str] = COLUMNS

    def features(self) -> npt.NDArray[np.float64]:
        return self.table


def made_up(systems: int = 4, cases: int = 30, seed: int = 3) -> list[Example]:
    """Incidents whose root was drawn with odds that go by the column `signal`, whatever `noise` says."""
    generator = np.random.default_rng(seed)
    found = []
    for system in range(systems):
        for case in range(cases):
            table = generator.normal(0, 1, size=(int(generator.integers(2, 9)), len(COLUMNS)))
            odds = np.exp(2 * table[:, COLUMNS.index("signal")])
            true = np.zeros(len(table), dtype=bool)
            true[generator.choice(len(table), p=odds / odds.sum())] = True
            found.append(
                Example(
                    family=f"s{system}", system=f"s{system}", case=f"c{case}", moment="end", features=table, true=true
                )
            )
    return found


def test_a_model_survives_its_folder(tmp_path: Path) -> None:
    artifact.save(model(signal=2.5), tmp_path / "m")
    assert artifact.load(tmp_path / "m") == model(signal=2.5)


BROKEN = {
    "truncated": b"{",
    "coefficients": b"{}",
    "ranker/2": msgspec.json.encode(msgspec.structs.replace(model(), schema="ranker/1")),
    "is no weight": msgspec.json.encode(model(signal=1e9)),
    "no such input": msgspec.json.encode(
        msgspec.structs.replace(model(), calibrator=CalibratorModel(intercept=0, coefficients={"x": 1.0}))
    ),
    "unknown field": b'{"pickle": 1}',
    "malformed": b"\xff\xfe",
}


@pytest.mark.parametrize("says", BROKEN)
def test_what_is_no_model_is_refused_with_its_place(tmp_path: Path, says: str) -> None:
    (tmp_path / artifact.RANKER_FILE).write_bytes(BROKEN[says])
    with pytest.raises(ConfigError, match=says) as caught:
        artifact.load(tmp_path)
    assert artifact.RANKER_FILE in str(caught.value)


def test_a_model_with_a_feature_of_another_version_is_refused(tmp_path: Path) -> None:
    artifact.save(model(colour=1.0), tmp_path)
    with pytest.raises(ConfigError, match="colour"):
        rankers.chosen(tmp_path)


def test_the_shipped_model_is_one_this_version_can_use() -> None:
    shipped = artifact.load(artifact.DEFAULT)
    assert set(shipped.coefficients) <= set(NAMES) and shipped.provenance.scores and shipped.provenance.data
    chosen = rankers.chosen("default")
    assert chosen is not None and chosen.version == artifact.version(shipped)
    assert rankers.chosen("none") is None


def test_the_version_names_the_parameters_and_not_their_history() -> None:
    other = msgspec.structs.replace(model(), provenance=Provenance(data=["b"], command="x", code_version="1"))
    assert artifact.version(model()) == artifact.version(other) != artifact.version(model(signal=2.0))


def test_the_likeliest_is_as_sure_as_the_calibrator_says_and_the_order_stays() -> None:
    generator = np.random.default_rng(5)
    for size in (1, 2, 7, 60):
        table = generator.normal(0, 2, size=(size, len(COLUMNS)))
        for intercept in (-4.0, 0.0, 4.0):
            calibrator = CalibratorModel(intercept=intercept, coefficients={"log_odds": 0.5})
            ranker = LearnedRanker(msgspec.structs.replace(model(), calibrator=calibrator), COLUMNS)
            chances = ranker.probabilities(Asked(table))
            order = np.argsort(-table[:, COLUMNS.index("signal")])
            assert sum(chances) <= 1 + 1e-3 * size and min(chances) >= 0
            assert [chances[row] for row in order] == sorted(chances, reverse=True)


def test_without_candidates_nothing_is_likely() -> None:
    assert LearnedRanker(model(), COLUMNS).probabilities(Asked(np.zeros((0, len(COLUMNS))))) == []


def test_the_fit_finds_what_the_roots_were_drawn_by() -> None:
    weights = conditional.fit(made_up(cases=400), penalty=1e-4)
    assert weights[COLUMNS.index("signal")] == pytest.approx(2.0, rel=0.15)
    assert abs(weights[COLUMNS.index("noise")]) < 0.2


def test_systems_weigh_the_same_however_many_cases_they_have() -> None:
    few, many = (
        made_up(systems=1, cases=3),
        [msgspec.structs.replace(example, family="other", system="other") for example in made_up(systems=1, cases=50)],
    )
    weights = conditional.weights_of([*few, *many])
    assert weights[:3].sum() == pytest.approx(0.5) and weights[3:].sum() == pytest.approx(0.5)


def test_training_is_deterministic_and_better_than_chance_on_systems_left_out() -> None:
    first, again = (training.train(made_up(), COLUMNS, PROVENANCE) for _ in range(2))
    assert msgspec.json.encode(first) == msgspec.json.encode(again)
    for system in ("s0", "s1", "s2", "s3"):
        assert first.provenance.scores[system]["top1"] > 0.45
    assert set(first.calibrator.coefficients) == set(CALIBRATOR_INPUTS)


def test_confidence_is_calibrated_on_systems_left_out() -> None:
    examples = made_up(systems=5, cases=200)
    judged = training.leave_one_out(examples, [f"s{number}" for number in range(5)], 0.1)
    sure = training.out_of_fold_confidences(judged, COLUMNS)
    answers = [(confidence, item.rank == 1) for confidence, item in zip(sure, judged, strict=True)]
    assert training.expected_calibration_error(answers) < 0.05


def test_a_root_that_is_no_candidate_is_a_miss_and_teaches_nothing() -> None:
    nobody = np.zeros((0, len(COLUMNS)))
    lost = [
        Example(
            family="s0", system="s0", case=f"lost{number}", moment="end", features=nobody, true=np.zeros(0, dtype=bool)
        )
        for number in range(30)
    ]
    plain = training.train(made_up(), COLUMNS, PROVENANCE)
    worse = training.train([*made_up(), *lost], COLUMNS, PROVENANCE)
    assert worse.provenance.scores["s0"]["top1"] == pytest.approx(plain.provenance.scores["s0"]["top1"] / 2, abs=1e-3)


def test_one_system_is_too_few_to_judge_by() -> None:
    with pytest.raises(ValueError, match="two systems"):
        training.train(made_up(systems=1), COLUMNS, PROVENANCE)


def test_nothing_to_fit_on_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing"):
        conditional.fit([], penalty=0.1)
