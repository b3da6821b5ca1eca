"""The candidates for the root: what is known of each, and what sets the first apart from the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from correlator.domain import rfc3339
from correlator.engine import report
from correlator.engine.features import NAMES
from correlator.engine.ranking import Ranker, Suspects, ordered, suspects_of
from correlator.engine.roots import Root
from correlator.engine.state import Incident, Node
from correlator.engine.view import View
from correlator.explain import wording
from correlator.explain.values import ChangeConsidered, Factor, Rival, Silence, Suspect
from models.ranker import LearnedRanker

_RIVALS = 3
_FACTORS = 6
_LEAST_NATS = 0.05  # a factor that weighs less is left out
_SILENCES = 10
_DIGITS = 4

Standing = Sequence[tuple[Root, float]]  # with probabilities, best first


def line_up(view: View, incident: Incident) -> tuple[Suspects, Standing]:
    """Return the candidates as the engine names them."""
    suspects = suspects_of(incident.id, view.members(incident), view.paths, view.explainer, view.now)
    return suspects, ordered(suspects, view.ranker)


def described(view: View, suspects: Suspects, standing: Standing) -> list[Suspect]:
    """Return what is known of each candidate."""
    table = {root.service: row for root, row in zip(suspects.roots, suspects.features().tolist(), strict=True)}
    weighed = _weighed(view.ranker, suspects)
    best = max((root.score for root in suspects.roots), default=0.0)
    nodes = suspects.scene.nodes
    services = len({node.service for node in nodes.values()})
    found = []
    for root, chance in standing:
        own = [node for node in nodes.values() if node.service == root.service]
        found.append(
            Suspect(
                service=root.service,
                probability=chance,
                weighed=round(weighed[root.service], _DIGITS),
                log_weight=round(root.score - best, _DIGITS) if math.isfinite(root.score) else None,
                silent=not own,
                evidence=report.evidence(root, own, services),
                features={name: value for name, value in zip(NAMES, table[root.service], strict=True) if value},
            )
        )
    return found


def _weighed(ranker: Ranker, suspects: Suspects) -> dict[str, float]:
    """Return the probabilities before calibration; what is not calibrated is its own."""
    chances = ranker.weighed(suspects) if isinstance(ranker, LearnedRanker) else ranker.probabilities(suspects)
    return {root.service: chance for root, chance in zip(suspects.roots, chances, strict=True)}


def rivals(ranker: Ranker, known: Sequence[Suspect]) -> list[Rival]:
    """Return the runners-up, and what sets the first candidate apart from each."""
    if not known:
        return []
    first = known[0]
    return [
        Rival(
            service=rival.service,
            probability=rival.probability,
            lead=round(math.fsum(factor.nats for factor in factors), _DIGITS),
            factors=[factor for factor in factors if abs(factor.nats) >= _LEAST_NATS][:_FACTORS],
            turns=[],
        )
        for rival in known[1 : 1 + _RIVALS]
        for factors in [_factors(ranker, first, rival)]
    ]


def _factors(ranker: Ranker, root: Suspect, rival: Suspect) -> list[Factor]:
    """Return what tells the two apart, the weightiest first; the nats sum to the log of their uncalibrated odds."""
    if not isinstance(ranker, LearnedRanker):
        nats = math.log(max(root.weighed, 1e-4) / max(rival.weighed, 1e-4))
        values = (root.log_weight or 0.0, rival.log_weight or 0.0)
        return [_factor("weight", *values, nats)]
    found = [
        _factor(name, root.features.get(name, 0.0), rival.features.get(name, 0.0), nats)
        for name, weight in ranker.weights.items()
        if (nats := weight * (root.features.get(name, 0.0) - rival.features.get(name, 0.0)))
    ]
    return sorted(found, key=lambda factor: (-abs(factor.nats), factor.feature))


def _factor(name: str, root: float, rival: float, nats: float) -> Factor:
    return Factor(
        feature=name,
        words=wording.feature(name),
        root=round(root, _DIGITS),
        rival=round(rival, _DIGITS),
        nats=round(nats, _DIGITS),
    )


def silences(view: View, root: str, members: Sequence[Node], along: Mapping[str, str]) -> list[Silence]:
    """Return who says nothing: the services on the way, then dependents of the root, the most telling first.

    Args:
        along: silent services on the way from a cause to a member, with the way in words.
    """
    speaking = {node.service for node in members}
    _, expected = view.paths.expected_voices(root, 1.0)
    found = [Silence(service=name, where=where, cost=None) for name, where in along.items()]
    quiet = sorted((name for name in expected if name not in speaking), key=lambda name: (-expected[name], name))
    found += [
        Silence(service=name, where=f"depends on {root}", cost=round(expected[name], _DIGITS))
        for name in quiet
        if name not in along
    ]
    return found[:_SILENCES]


def changes(view: View, root: str, members: Sequence[Node]) -> list[ChangeConsidered]:
    """Return the changes of the incident's services and by how much each was taken to raise the odds of a fault."""
    first = {node.service: node for node in reversed(members)}
    names = dict.fromkeys([root, *(node.service for node in members)])
    found = []
    for name in names:
        node = first.get(name)
        for change in view.scope.changes.get(name, ()):
            counts = node is not None and change.started_at == view.explainer.changed_at(name)
            found.append(
                ChangeConsidered(
                    service=name,
                    name=change.name,
                    summary=change.summary,
                    at=rfc3339(change.started_at),
                    seconds_before_onset=None if node is None else (node.onset_at - change.started_at) / 1000,
                    raises=round(_raises(view, node), _DIGITS) if counts and node is not None else 0.0,
                )
            )
    return sorted(found, key=lambda change: (change.at, change.service, change.name), reverse=True)


def _raises(view: View, node: Node) -> float:
    """Return by how many nats the last change makes a fault of the node's service likelier."""
    return math.log(view.explainer.fault(node) / view.explainer.unchanged(node))
