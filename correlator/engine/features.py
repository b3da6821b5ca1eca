"""What is known of each candidate of an incident, as numbers a learned ranker weighs.

A pure function of the incident's nodes, their explanations and the graph. No name enters: a service is what it says,
when it began and how it is connected. Shares, orders and logarithms set a candidate in relation to the others of its
incident; what is the same for all of them says nothing.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

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
_RAREST = {kind: f"rarest_{kind}" for kind in _KINDS}
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
_GRAIN = 2.0**-30


class Scene(msgspec.Struct, frozen=True):
    """One incident at one moment: its nodes and what may have caused them, as the engine sees it.

    Of a large incident `links` holds the nodes that matter most, not all: only among those was looked for causes.
    """

    nodes: Mapping[int, Node]
    links: Mapping[int, Sequence[Link]]
    paths: Paths
    explainer: Explainer


def _log(share: float) -> float:
    return math.log(max(share, 0.0) + _LEAST_SHARE)


#: What is known of a candidate without alerts of its own, beside where it stands.
_SILENT = {"silent": 1.0, "surprise_share_ln": _log(0.0)}


def table(roots: Sequence[Root], scene: Scene) -> npt.NDArray[np.float64]:
    """Return one row per candidate with the columns `NAMES`."""
    columns = np.zeros((len(roots), len(NAMES)))
    voices = {service: _Voice(own, scene) for service, own in _by_service(scene.nodes).items()}
    crowd = _Crowd(voices, scene)
    scores = sorted(root.score for root in roots)
    for number, root in enumerate(roots):
        voice = voices.get(root.service)
        values = _standing(root, scores, crowd) | _place(root.service, crowd)
        values |= _SILENT if voice is None else _own(voice, root, crowd)
        row = [0.0] * len(NAMES)
        for name, value in values.items():
            row[_COLUMN[name]] = value
        columns[number] = row
    candidates = [root.service for root in roots]
    for name, column in (_reach(candidates, crowd) | _walks(candidates, crowd)).items():
        columns[:, _COLUMN[name]] = column
    return _rounded(columns)


def _rounded(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Round as `round` does, which knows on which side of a tie a number is that would become one when scaled."""
    scaled = values * 10**_DIGITS
    nearest = np.rint(scaled)
    rounded: npt.NDArray[np.float64] = nearest / 10**_DIGITS
    for place in zip(*np.nonzero(np.abs(scaled - nearest) > 0.499999), strict=True):
        rounded[place] = round(float(values[place]), _DIGITS)
    return rounded


class _Voice:
    """What one service says in the incident."""

    def __init__(self, own: Sequence[Node], scene: Scene) -> None:
        self.own = own
        self.service = own[0].service
        self.alerts = sum(node.total for node in own)
        self.onset_at = min(node.onset_at for node in own)
        rules = {name for node in own for name in node.names}
        self.rules = len(rules)
        rate = scene.explainer.background
        surprises = {name: _surprise(rate(self.service, name)) for name in rules}
        self.rarest = max(surprises.values())
        # An exact sum: that of floats depends on their order.
        self.surprise = math.fsum(surprises.values())
        self._surprises = surprises

    def callers(self) -> set[str]:
        """Return who complains about calls to it."""
        return {name for node in self.own for name in node.callers}

    def mentions(self) -> set[str]:
        """Return which services its alerts name."""
        return {name for node in self.own for name in node.mentions}

    def rarest_by_kind(self) -> dict[str, float]:
        """Return the surprise of its rarest alert of each kind, by column."""
        found: dict[Kind, float] = defaultdict(float)
        for node in self.own:
            for facet in node.facets:
                found[facet.kind] = max(found[facet.kind], self._surprises.get(facet.name, 0.0))
        return {_RAREST[kind]: value for kind, value in found.items() if kind in _RAREST}


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
        self.surprise = math.fsum(voice.surprise for voice in voices.values())
        self.company = _company(voices.values(), scene.explainer.window_ms)
        self.accused: dict[str, set[str]] = defaultdict(set)
        self.mentioned: dict[str, set[str]] = defaultdict(set)
        for node in scene.nodes.values():
            for caller in node.callers:
                self.accused[caller].add(node.service)
            for mentioned in node.mentions:
                self.mentioned[mentioned].add(node.service)
        self.below_in_forest = _descendants(scene.nodes)
        surprises = np.array([voice.surprise for voice in voices.values()])
        # What a surprise has beyond its grain is summed apart, so the sum of the rest is exact in any order.
        self._coarse = np.rint(surprises / _GRAIN) * _GRAIN
        self._fine = surprises - self._coarse

    def shares(self, among: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """Return the share of the surprise that those have who are marked, for each row."""
        marks = among.astype(np.float64)
        sums: npt.NDArray[np.float64] = marks @ self._coarse + marks @ self._fine
        return sums / max(self.surprise, 1e-9)


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


def _standing(root: Root, scores: Sequence[float], crowd: _Crowd) -> dict[str, float]:
    """Return what the explanations say; `scores` are those of all, rising."""
    best = scores[-1]
    return {
        "weight": max(root.score - best, _LOWEST_WEIGHT) if math.isfinite(best) else 0.0,
        "weight_order": 1 / (1 + len(scores) - bisect_right(scores, root.score)),
        "explains": len(root.explains) / len(crowd.voices),
    }


def _place(service: str, crowd: _Crowd) -> dict[str, float]:
    """Return where the service stands among those that alert."""
    graph = crowd.scene.paths.graph
    dependents = graph.dependents(service)
    known = graph.service(service)
    kind = None if known is None else known.kind
    speaking = sum(map(crowd.voices.__contains__, dependents))
    return {
        "quiet_dependents": (len(dependents) - speaking) / max(len(dependents), 1),
        "callers": math.log1p(len(dependents)),
        "callees": math.log1p(len(graph.callees(service))),
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
    share = voice.surprise / max(crowd.surprise, 1e-9)
    lasting = max(scene.explainer.age_ms(node) for node in own)
    tops = sum(node.parent not in scene.nodes for node in own)
    causes = {scene.nodes[cause].service for node in own for cause in _likely_causes(node, scene)} - {voice.service}
    return {
        "alerts": math.log1p(voice.alerts),
        "alerts_share": voice.alerts / max(crowd.alerts, 1),
        "rules": math.log1p(voice.rules),
        "rarest": voice.rarest,
        "surprise": math.log1p(voice.surprise),
        "surprise_share": share,
        "surprise_share_ln": _log(share),
        "real": max(_odds(node, scene.explainer) for node in own),
        "severity": max(node.severity.rank for node in own) / 4,
        "lasting": math.log1p(lasting / window_ms),
        "firing": float(any(node.firing for node in own)),
        "flapping": float(not any(node.steady for node in own)),
        "onset": math.exp(-late / window_ms),
        "onset_sharp": math.exp(-_TOGETHER * late / window_ms),
        "onset_order": bisect_left(crowd.onsets, voice.onset_at) / len(crowd.onsets),
        "company": crowd.company[voice.service] / max(crowd.surprise, 1e-9),
        "explained_by": len(causes) / len(crowd.voices),
        "isolated": float(not causes and not root.explains),
        "accused_by": math.log1p(len(voice.callers())),
        "mentions": math.log1p(len(voice.mentions())),
        "tree_root": tops / len(own),
        "descendants": max(crowd.below_in_forest.get(node.id, 0) for node in own) / len(scene.nodes),
        "joined": sum(_is_joined(node, scene) for node in own) / len(own),
        **voice.rarest_by_kind(),
    }


def _odds(node: Node, explainer: Explainer) -> float:
    odds = math.log(explainer.fault(node) / explainer.noise(node))
    return (max(-_MOST_ODDS, min(_MOST_ODDS, odds)) + _MOST_ODDS) / (2 * _MOST_ODDS)


def _likely_causes(node: Node, scene: Scene) -> list[int]:
    """Return the nodes that explain this one better than noise does, whatever the forest chose."""
    noise = math.log(scene.explainer.rarity(node))
    links = scene.links.get(node.id, ())
    return [link.cause for link in links if link.log_density > noise and link.cause in scene.nodes]


def _company(voices: Iterable[_Voice], window_ms: int) -> dict[str, float]:
    """Return, for each service, the surprise of the others, each for less the further apart they began.

    What came before decays from one onset to the next, so one pass forwards and one backwards give all.
    """
    ordered = sorted(voices, key=lambda voice: voice.onset_at)
    found = {voice.service: 0.0 for voice in ordered}
    for one_way in (ordered, ordered[::-1]):
        near, at = 0.0, one_way[0].onset_at
        for voice in one_way:
            near *= math.exp(-_TOGETHER * abs(voice.onset_at - at) / window_ms)
            found[voice.service] += near
            near, at = near + voice.surprise, voice.onset_at
    return found


def _is_joined(node: Node, scene: Scene) -> bool:
    """Tell whether the node is explained by another to which no known path leads."""
    if node.parent not in scene.nodes or node.id not in scene.links:
        return False
    return all(link.cause != node.parent for link in scene.links[node.id])


def _reach(candidates: Sequence[str], crowd: _Crowd) -> dict[str, npt.NDArray[np.float64]]:
    """Return, for each candidate, which of those that alert it reaches along the graph, and who reaches it."""
    paths, voices = crowd.scene.paths, list(crowd.voices)
    rows = {name: row for row, name in enumerate(dict.fromkeys([*voices, *candidates]))}
    within = _within(list(rows), paths)
    above = _marked(within[:, : len(voices)], candidates, paths).transpose(0, 2, 1)
    below = _marked(within[:, [rows[name] for name in candidates]], voices, paths)
    speaks = np.array([name in crowd.voices for name in candidates])
    covers = (speaks + above.sum(axis=2)) / len(voices)
    return {
        "near_dependents": crowd.shares(above[0]),
        "far_dependents": crowd.shares(above[2] & ~above[0]),
        "near_dependencies": crowd.shares(below[0]),
        "far_dependencies": crowd.shares(below[2] & ~below[0]),
        "covers_1": covers[0],
        "covers_2": covers[1],
        "covers_3": covers[2],
        "lowest": (speaks & ~below[0].any(axis=1)).astype(np.float64),
        "lowest_2": (speaks & ~below[1].any(axis=1)).astype(np.float64),
    }


def _within(names: Sequence[str], paths: Paths) -> npt.NDArray[np.uint8]:
    """Return, for one, two and three hops, what each of `names` (rows) depends on within them, as bits."""
    within = paths.within(names)
    size = len(paths.places) // 8 + 1
    packed = b"".join(bits[hops].to_bytes(size, "little") for hops in range(3) for bits in within)
    return np.frombuffer(packed, dtype=np.uint8).reshape(3, len(names), size)


def _marked(within: npt.NDArray[np.uint8], names: Sequence[str], paths: Paths) -> npt.NDArray[np.bool_]:
    """Tell which of `names` (columns) are among the bits of each row."""
    behind = len(paths.places)
    places = np.array([paths.places.get(name, behind) for name in names])
    return (within[:, :, places >> 3] >> (places & 7).astype(np.uint8) & 1).astype(np.bool_)


def _walks(candidates: Sequence[str], crowd: _Crowd) -> dict[str, npt.NDArray[np.float64]]:
    """Return how long a walk stays at each candidate that begins anew at alerts, and at their surprise."""
    walk = _Walk(crowd)
    shares = {
        "walk": walk.shares(candidates, {name: float(voice.alerts) for name, voice in crowd.voices.items()}),
        "walk_surprise": walk.shares(candidates, {name: voice.surprise for name, voice in crowd.voices.items()}),
    }
    return shares | {f"{name}_ln": np.array([_log(share) for share in found]) for name, found in shares.items()}


class _Walk:
    """A walk from what alerts to what that depends on (PageRank)."""

    def __init__(self, crowd: _Crowd) -> None:
        graph = crowd.scene.paths.graph
        callees = {name: graph.callees(name) for name in crowd.voices}
        names = dict.fromkeys([*callees, *chain.from_iterable(callees.values())])
        self._index = index = {name: position for position, name in enumerate(names)}
        out = [len(found) for found in callees.values()]
        self._sources = np.repeat(np.arange(len(callees)), out)
        self._targets = np.array([index[name] for name in chain.from_iterable(callees.values())], dtype=np.intp)
        ways = np.array(out + [0] * (len(names) - len(out)), dtype=np.float64)
        self._ends, self._out = np.flatnonzero(ways == 0), np.maximum(ways, 1)

    def shares(self, candidates: Sequence[str], restart: Mapping[str, float]) -> npt.NDArray[np.float64]:
        """Return how long a walk stays at each candidate that begins anew where `restart` says."""
        index = self._index
        home = np.array([restart.get(name, 0.0) for name in index])
        home = home / home.sum() if home.sum() > 0 else np.full(len(index), 1 / len(index))
        stay, anew = home, (1 - _DAMPING) * home
        for _ in range(_STEPS):
            flow = np.bincount(self._targets, weights=(stay / self._out)[self._sources], minlength=len(index))
            stay = anew + _DAMPING * (flow + stay[self._ends].sum() * home)
        return np.array([stay[index[name]] if name in index else 0.0 for name in candidates])
