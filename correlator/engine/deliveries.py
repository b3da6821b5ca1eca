"""Exactly once out of at least once: which messages of the sources are applied already.

A worker that dies after it forwarded a message and before it committed the offset forwards it again at its next start.
What may come again is known exactly: nothing below the committed offset (`floor`), so memory is bounded by what is
forwarded between two commits.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Session(NamedTuple):
    """One assignment of a source partition to a worker.

    `generation` is that of the consumer group. It begins anew with a group that was deleted; when the assignment was
    made (milliseconds, by the worker's clock) then tells.
    """

    generation: int = 0
    assigned_at: int = 0


UNKNOWN = Session()


class Delivered(msgspec.Struct):
    """What of one source partition was applied."""

    floor: int = 0
    parts: dict[int, list[str]] = {}  # offset at or above the floor -> its parts
    session: Session = UNKNOWN


Deliveries = dict[int, Delivered]  # by source partition


def is_news(
    deliveries: Deliveries, *, partition: int, offset: int, part: str, floor: int, session: Session = UNKNOWN
) -> bool:
    """Tell whether this was not applied before, and remember it.

    A floor that sinks in a newer session means that the topic was made anew or its reader was sent back by hand: what
    comes is taken as news, because an alert that is counted twice does less harm than one that is lost. In any other
    session it is that of a worker that lost the partition and has not heard of it, or does not know its floor any more.
    """
    known = deliveries.get(partition)
    if known is None:
        known = deliveries[partition] = Delivered(floor=floor, session=session)
    is_newer = session.generation > known.session.generation or session.assigned_at > known.session.assigned_at
    if is_newer:
        known.session = Session(*map(max, session, known.session))
    if is_newer and floor < known.floor:
        known.floor, known.parts = floor, {}
    elif floor > known.floor:
        known.floor = floor
        known.parts = {at: parts for at, parts in known.parts.items() if at >= floor}
    if offset < known.floor:
        return False
    parts = known.parts.setdefault(offset, [])
    if part in parts:
        return False
    parts.append(part)
    return True
