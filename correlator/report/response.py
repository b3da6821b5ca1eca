"""How fast incidents were found, taken and ended, and how many of them were worth it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from correlator.report.noise import ratio
from correlator.report.stories import Story


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in seconds; None of an empty set."""

    count: int
    mean: float | None
    p50: float | None
    p90: float | None


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """Times of the incidents of a period.

    `detect`: first page - first start of its alerts, by their senders' clocks. `correlate`: first page - arrival of its
    first alert, where alerts are given. `acknowledge`: first acknowledgement - opening. `resolve`: end - opening,
    those that ended in another incident left out.
    """

    detect: Spread
    correlate: Spread
    acknowledge: Spread
    resolve: Spread


class Worth(msgspec.Struct, frozen=True, kw_only=True):
    """What humans thought of the incidents that are over; None where nobody said anything of any."""

    closed: int
    taken: int
    noise: int
    reassigned: int
    wrong_root: int
    merged_by_hand: int
    split_by_hand: int
    actionability: float | None
    misroutes: float | None


def response(told: Sequence[Story], arrivals: dict[str, int]) -> Response:
    """Return the times of incidents; `arrivals` holds when the first alert of each came, where that is known."""
    paged = [(story, story.pages[0].at) for story in told if story.pages]
    arrived = [
        (at, arrivals[story.incident.incident_id]) for story, at in paged if story.incident.incident_id in arrivals
    ]
    return Response(
        detect=spread([at - story.started_at for story, at in paged]),
        correlate=spread([at - arrival for at, arrival in arrived]),
        acknowledge=spread(
            [story.acknowledged_at - story.opened_at for story in told if story.acknowledged_at is not None]
        ),
        resolve=spread(
            [
                story.resolved_at - story.opened_at
                for story in told
                if story.resolved_at is not None and not story.merged
            ]
        ),
    )


def spread(durations_ms: Sequence[int]) -> Spread:
    """Return mean and nearest-rank percentiles; a sender's clock that is ahead makes no time negative."""
    ordered = sorted(max(0, duration) / 1000 for duration in durations_ms)
    if not ordered:
        return Spread(count=0, mean=None, p50=None, p90=None)
    return Spread(
        count=len(ordered),
        mean=round(sum(ordered) / len(ordered), 1),
        p50=ordered[-(-len(ordered) // 2) - 1],
        p90=ordered[-(-len(ordered) * 9 // 10) - 1],
    )


def worth(told: Sequence[Story]) -> Worth | None:
    """Judge the incidents that are over by what humans did; None where there is no feedback at all."""
    if not any(story.feedback or story.acknowledged_at is not None for story in told):
        return None
    closed = [story for story in told if story.resolved_at is not None]
    taken = [story for story in closed if story.taken]

    def said(action: str) -> int:
        return sum(any(word.action == action for word in story.feedback) for story in closed)

    reassigned = sum(story.reassigned for story in taken)
    return Worth(
        closed=len(closed),
        taken=len(taken),
        noise=said("noise"),
        reassigned=reassigned,
        wrong_root=said("wrong_root"),
        merged_by_hand=said("merge"),
        split_by_hand=said("split"),
        actionability=ratio(len(taken), len(closed)),
        misroutes=ratio(reassigned, len(taken)),
    )
