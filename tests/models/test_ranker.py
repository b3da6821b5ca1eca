from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from correlator.engine.ranking import PosteriorRanker
from correlator.engine.roots import Root
from correlator.errors import ConfigError
from models import artifact
from models.artifact import Provenance, RankerModel
from models.ranker import TemperedRanker, fit_temperature


def model(temperature: float) -> RankerModel:
    provenance = Provenance(data=["a"], command="fit", code_version="0", scores={"top1": 0.5})
    return RankerModel(temperature=temperature, provenance=provenance)


def roots(*scores: float) -> list[Root]:
    return [Root(f"s{number}", score, number + 1, ()) for number, score in enumerate(scores)]


def test_a_model_survives_its_folder(tmp_path: Path) -> None:
    artifact.save(model(3.0), tmp_path / "m")
    assert artifact.load(tmp_path / "m") == model(3.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "truncated"),
        ("{}", "temperature"),
        ('{"temperature": -1, "provenance": {"data": [], "command": "", "code_version": ""}}', "above 0"),
        (
            '{"schema": "x", "temperature": 1, "provenance": {"data": [], "command": "", "code_version": ""}}',
            "ranker/1",
        ),
    ],
)
def test_what_is_no_model_is_refused_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / artifact.RANKER_FILE).write_text(text)
    with pytest.raises(ConfigError, match=says):
        artifact.load(tmp_path)


def test_the_version_names_the_parameters_and_not_their_history() -> None:
    other = msgspec.structs.replace(model(2.0), provenance=Provenance(data=["b"], command="x", code_version="1"))
    assert artifact.version(model(2.0)) == artifact.version(other) != artifact.version(model(2.5))


def test_at_the_same_temperature_it_says_what_the_engine_says_without_a_model() -> None:
    candidates = roots(0.0, -1.5, -4.0, float("-inf"))
    assert TemperedRanker(model(2.0)).probabilities(candidates) == PosteriorRanker(2.0).probabilities(candidates)


def test_a_hotter_model_is_less_sure() -> None:
    cool, hot = (TemperedRanker(model(value)).probabilities(roots(0.0, -3.0)) for value in (1.0, 5.0))
    assert cool[0] > hot[0] > hot[1] > cool[1]


def test_the_fit_finds_the_temperature_the_truth_was_drawn_at() -> None:
    generator = np.random.default_rng(7)
    cases = []
    for _ in range(3000):
        scores = generator.normal(0, 4, size=5)
        weights = np.exp(scores / 3.0)
        cases.append((scores.tolist(), int(generator.choice(5, p=weights / weights.sum()))))
    assert fit_temperature(cases) == pytest.approx(3.0, rel=0.15)


def test_nothing_to_fit_on_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing"):
        fit_temperature([])
