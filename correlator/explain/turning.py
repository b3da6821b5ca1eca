"""What would turn the root: changes of the input, each applied to the engine itself to see what it names then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import msgspec

from correlator.domain import AlertEvent, Severity, Status
from correlator.engine.engine import Engine
from correlator.engine.kinds import CAUSE_LIKE
from correlator.engine.state import Incident, Node
from correlator.explain import edits, wording
from correlator.explain.course import Stretch
from correlator.explain.edits import Edit
from correlator.explain.suspects import line_up
from correlator.explain.values import Member, Tried, Turn
from topology.graph import ServiceGraph

#: The engine is asked so often at most, and goes through so many events for it.
MOST_TRIALS = 60
MOST_EVENTS = 200_000
#: Alone of these many services, alerts and dependencies it is asked what would be without them.
_MOST_SERVICES = 12
_MOST_ALERTS = 5
_MOST_DEPENDENCIES = 12
_RIVALS = 2
_ADDED_NAME = "ServiceDown"


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """The incident at its revision, as far as changes of the input need to know it.

    Args:
        first_at: when its first alert arrived.
        alerts: the fingerprints of each of its services.
    """

    incident_id: str
    at: int
    root: str
    rivals: list[str]
    first_at: int
    onset_at: int
    alerts: dict[str, list[str]]
    starts: dict[str, int]
    down: set[str]


def moment_of(incident: Incident, nodes: Sequence[Node], at: int, roots: Sequence[str]) -> Moment:
    alerts: dict[str, list[str]] = {}
    for node in nodes:
        alerts.setdefault(node.service, []).extend(name for name in node.members if name not in alerts[node.service])
    return Moment(
        incident_id=incident.id,
        at=at,
        root=roots[0],
        rivals=list(roots[1 : 1 + _RIVALS]),
        first_at=min(node.arrived_at for node in nodes),
        onset_at=min(node.onset_at for node in nodes),
        alerts=alerts,
        starts={node.service: node.onset_at for node in reversed(nodes)},
        down={node.service for node in nodes if not CAUSE_LIKE.isdisjoint(node.kinds)},
    )


class Trials:
    """Ask the engine again and again, within bounds that are counted and not timed: the same every time."""

    def __init__(self, stretch: Stretch, moment: Moment) -> None:
        self._stretch = stretch
        self._moment = moment
        self._left = min(MOST_TRIALS, MOST_EVENTS // max(len(stretch.items), 1))
        self._asked: set[str] = set()
        self.changes = 0
        self.found: list[Turn] = []

    def same_as_it_was(self) -> bool:
        """Tell whether the stretch, gone through unchanged, comes to the same incident and root."""
        named = self._named(edits.NOTHING)
        return named is not None and named[:2] == (self._moment.incident_id, self._moment.root)

    def ask(self, edit: Edit) -> str | None:
        """Return the root that is named after the change, None where none is or the bound is reached."""
        if self._left <= 0:
            return None
        self._left -= 1
        self.changes += 1
        named = self._named(edit)
        return None if named is None else named[1]

    def note(self, edit: Edit) -> bool:
        """Apply a change; where it turns the root, keep it and tell so."""
        if self._left <= 0 or edit.words in self._asked:
            return False
        self._asked.add(edit.words)
        self._left -= 1
        self.changes += 1
        named = self._named(edit)
        if named is None or named[1] == self._moment.root:
            return False
        self.found.append(Turn(change=edit.words, root=named[1], probability=named[2]))
        return True

    def _named(self, edit: Edit) -> tuple[str, str, float] | None:
        engine = self._stretch.again(edit, self._moment.at)
        return named(engine, self._stretch.scope, self._moment.alerts)


def named(engine: Engine, scope: str, alerts: dict[str, list[str]]) -> tuple[str, str, float] | None:
    """Return the incident that holds most of the alerts, its root and the root's probability."""
    known = engine.state.scopes.get(scope)
    if known is None:
        return None
    view = engine.view(scope)
    votes: Counter[str] = Counter()
    for fingerprint in (name for names in alerts.values() for name in names):
        alert = known.alerts.get(fingerprint)
        node = known.nodes.get(alert.node) if alert is not None else None
        if node is not None and node.incident in known.incidents:
            votes[node.incident] += 1
    if not votes:
        return None
    incident = known.incidents[min(votes, key=lambda name: (-votes[name], name))]
    _, standing = line_up(view, incident)
    return (incident.id, standing[0][0].service, standing[0][1]) if standing else None


def turns(stretch: Stretch, moment: Moment, members: Sequence[Member], graph: ServiceGraph) -> tuple[list[Turn], Tried]:
    """Apply changes and return those that turn the root."""
    trials = Trials(stretch, moment)
    if not trials.same_as_it_was():
        return [], Tried(changes=0, turned=0, why_none="what led to this revision cannot be gone through alone")
    for rival in moment.rivals:
        _for_rival(trials, stretch, moment, rival, graph)
    for edit in [*_without_alerts(moment, members), *_without_services(moment), *_cuts(moment, members, graph)]:
        trials.note(edit)
    if trials.changes == 0:
        return [], Tried(changes=0, turned=0, why_none="too many events led to it to go through them again")
    return trials.found, Tried(changes=trials.changes, turned=len(trials.found), why_none="")


def _for_rival(trials: Trials, stretch: Stretch, moment: Moment, rival: str, graph: ServiceGraph) -> None:
    """Look for what makes a rival the root: more and more is changed until it is."""
    down = [] if rival in moment.down else [_down(stretch, moment, rival)]
    no_path = [edits.cut(rival, moment.root)] if graph.depends(rival, moment.root) else []
    root_alerts = moment.alerts.get(moment.root)
    quiet = [edits.without(f"without the alerts of {moment.root}", root_alerts)] if root_alerts else []
    ladder = [down, no_path, [*down, *no_path], quiet, [*down, *quiet], [*down, *no_path, *quiet]]
    for step in dict.fromkeys(tuple(edit.words for edit in step) for step in ladder if step):
        edit = edits.together(*(edit for edit in [*down, *no_path, *quiet] if edit.words in step))
        if trials.note(edit) and trials.found[-1].root == rival:
            break
    if rival in moment.alerts:
        _earlier(trials, moment, rival)


def _down(stretch: Stretch, moment: Moment, service: str) -> Edit:
    """Let a service have said that it is down, at the incident's beginning."""
    event = AlertEvent(
        id=f"added:{service}",
        status=Status.FIRING,
        name=_ADDED_NAME,
        service=service,
        fingerprint=f"added:{service}",
        starts_at=moment.onset_at,
        observed_at=moment.first_at,
        scope=stretch.scope,
        severity=Severity.CRITICAL,
    )
    return edits.also(f"if {service} had reported {_ADDED_NAME} when the incident began", event)


def _earlier(trials: Trials, moment: Moment, service: str) -> None:
    """Find the least number of seconds by which a rival's alerts would have to come earlier."""
    most = round((moment.starts[service] - moment.onset_at) / 1000) + 120

    def edit(seconds: int) -> Edit:
        words = f"if the alerts of {service} had begun {wording.duration(seconds)} earlier"
        return edits.earlier(words, moment.alerts[service], seconds, moment.first_at)

    seconds = least(0, most, lambda seconds: trials.ask(edit(seconds)) == service)
    if seconds is not None:
        trials.note(edit(seconds))


def least(too_few: int, enough: int, holds: Callable[[int], bool]) -> int | None:
    """Return a number for which it holds and for the one below it does not, None where it does not for `enough`."""
    if not holds(enough):
        return None
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if holds(middle):
            enough = middle
        else:
            too_few = middle
    return enough


def _without_alerts(moment: Moment, members: Sequence[Member]) -> Iterator[Edit]:
    """Yield the root's alerts one by one, where it has several."""
    own = [alert for member in members if member.service == moment.root for alert in member.alerts]
    for alert in own[:_MOST_ALERTS] if len(own) > 1 else []:
        yield edits.without(f"without {alert.name} of {moment.root}", [alert.fingerprint])


def _without_services(moment: Moment) -> Iterator[Edit]:
    for service, fingerprints in list(moment.alerts.items())[:_MOST_SERVICES]:
        if len(moment.alerts) > 1:
            yield edits.without(f"without the alerts of {service}", fingerprints)


def _cuts(moment: Moment, members: Sequence[Member], graph: ServiceGraph) -> Iterator[Edit]:
    """Yield the dependencies that the tree goes over, and those of its services on the root."""
    pairs = [(hop.source, hop.to) for member in members for hop in member.path if hop.type not in ("text", "call")]
    pairs += [(name, moment.root) for name in moment.alerts if graph.depends(name, moment.root)]
    for source, to in list(dict.fromkeys(pairs))[:_MOST_DEPENDENCIES]:
        yield edits.cut(source, to)
