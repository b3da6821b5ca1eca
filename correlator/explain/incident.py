"""Explain one incident: every revision as it is published, and at the end what would have turned the root."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from correlator.domain import Action, IncidentEvent
from correlator.engine import worth
from correlator.explain import nearby
from correlator.explain.course import Course, Said
from correlator.explain.suspects import changes, described, line_up, rivals, silences
from correlator.explain.tree import grounds, members
from correlator.explain.turning import Moment, moment_of, turns
from correlator.explain.values import Bond, Explanation, Member, Tried, Turn
from topology.graph import ServiceGraph

_DIGITS = 4
_NOT_TRIED = Tried(changes=0, turned=0, why_none="not asked for")


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One revision, explained, and what is needed to go through it again."""

    explanation: Explanation
    published: IncidentEvent
    partition: int
    applied: int
    moment: Moment
    graph: ServiceGraph


class IncidentListener:
    """Listen for one incident.

    Args:
        revision: the one to explain; the last one that still has alerts unless given.
    """

    def __init__(self, incident_id: str, revision: int | None) -> None:
        self._incident_id = incident_id
        self._revision = revision
        self.seen: Seen | None = None
        self.revisions = 0
        self.merged_into: str | None = None
        self.published: list[IncidentEvent] = []

    def __call__(self, said: Said) -> None:
        event = said.output
        if not isinstance(event, IncidentEvent) or event.incident_id != self._incident_id:
            return
        self.revisions = event.revision
        self.published.append(event)
        if event.action is Action.MERGED:
            self.merged_into = event.merged_into
        elif self._revision is None or event.revision == self._revision:
            self.seen = see(said, event)

    def finish(self, course: Course, *, try_changes: bool) -> Explanation | None:
        """Return the explanation, None where the incident or its revision was never published."""
        seen = self.seen
        if seen is None:
            return None
        found, tried = turned(course, seen) if try_changes else ([], _NOT_TRIED)
        explanation = seen.explanation
        return msgspec.structs.replace(
            explanation,
            revisions=self.revisions,
            merged_into=self.merged_into,
            turns=found,
            tried=tried,
            rivals=[
                msgspec.structs.replace(rival, turns=[turn for turn in found if turn.root == rival.service])
                for rival in explanation.rivals
            ],
        )

    def compared(self, found: Explanation, published: Mapping[str, IncidentEvent]) -> Explanation:
        """Return the explanation with whether the revision was published just so, where that is known."""
        known = published.get(f"{found.incident_id}/{found.revision}")
        if known is None or self.seen is None:
            return found
        return msgspec.structs.replace(found, as_published=known == self.seen.published)

    def why_not(self) -> str:
        """Say why there is nothing to explain."""
        if not self.published:
            return f"no incident {self._incident_id} comes of this input"
        known = ", ".join(str(event.revision) for event in self.published if event.action is not Action.MERGED)
        return f"incident {self._incident_id} has no revision {self._revision} with alerts; it has {known}"


def turned(course: Course, seen: Seen) -> tuple[list[Turn], Tried]:
    moment = seen.moment
    scope = seen.explanation.scope
    stretch = course.stretch(seen.partition, scope, moment.first_at, seen.applied)
    return turns(stretch, moment, seen.explanation.members, seen.graph)


def see(said: Said, event: IncidentEvent) -> Seen:
    """Explain an incident at the moment one of its revisions is published."""
    view = said.engine.view(event.scope)
    incident = view.scope.incidents[event.incident_id]
    ground = grounds(view, incident)
    nodes = view.members(incident)
    suspects, standing = line_up(view, incident)
    known = described(view, suspects, standing)
    tree = members(ground)
    gain = ground.gain()
    explanation = Explanation(
        incident_id=event.incident_id,
        scope=event.scope,
        revision=event.revision,
        revisions=event.revision,
        action=event.action,
        page=event.page,
        status=event.status,
        title=event.title,
        at=event.published_at,
        root=event.root_cause.service,
        root_silent=event.root_cause.silent,
        confidence=event.root_cause.confidence,
        gain=round(gain, _DIGITS),
        faults_of_late=round(view.explainer.fault_odds, _DIGITS),
        real=round(worth.probability(gain), _DIGITS),
        members=tree,
        suspects=known,
        rivals=rivals(view.ranker, known),
        turns=[],
        tried=_NOT_TRIED,
        silences=silences(view, event.root_cause.service, nodes, _along(tree)),
        neighbours=nearby.neighbours(ground),
        changes=changes(view, event.root_cause.service, nodes),
        merged_into=event.merged_into,
        as_published=None,
        versions=event.versions,
    )
    moment = moment_of(incident, nodes, view.now, [suspect.service for suspect in known])
    return Seen(
        explanation=explanation,
        published=event,
        partition=said.partition,
        applied=said.applied,
        moment=moment,
        graph=view.graph,
    )


def _along(tree: list[Member]) -> dict[str, str]:
    """Return the silent services on the way from a cause to a member."""
    found: dict[str, str] = {}
    for member in tree:
        for name in member.silent:
            if member.bond is Bond.SILENT_CAUSE:
                found.setdefault(name, f"taken for the cause of {member.service}")
            else:
                found.setdefault(name, f"between {member.cause} and {member.service}")
    return found
