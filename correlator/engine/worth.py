"""Worth a page: how sure it is that an incident is a fault rather than noise, and how sure it must be.

One alert is asked for what the configuration says. A group is the best explanation of all that were possible: where
much noise is about, some of it always fits together. So its odds must exceed the number of alerts that noise brings
within a correlation window, as learned, unless one of its nodes would page without the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from correlator.config import EngineConfig
from correlator.domain import Severity
from correlator.engine.causes import Explainer
from correlator.engine.state import Incident, Node

#: Log odds at which trouble on several services is a fault, if nothing asks for more.
_SEVERAL_GAIN = 2.0


def probability(gain: float) -> float:
    """Return the probability whose log odds are `gain`."""
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, gain))))


def needed(members: Sequence[Node], explainer: Explainer, config: EngineConfig, expected: float) -> float:
    """Return the probability of being a fault from which an incident pages.

    `expected` is how many alerts noise brings within a correlation window.
    """
    alone = _threshold(config, max((node.severity for node in members), key=lambda severity: severity.rank))
    if len({node.service for node in members}) == 1:
        return alone
    together = min(alone, probability(_SEVERAL_GAIN))
    by_chance = expected / (1 + expected)
    if by_chance <= together or any(pages_alone(node, explainer, config) for node in members):
        return together
    return by_chance


def odds(incident: Incident, nodes: Mapping[int, Node], explainer: Explainer, config: EngineConfig) -> float:
    """Return the log odds that an incident is a fault rather than noise throughout.

    What would page alone is no less sure in company, though what its tree begins with looks like noise.
    """
    weighed = [nodes[key] for key in incident.weighed if key in nodes]
    tree = incident.weight - math.fsum(math.log(explainer.noise(node)) for node in weighed) + explainer.fault_odds
    firing = (node for node in weighed if node.firing and pages_alone(node, explainer, config))
    return max([tree, *(odds_alone(node, explainer) for node in firing)])


def odds_alone(node: Node, explainer: Explainer) -> float:
    """Return the log odds that a node is a fault of its own rather than noise."""
    return math.log(explainer.fault(node) / explainer.noise(node)) + explainer.fault_odds


def pages_alone(node: Node, explainer: Explainer, config: EngineConfig) -> bool:
    """Tell whether a node would page if nothing else were in trouble."""
    return probability(odds_alone(node, explainer)) >= _threshold(config, node.severity)


def _threshold(config: EngineConfig, severity: Severity) -> float:
    return config.page_probability_critical if severity is Severity.CRITICAL else config.page_probability
