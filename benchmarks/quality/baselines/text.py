"""Text: alerts whose summaries read alike, close in time, are one incident."""

from __future__ import annotations

from collections.abc import Sequence

from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks.quality.baselines.groups import Group, Grouper
from benchmarks.quality.baselines.linkage import chain
from benchmarks.quality.stream import Spell
from topology.graph import ServiceGraph


def similar_text(*, distance: float, seconds: float) -> Grouper:
    """Cluster TF-IDF vectors of the summaries by DBSCAN over pairs at most `seconds` apart, by cosine distance.

    With two points to a cluster DBSCAN is single linkage, so it is done as such. The vocabulary is that of the whole
    stream, which a live system would not know: it flatters the method.
    """
    window = round(seconds * 1000)

    def group(spells: Sequence[Spell], graph: ServiceGraph) -> list[Group]:
        if not spells:
            return []
        texts = [f"{spell.alert.name} {spell.alert.summary}" for spell in spells]
        vectors = TfidfVectorizer(token_pattern=r"[\w.-]+").fit_transform(texts)
        oldest = 0

        def links(spell: Spell) -> list[int]:
            nonlocal oldest
            while spells[oldest].at < spell.at - window:
                oldest += 1
            if oldest == spell.number:
                return []
            likeness = (vectors[oldest : spell.number] @ vectors[spell.number].T).toarray().ravel()
            alike = [oldest + int(offset) for offset in (likeness >= 1 - distance).nonzero()[0]]
            return [other for other in alike if spells[other].alert.scope == spell.alert.scope]

        return chain(spells, links)

    return group
