"""Stories: what became of each incident, from its events and from what humans said of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from correlator.domain import Action, Feedback, FeedbackAction, IncidentEvent, Severity, instant_of

#: The word for what has no owner.
NO_TEAM = "-"


#: What only a human does who takes an incident seriously.
_TAKEN = frozenset(FeedbackAction) - {FeedbackAction.NOISE, FeedbackAction.UNACKNOWLEDGE}


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One interruption: an event of an incident with `page`, with the root of then and its team."""

    at: int
    team: str
    service: str
    action: Action


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """One incident: its newest state, its pages, and what humans did. Instants are milliseconds."""

    incident: IncidentEvent
    team: str
    started_at: int
    opened_at: int
    resolved_at: int | None
    pages: tuple[Page, ...]
    feedback: tuple[Feedback, ...]
    acknowledged_at: int | None
    #: A human gave it to somebody else than the team it was with.
    reassigned: bool
    #: Its first events are gone from a compacted topic.
    is_compacted: bool

    @property
    def merged(self) -> bool:
        """True where it ended as a part of another incident."""
        return self.incident.action is Action.MERGED

    @property
    def taken(self) -> bool:
        """True where a human acted on it and did not call it noise."""
        actions = {word.action for word in self.feedback}
        return FeedbackAction.NOISE not in actions and (bool(actions & _TAKEN) or self.acknowledged_at is not None)

    @property
    def severity(self) -> Severity:
        return self.incident.severity


def stories(events: Iterable[IncidentEvent], feedback: Sequence[Feedback] = ()) -> list[Story]:
    """Fold incident events into one story each, by opening; repeated revisions and deliveries count once.

    Where a compacted topic holds only an incident's last event, it counts as having paged once, when it was opened.
    """
    histories: dict[str, dict[int, IncidentEvent]] = {}
    for event in events:
        histories.setdefault(event.incident_id, {}).setdefault(event.revision, event)
    words = _by_incident(feedback)
    told = [
        _story([history[revision] for revision in sorted(history)], words.get(incident_id, ()))
        for incident_id, history in histories.items()
    ]
    return sorted(told, key=lambda story: (story.opened_at, story.incident.incident_id))


def conflicts(events: Iterable[IncidentEvent]) -> list[str]:
    """Return the incidents of which one revision stands for two different events; only the first can be counted."""
    seen: dict[tuple[str, int], IncidentEvent] = {}
    return sorted(
        {event.incident_id for event in events if seen.setdefault((event.incident_id, event.revision), event) != event}
    )


def _by_incident(feedback: Sequence[Feedback]) -> Mapping[str, tuple[Feedback, ...]]:
    """Return what was said of each incident in the order of time; a delivery that is repeated counts once."""
    found: dict[str, dict[str, Feedback]] = {}
    for word in feedback:
        found.setdefault(word.incident_id, {}).setdefault(word.id, word)
    return {
        incident_id: tuple(sorted(words.values(), key=lambda word: (word.said_at, word.id)))
        for incident_id, words in found.items()
    }


def _story(history: Sequence[IncidentEvent], feedback: tuple[Feedback, ...]) -> Story:
    last = history[-1]
    persons = {word.to for word in feedback if word.to_person and word.to}
    opened_at = instant(last.opened_at)
    pages = [_page(event, instant(event.published_at), event.action, persons) for event in history if event.page]
    if history[0].revision > 1 and not any(page.action is Action.OPENED for page in pages):
        pages.insert(0, _page(history[0], opened_at, Action.OPENED, persons))
    acknowledged = [instant(event.published_at) for event in history if event.action is Action.ACKNOWLEDGED]
    acknowledged += [word.said_at for word in feedback if word.action is FeedbackAction.ACKNOWLEDGE]
    over = last.action in (Action.RESOLVED, Action.MERGED)
    return Story(
        incident=last,
        team=team_of(last, persons),
        started_at=instant(last.started_at),
        opened_at=opened_at,
        resolved_at=(instant(last.resolved_at) if last.resolved_at else instant(last.published_at)) if over else None,
        pages=tuple(pages),
        feedback=feedback,
        acknowledged_at=min(acknowledged, default=None),
        reassigned=any(_gives_away(word, history, persons) for word in feedback),
        is_compacted=history[0].revision > 1,
    )


def _gives_away(word: Feedback, history: Sequence[IncidentEvent], persons: Collection[str]) -> bool:
    """Tell whether somebody gave an incident to another team than it was with.

    Given to a person it is still with the team. The events that follow bear the new team. Where those before are gone
    from a compacted topic, their word is taken.
    """
    if word.action is not FeedbackAction.REASSIGN or word.to_person:
        return False
    before = [event for event in history if event.revision == 1 or instant(event.published_at) < word.said_at]
    return not before or word.to != team_of(before[-1], persons)


def _page(event: IncidentEvent, at: int, action: Action, persons: Collection[str]) -> Page:
    return Page(at=at, team=team_of(event, persons), service=event.root_cause.service, action=action)


def team_of(event: IncidentEvent, persons: Collection[str] = ()) -> str:
    """Return whose an incident is; where a person has it, the route is still that of the team."""
    if event.owner is None:
        return NO_TEAM
    return event.owner.route or NO_TEAM if event.owner.team in persons else event.owner.team


def instant(text: str) -> int:
    """Return the milliseconds of an RFC 3339 instant.

    Raises:
        ValueError: it is none.
    """
    return instant_of(datetime.fromisoformat(text))
