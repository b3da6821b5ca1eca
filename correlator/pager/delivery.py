"""The order of deliveries to one target: a pure state machine without clock, network or Kafka.

Of one incident one event at a time, in order of revision; of different incidents many at once, pages and resolves
first. `take` hands out work; each piece comes back through `retry`, or through `recorded` once its outcome is durable.

    offer -> waiting -> take -> (intent) -> sent --> recorded -> next of the incident
                 ^                           |
                 +------- backoff <- retry --+
"""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from correlator.domain import Action, IncidentEvent
from correlator.pager.exchange import Backoff, Retry
from correlator.pager.mark import NOTHING, Dialect, Mark, Step, Verb, ends, intent_before, urgent
from correlator.pager.offsets import Position
from correlator.pager.rate import SlidingWindow

#: After a restart a held page is judged anew when so much time has passed, so that its end is read first if it came
#: while nobody ran.
SETTLE_SECONDS = 5.0


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """One step to take for one event. `intent`, where there is one, must be durable before anything is sent."""

    event: IncidentEvent
    step: Step
    mark: Mark
    intent: Mark | None
    attempt: int
    partition: int
    #: Nothing new is known of the incident: its time has come.
    again: bool


@dataclass(slots=True)
class _Entry:
    """An event that waits, with the positions it answers for: its own and those of the events it superseded."""

    event: IncidentEvent
    positions: list[Position]
    missed: bool


@dataclass(slots=True)
class _Thread:
    """One incident that has something to be said."""

    waiting: deque[_Entry] = field(default_factory=deque)
    busy: bool = False
    attempts: int = 0
    not_before: float = 0.0
    urgents: int = 0
    queue: tuple[bool, str] | None = None


class Lane:
    """All that is to be delivered to one target.

    Args:
        dialect: what is said, and whether updates may be skipped.
        marks: what the target was told before, by incident; taken over.
        backoff: waits between attempts.
        jitter: returns a number in [0, 1), for the backoff.
        wall: returns seconds since the epoch, for what is due by the calendar.
        partitions: whose incidents are told again when their time comes; another pager does it for the others.
        window: makes the rate limit of a key the target counts by, None where it does not count.
        superseded: called with each event that is skipped because a newer one waits.
    """

    def __init__(
        self,
        *,
        dialect: Dialect,
        marks: Mapping[str, Mark],
        backoff: Backoff,
        jitter: Callable[[], float],
        wall: Callable[[], float],
        partitions: frozenset[int] = frozenset(),
        window: Callable[[], SlidingWindow] | None = None,
        superseded: Callable[[IncidentEvent], None] = lambda event: None,
    ) -> None:
        self._dialect = dialect
        self._marks = dict(marks)
        self._backoff = backoff
        self._jitter = jitter
        self._wall = wall
        self._partitions = partitions
        self._new_window = window
        self._superseded = superseded
        self._threads: dict[str, _Thread] = {}
        #: (urgent, rate key) -> ids of incidents whose next step may be taken, oldest first. Key "" sends nothing.
        self._ready: dict[tuple[bool, str], OrderedDict[str, None]] = {}
        self._delayed: list[tuple[float, int, str]] = []
        self._sequence = itertools.count()
        self._windows: dict[str, SlidingWindow] = {}
        self._held_until: dict[str, float] = {}
        self._due: list[tuple[int, int, str]] = []
        self._withheld: dict[str, Mark] = {}
        self.events_held = 0
        soon = round((wall() + SETTLE_SECONDS) * 1000)
        for incident_id, mark in marks.items():
            # Hours and windows may have been configured anew since.
            known = msgspec.structs.replace(mark, again_at=soon) if mark.hold else mark
            self._marks[incident_id] = known
            self._arm(incident_id, known)

    @property
    def withheld(self) -> Mapping[str, Mark]:
        """Return the incidents of our partitions that are owed a page, with the reason why it waits."""
        return self._withheld

    def oldest_at(self) -> str | None:
        """Return when the oldest event that waits was published (RFC 3339); what is merely told again does not wait."""
        waiting = (thread.waiting[0] for thread in self._threads.values() if thread.waiting)
        return min((entry.event.published_at for entry in waiting if entry.positions), default=None)

    def offer(self, event: IncidentEvent, position: Position) -> bool:
        """Queue an event; False if it repeats a revision that is done or waits already."""
        thread = self._threads.get(event.incident_id)
        mark = self._marks.get(event.incident_id, NOTHING)
        known = thread.waiting[-1].event.revision if thread else mark.revision
        if event.revision <= known:
            return False
        if thread is None:
            thread = self._threads[event.incident_id] = _Thread()
        thread.waiting.append(_Entry(event, [position], missed=event.revision > known + 1))
        thread.urgents += urgent(event)
        self.events_held += 1
        self._coalesce(thread)
        if not thread.busy and thread.not_before == 0.0:
            self._line_up(event.incident_id, thread)
        return True

    def take(self, now: float) -> Work | None:
        """Return the most urgent step that may be taken now (a monotonic clock, seconds), None if there is none."""
        self._wake(now)
        while (lane := next((lane for lane in self._lanes() if self._free_at(lane, now) <= now), None)) is not None:
            queue = self._ready.pop(lane)
            incident_id, _ = queue.popitem(last=False)
            if queue:
                # Put back last, so that the keys take turns.
                self._ready[lane] = queue
            if (work := self._start(incident_id, lane, now)) is not None:
                return work
        return None

    def wake_at(self, now: float) -> float | None:
        """Return the instant at which `take` may have work, None if only an offer or an outcome can bring some."""
        instants = [self._free_at(lane, now) for lane in self._ready]
        if self._delayed:
            instants.append(self._delayed[0][0])
        if self._due:
            instants.append(now + max(self._due[0][0] / 1000 - self._wall(), 0.0))
        return min(instants, default=None)

    def intended(self, work: Work) -> None:
        """Note that the intent of a piece of work is durable, or that the attempt to make it so was given up."""
        if work.intent:
            self._marks[work.event.incident_id] = work.intent

    def retry(self, work: Work, verdict: Retry, now: float) -> float:
        """Put a piece of work back and return the seconds it waits."""
        incident_id = work.event.incident_id
        thread = self._threads[incident_id]
        thread.busy = False
        thread.attempts += 1
        delay = max(self._backoff.delay(thread.attempts, self._jitter()), verdict.after_seconds or 0.0)
        if verdict.all:
            key = self._dialect.rate_key(work.step)
            self._held_until[key] = max(self._held_until.get(key, now), now + delay)
        thread.not_before = now + delay
        heapq.heappush(self._delayed, (thread.not_before, next(self._sequence), incident_id))
        self._coalesce(thread)
        return delay

    def recorded(self, work: Work, mark: Mark) -> list[Position]:
        """Note that the outcome of a piece of work is durable; return the positions that are done with it."""
        incident_id = work.event.incident_id
        thread = self._threads[incident_id]
        self._marks[incident_id] = mark
        self._arm(incident_id, mark)
        thread.busy = False
        thread.attempts = 0
        done: list[Position] = []
        if work.step.final:
            done = thread.waiting.popleft().positions
            thread.urgents -= urgent(work.event)
            self.events_held -= 1
        if thread.waiting:
            self._coalesce(thread)
            self._line_up(incident_id, thread)
        else:
            del self._threads[incident_id]
        return done

    def forgettable(self, before: int, partitions: frozenset[int]) -> dict[str, Mark]:
        """Return the incidents that ended, were told so and have been silent since `before` (milliseconds)."""
        return {
            incident_id: mark
            for incident_id, mark in self._marks.items()
            if mark.ended
            and not mark.owes_resolve
            and mark.at < before
            and mark.partition in partitions
            and incident_id not in self._threads
        }

    def forget(self, incident_id: str, mark: Mark) -> None:
        """Drop the memory of an incident, unless it has come back to life since `mark`."""
        if incident_id not in self._threads and self._marks.get(incident_id) is mark:
            del self._marks[incident_id]

    def _start(self, incident_id: str, lane: tuple[bool, str], now: float) -> Work | None:
        """Begin the next step of an incident; None if, by now, it belongs into another lane."""
        thread = self._threads[incident_id]
        thread.queue = None
        step = self._next_step(incident_id, thread)
        if self._place(incident_id, thread, step) != lane:
            self._line_up(incident_id, thread)
            return None
        thread.busy = True
        entry = thread.waiting[0]
        mark = self._marks.get(incident_id, NOTHING)
        if step.verb is not Verb.NONE and self._new_window is not None:
            self._windows[lane[1]].spend(now)
        return Work(
            event=entry.event,
            step=step,
            mark=mark,
            intent=intent_before(step, mark),
            attempt=thread.attempts + 1,
            partition=entry.positions[-1].partition if entry.positions else mark.partition,
            again=not entry.positions,
        )

    def _next_step(self, incident_id: str, thread: _Thread) -> Step:
        entry = thread.waiting[0]
        mark = self._marks.get(incident_id, NOTHING)
        return self._dialect.step(entry.event, mark, missed=entry.missed, now=self._wall())

    def _place(self, incident_id: str, thread: _Thread, step: Step) -> tuple[bool, str]:
        if step.verb is Verb.NONE:
            return (True, "")
        # A page that was held is one although its event, an update since, does not say so.
        is_urgent = thread.urgents > 0 or incident_id in self._withheld
        return (is_urgent, self._dialect.rate_key(step))

    def _line_up(self, incident_id: str, thread: _Thread) -> None:
        """Put an incident where its next step is taken from."""
        place = self._place(incident_id, thread, self._next_step(incident_id, thread))
        if thread.queue == place:
            return
        if thread.queue is not None:
            left = self._ready[thread.queue]
            del left[incident_id]
            if not left:
                del self._ready[thread.queue]
        self._ready.setdefault(place, OrderedDict())[incident_id] = None
        thread.queue = place

    def _lanes(self) -> list[tuple[bool, str]]:
        return sorted(self._ready, key=lambda lane: not lane[0])

    def _free_at(self, lane: tuple[bool, str], now: float) -> float:
        """Return when the target admits a call of this urgency and key."""
        is_urgent, key = lane
        if not key:
            return now
        held = self._held_until.get(key, now)
        if self._new_window is None:
            return max(held, now)
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = self._new_window()
        # A fifth of the rate is kept from updates, so that a page never waits for a minute of them to pass.
        return max(held, window.free_at(now, keep=0 if is_urgent else window.limit // 5))

    def _wake(self, now: float) -> None:
        while self._delayed and self._delayed[0][0] <= now:
            _, _, incident_id = heapq.heappop(self._delayed)
            thread = self._threads[incident_id]
            thread.not_before = 0.0
            self._line_up(incident_id, thread)
        wall_ms = self._wall() * 1000
        while self._due and self._due[0][0] <= wall_ms:
            at, _, incident_id = heapq.heappop(self._due)
            mark = self._marks.get(incident_id, NOTHING)
            # Where something waits already, what it leaves behind is armed anew.
            if mark.again_at == at and mark.kept is not None and incident_id not in self._threads:
                self._threads[incident_id] = thread = _Thread(urgents=urgent(mark.kept))
                thread.waiting.append(_Entry(mark.kept, [], missed=False))
                self.events_held += 1
                self._line_up(incident_id, thread)

    def _arm(self, incident_id: str, mark: Mark) -> None:
        """Remember when an incident is to be told again, and whether it is owed a page."""
        self._withheld.pop(incident_id, None)
        if mark.partition not in self._partitions:
            return
        if mark.hold is not None:
            self._withheld[incident_id] = mark
        if mark.again_at and mark.kept is not None:
            heapq.heappush(self._due, (mark.again_at, next(self._sequence), incident_id))

    def _coalesce(self, thread: _Thread) -> None:
        """Let the newest event stand for those before it that nobody needs to hear any more.

        An end stands for everything not in flight up to an earlier end; an update or a page stands for updates.
        Nothing else is skipped: not a page, not an acknowledgement, never an end.
        """
        if not self._dialect.coalesces:
            return
        newest = thread.waiting[-1]
        first = 1 if thread.busy else 0
        final = ends(newest.event)
        if not final and newest.event.action is Action.ACKNOWLEDGED:
            return
        while len(thread.waiting) > first + 1 and _gives_way(thread.waiting[-2].event, final=final):
            skipped = thread.waiting[-2]
            del thread.waiting[-2]
            thread.urgents -= urgent(skipped.event)
            self.events_held -= 1
            skipped.positions += newest.positions
            newest.positions = skipped.positions
            newest.missed = newest.missed or skipped.missed
            self._superseded(skipped.event)


def _gives_way(event: IncidentEvent, *, final: bool) -> bool:
    """True if nobody needs to hear an event any more once a newer one, perhaps the end, is there to tell."""
    return not ends(event) and (final or (event.action is Action.UPDATED and not event.page))
