"""What is known of each candidate of an incident, as numbers a learned ranker weighs.

A pure function of the incident's nodes, their explanations and the graph. No name enters: a service is what it says,
when it began and how it is connected. Shares, orders and logarithms set a candidate in relation to the others of its
incident; what is the same for all of them says nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from correlator.engine.causes import Explainer, Paths
from correlator.engine.forest import Link
from correlator.engine.kinds import Kind
from correlator.engine.roots import Root
from correlator.engine.state import Node
from topology.graph import ServiceKind

_KINDS = tuple(kind for kind in Kind if kind is not Kind.CHANGE)
#: The columns of a table of features.
NAMES = (
    "weight",  # log weight of the explanations that begin with it, below the best one's
    "weight_order",  # 1 / (1 + how many weigh more)
    "alerts",  # ln(1 + number)
    "alerts_share",
    "rules",  # ln(1 + distinct names)
    "rarest",  # surprise of its rarest alert, nats
    "surprise",  # ln(1 + surprise of all its rules)
    "surprise_share",
    "surprise_share_ln",
    "real",  # log odds of a fault of its own against noise, 0 to 1
    "severity",  # 0 to 1
    "lasting",  # correlation windows from onset to end or now, ln(1 + ...)
    "firing",
    "flapping",
    "onset",  # exp(-(onset - first onset) / window)
    "onset_sharp",  # the same over an eighth of the window
    "onset_order",  # share of the alerting services that began before it
    "company",  # share of the incident's surprise that began about when it did
    "accused_by",  # ln(1 + services whose alerts on calls blame it)
    "accuses",
    "mentioned_by",  # ln(1 + services whose alerts name it)
    "mentions",
    "explains",  # share of the services that it may have caused directly
    "explained_by",  # share of the services that may have caused it directly
    "isolated",  # neither
    "near_dependents",  # share of the incident's surprise, one hop above it
    "far_dependents",  # two or three hops above
    "near_dependencies",
    "far_dependencies",
    "covers_1",  # share of the alerting services that are it or depend on it within one hop
    "covers_2",
    "covers_3",
    "quiet_dependents",  # share of its direct dependents that say nothing
    "lowest",  # nothing it depends on alerts
    "lowest_2",  # nor what that depends on
    "walk",  # stationary share of a walk from the alerts along dependencies
    "walk_surprise",  # the same from alerts by their surprise
    "walk_ln",
    "walk_surprise_ln",
    "callers",  # ln(1 + direct dependents)
    "callees",
    "host",
    "queue",
    "datastore",
    "unknown",  # not in the graph
    "changed",  # exp(-age / 15 min) of its last change
    "silent",
    "tree_root",  # share of its nodes that the forest explains by nothing else
    "descendants",  # share of the incident's nodes below it in the forest
    "joined",  # share of its nodes that are here although no known path leads to them
    *(f"rarest_{kind}" for kind in _KINDS),  # surprise of its rarest alert of the kind
)
_COLUMN = {name: position for position, name in enumerate(NAMES)}

_DAY_SECONDS = 86_400
_LOWEST_WEIGHT = -30.0
_LEAST_SHARE = 0.01  # below, a share is as good as none
_MOST_ODDS = 10.0
#: What begins within an eighth of a window of each other begins together.
_TOGETHER = 8
_CHANGE_MS = 1_800_000
_CHANGE_DECAY_MS = 900_000
#: Damping and steps of the walk; after so many the rest is below a millionth.
_DAMPING = 0.85
_STEPS = 40
_DIGITS = 6  # beyond, machines differ


class Scene(msgspec.Struct, frozen=True):
    """One incident at one moment: its nodes and what may have caused them, as the engine sees it.

    Of a large incident `links` holds the nodes that matter most, not all: only among those was looked for causes.
    """

    nodes: Mapping[int, Node]
    links: Mapping[int, Sequence[Link]]
    paths: Paths
    explainer: Explainer


def table(roots: Sequence[Root], scene: Scene) -> npt.NDArray[np.float64]:
    """Return one row per candidate with the columns `NAMES`."""
    columns = np.zeros((len(roots), len(NAMES)))
    voices = {service: _Voice(own, scene) for service, own in _by_service(scene.nodes).items()}
    crowd = _Crowd(voices, scene)
    best = max((root.score for root in roots), default=0.0)
    walks = {
        "walk": _walk(roots, crowd, {name: float(voice.alerts) for name, voice in voices.items()}),
        "walk_surprise": _walk(roots, crowd, {name: voice.surprise for name, voice in voices.items()}),
    }
    for number, root in enumerate(roots):
        values = _standing(root, roots, best, crowd) | _place(root.service, crowd)
        voice = voices.get(root.service)
        values |= {"silent": 1.0} if voice is None else _own(voice, root, crowd)
        values |= {name: float(shares[number]) for name, shares in walks.items()}
        values |= {f"{name}_ln": _log(values.get(name, 0.0)) for name in ("walk", "walk_surprise", "surprise_share")}
        for name, value in values.items():
            columns[number, _COLUMN[name]] = round(value, _DIGITS)
    return columns


class _Voice:
    """What one service says in the incident."""

    def __init__(self, own: Sequence[Node], scene: Scene) -> None:
        self.own = own
        self.service = own[0].service
        self.alerts = sum(node.total for node in own)
        self.onset_at = min(node.onset_at for node in own)
        self.callers = {name for node in own for name in node.callers}
        self.mentions = {name for node in own for name in node.mentions}
        rules = {name for node in own for name in node.names}
        self.rules = len(rules)
        surprises = {name: _surprise(scene.explainer.background(self.service, name)) for name in rules}
        self.rarest = max(surprises.values())
        # Sorted: the sum of floats depends on their order.
        self.surprise = math.fsum(sorted(surprises.values()))
        self.kinds: dict[Kind, float] = defaultdict(float)
        for node in own:
            for facet in node.facets:
                self.kinds[facet.kind] = max(self.kinds[facet.kind], surprises.get(facet.name, 0.0))


def _log(share: float) -> float:
    return math.log(max(share, 0.0) + _LEAST_SHARE)


def _surprise(rate: float) -> float:
    """Return ln(1 + days between two firings by noise)."""
    return math.log1p(1 / (rate * _DAY_SECONDS))


class _Crowd:
    """All services of the incident together."""

    def __init__(self, voices: Mapping[str, _Voice], scene: Scene) -> None:
        self.voices = voices
        self.scene = scene
        self.first_at = min(voice.onset_at for voice in voices.values())
        self.onsets = sorted(voice.onset_at for voice in voices.values())
        self.alerts = sum(voice.alerts for voice in voices.values())
        self.surprise = math.fsum(sorted(voice.surprise for voice in voices.values()))
        self.accused: dict[str, set[str]] = defaultdict(set)
        self.mentioned: dict[str, set[str]] = defaultdict(set)
        #: For every service, who of the alerting depends on it, and over how many hops.
        self.above: dict[str, dict[str, int]] = defaultdict(dict)
        for name, voice in voices.items():
            for caller in voice.callers:
                self.accused[caller].add(name)
            for mentioned in voice.mentions:
                self.mentioned[mentioned].add(name)
            for below, hops in scene.paths.hops_to(name).items():
                self.above[below][name] = hops
        self.below_in_forest = _descendants(scene.nodes)


def _by_service(nodes: Mapping[int, Node]) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = defaultdict(list)
    for node in nodes.values():
        found[node.service].append(node)
    return found


def _descendants(nodes: Mapping[int, Node]) -> dict[int, int]:
    """Return how many nodes each node stands above in the forest."""
    below: dict[int, int] = defaultdict(int)
    for key in nodes:
        seen = {key}
        parent = nodes[key].parent
        while parent in nodes and parent not in seen:
            below[parent] += 1
            seen.add(parent)
            parent = nodes[parent].parent
    return below


def _standing(root: Root, roots: Sequence[Root], best: float, crowd: _Crowd) -> dict[str, float]:
    """Return what the explanations say."""
    return {
        "weight": max(root.score - best, _LOWEST_WEIGHT) if math.isfinite(best) else 0.0,
        "weight_order": 1 / (1 + sum(other.score > root.score for other in roots)),
        "explains": len(root.explains) / len(crowd.voices),
    }


def _place(service: str, crowd: _Crowd) -> dict[str, float]:
    """Return where the service stands among those that alert."""
    paths, voices = crowd.scene.paths, crowd.voices
    graph = paths.graph
    above = {name: hops for name, hops in crowd.above.get(service, {}).items() if name != service}
    below = {name: hops for name, hops in paths.hops_to(service).items() if name in voices and name != service}
    dependents = graph.dependents(service)
    known = graph.service(service)
    kind = None if known is None else known.kind
    speaks = service in voices

    def share(names: Iterable[str]) -> float:
        return math.fsum(sorted(voices[name].surprise for name in names)) / max(crowd.surprise, 1e-9)

    def covers(hops: int) -> float:
        return (speaks + sum(distance <= hops for distance in above.values())) / len(voices)

    return {
        "near_dependents": share(name for name, hops in above.items() if hops == 1),
        "far_dependents": share(name for name, hops in above.items() if hops > 1),
        "near_dependencies": share(name for name, hops in below.items() if hops == 1),
        "far_dependencies": share(name for name, hops in below.items() if hops > 1),
        "covers_1": covers(1),
        "covers_2": covers(2),
        "covers_3": covers(3),
        "quiet_dependents": sum(name not in voices for name in dependents) / max(len(dependents), 1),
        "lowest": float(speaks and not any(hops == 1 for hops in below.values())),
        "lowest_2": float(speaks and not any(hops <= 2 for hops in below.values())),
        "callers": math.log1p(len(dependents)),
        "callees": math.log1p(len(graph.dependencies(service))),
        "host": float(kind is ServiceKind.HOST),
        "queue": float(kind is ServiceKind.QUEUE),
        "datastore": float(kind is ServiceKind.DATASTORE),
        "unknown": float(known is None),
        "accuses": math.log1p(len(crowd.accused.get(service, ()))),
        "mentioned_by": math.log1p(len(crowd.mentioned.get(service, ()))),
        "changed": _changed(service, crowd),
    }


def _changed(service: str, crowd: _Crowd) -> float:
    changed_at = crowd.scene.explainer.changed_at(service)
    voice = crowd.voices.get(service)
    age = (crowd.first_at if voice is None else voice.onset_at) - changed_at
    return math.exp(-age / _CHANGE_DECAY_MS) if changed_at and 0 <= age <= _CHANGE_MS else 0.0


def _own(voice: _Voice, root: Root, crowd: _Crowd) -> dict[str, float]:
    """Return what the service's own alerts say."""
    own, scene = voice.own, crowd.scene
    window_ms = scene.explainer.window_ms
    late = voice.onset_at - crowd.first_at
    lasting = max(scene.explainer.age_ms(node) for node in own)
    tops = sum(node.parent not in scene.nodes for node in own)
    causes = {scene.nodes[cause].service for node in own for cause in _likely_causes(node, scene)} - {voice.service}
    return {
        "alerts": math.log1p(voice.alerts),
        "alerts_share": voice.alerts / max(crowd.alerts, 1),
        "rules": math.log1p(voice.rules),
        "rarest": voice.rarest,
        "surprise": math.log1p(voice.surprise),
        "surprise_share": voice.surprise / max(crowd.surprise, 1e-9),
        "real": max(_odds(node, scene.explainer) for node in own),
        "severity": max(node.severity.rank for node in own) / 4,
        "lasting": math.log1p(lasting / window_ms),
        "firing": float(any(node.firing for node in own)),
        "flapping": float(not any(node.steady for node in own)),
        "onset": math.exp(-late / window_ms),
        "onset_sharp": math.exp(-_TOGETHER * late / window_ms),
        "onset_order": sum(at < voice.onset_at for at in crowd.onsets) / len(crowd.onsets),
        "company": _company(voice, crowd),
        "explained_by": len(causes) / len(crowd.voices),
        "isolated": float(not causes and not root.explains),
        "accused_by": math.log1p(len(voice.callers)),
        "mentions": math.log1p(len(voice.mentions)),
        "tree_root": tops / len(own),
        "descendants": max(crowd.below_in_forest.get(node.id, 0) for node in own) / len(scene.nodes),
        "joined": sum(_is_joined(node, scene) for node in own) / len(own),
        **{f"rarest_{kind}": voice.kinds[kind] for kind in _KINDS if kind in voice.kinds},
    }


def _odds(node: Node, explainer: Explainer) -> float:
    odds = math.log(explainer.fault(node) / explainer.noise(node))
    return (max(-_MOST_ODDS, min(_MOST_ODDS, odds)) + _MOST_ODDS) / (2 * _MOST_ODDS)


def _likely_causes(node: Node, scene: Scene) -> list[int]:
    """Return the nodes that explain this one better than noise does, whatever the forest chose."""
    noise = math.log(scene.explainer.rarity(node))
    links = scene.links.get(node.id, ())
    return [link.cause for link in links if link.log_density > noise and link.cause in scene.nodes]


def _company(voice: _Voice, crowd: _Crowd) -> float:
    window_ms = crowd.scene.explainer.window_ms
    near = (
        other.surprise * math.exp(-_TOGETHER * abs(other.onset_at - voice.onset_at) / window_ms)
        for other in crowd.voices.values()
        if other is not voice
    )
    return math.fsum(sorted(near)) / max(crowd.surprise, 1e-9)


def _is_joined(node: Node, scene: Scene) -> bool:
    """Tell whether the node is explained by another to which no known path leads."""
    if node.parent not in scene.nodes or node.id not in scene.links:
        return False
    return all(link.cause != node.parent for link in scene.links[node.id])


def _walk(roots: Sequence[Root], crowd: _Crowd, restart: Mapping[str, float]) -> npt.NDArray[np.float64]:
    """Return how long a walk stays at each candidate: from what alerts to what that depends on (PageRank)."""
    graph = crowd.scene.paths.graph
    names = dict.fromkeys([*crowd.voices, *(to for name in crowd.voices for to, _ in graph.dependencies(name))])
    index = {name: position for position, name in enumerate(names)}
    edges = [(index[name], index[to]) for name in crowd.voices for to, _ in graph.dependencies(name)]
    sources = np.array([source for source, _ in edges], dtype=np.intp)
    targets = np.array([target for _, target in edges], dtype=np.intp)
    out = np.bincount(sources, minlength=len(names)).astype(np.float64)
    home = np.array([restart.get(name, 0.0) for name in names])
    home = home / home.sum() if home.sum() > 0 else np.full(len(names), 1 / len(names))
    stay = home
    for _ in range(_STEPS):
        flow = np.bincount(targets, weights=(stay / np.maximum(out, 1))[sources], minlength=len(names))
        lost = stay[out == 0].sum()
        stay = (1 - _DAMPING) * home + _DAMPING * (flow + lost * home)
    return np.array([stay[index[root.service]] if root.service in index else 0.0 for root in roots])
