"""Agreement of two partitions of the same alerts: the true cases and the incidents.

Pairwise and B-cubed count exactly what they say; the adjusted Rand index and adjusted mutual information (scikit-learn)
are corrected for chance. B-cubed: Bagga and Baldwin 1998; Amigo et al. 2009 show that it alone meets all their
constraints on such a measure.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence

import msgspec
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """Precision falls where things are wrongly joined, recall where they are wrongly split."""

    precision: float
    recall: float

    @property
    def f_score(self) -> float:
        """The harmonic mean of both."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def pairwise(truth: Sequence[Hashable], found: Sequence[Hashable]) -> Agreement:
    """Compare which pairs are together; where there is no pair to judge, nothing is wrong and the value is 1."""
    together = _pairs(Counter(zip(truth, found, strict=True)).values())
    found_pairs = _pairs(Counter(found).values())
    true_pairs = _pairs(Counter(truth).values())
    return Agreement(
        precision=together / found_pairs if found_pairs else 1.0,
        recall=together / true_pairs if true_pairs else 1.0,
    )


def b_cubed(truth: Sequence[Hashable], found: Sequence[Hashable]) -> Agreement:
    """Average over the alerts: what share of its incident is of its case, and of its case in its incident."""
    per_case = _b_cubed_sums(truth, found)
    size = len(truth)
    return Agreement(
        precision=math.fsum(precision for precision, _, _ in per_case) / size,
        recall=math.fsum(recall for _, recall, _ in per_case) / size,
    )


def b_cubed_macro(truth: Sequence[Hashable], found: Sequence[Hashable]) -> Agreement:
    """Average B-cubed over the alerts of each case, then over the cases, so that a small case counts as a large one."""
    per_case = _b_cubed_sums(truth, found)
    return Agreement(
        precision=math.fsum(precision / size for precision, _, size in per_case) / len(per_case),
        recall=math.fsum(recall / size for _, recall, size in per_case) / len(per_case),
    )


def adjusted_rand(truth: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    return float(adjusted_rand_score(_numbered(truth), _numbered(found)))


def adjusted_mutual_information(truth: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    return float(adjusted_mutual_info_score(_numbered(truth), _numbered(found)))


def _b_cubed_sums(truth: Sequence[Hashable], found: Sequence[Hashable]) -> list[tuple[float, float, int]]:
    """Return for each case the sum of its alerts' precision and recall, and their number."""
    case_sizes, found_sizes = Counter(truth), Counter(found)
    precision: defaultdict[Hashable, float] = defaultdict(float)
    recall: defaultdict[Hashable, float] = defaultdict(float)
    for (case, group), count in Counter(zip(truth, found, strict=True)).items():
        precision[case] += count * count / found_sizes[group]
        recall[case] += count * count / case_sizes[case]
    return [(precision[case], recall[case], size) for case, size in case_sizes.items()]


def _pairs(sizes: Iterable[int]) -> int:
    return sum(math.comb(size, 2) for size in sizes)


def _numbered(names: Sequence[Hashable]) -> list[int]:
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(name, len(numbers)) for name in names]
