"""The published accuracies of the naive rankers on the development streams, reproduced to their last digit."""

from pathlib import Path

import pytest

from benchmarks.quality.stream import read_stream
from benchmarks.quality.windows import naive_accuracies

STREAMS = Path(__file__).resolve().parents[3] / "shared" / "data"

BARS = {
    "online-boutique": ((0.54, 0.71), (0.54, 0.71), (0.67, 0.67)),
    "train-ticket": ((0.29, 0.50), (0.14, 0.39), (0.29, 0.43)),
    "petshop-low": ((0.62, 1.00), (0.38, 1.00), (0.25, 0.50)),
    "petshop-high": ((0.62, 0.88), (0.50, 0.88), (0.50, 0.75)),
}


@pytest.mark.skipif(not STREAMS.is_dir(), reason="the labelled development streams are not beside this checkout")
@pytest.mark.parametrize("name", sorted(BARS))
def test_naive_rankers_reach_exactly_what_is_published(name: str) -> None:
    found = naive_accuracies(read_stream(STREAMS / name))
    accuracies = [found[ranker] for ranker in ("most alerts", "earliest alert", "topological")]
    assert [(round(item.top1, 2), round(item.top3, 2)) for item in accuracies] == [*BARS[name]]
