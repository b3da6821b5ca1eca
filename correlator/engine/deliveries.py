"""Exactly once out of at least once: which messages of the sources are applied already.

A worker that dies after it forwarded a message and before it committed the offset forwards it again at its next start.
What may come again is known exactly: nothing below the committed offset (`floor`), so memory is bounded by what is
forwarded between two commits.
"""

from __future__ import annotations

import msgspec


class Delivered(msgspec.Struct):
    """What of one source partition was applied."""

    floor: int = 0
    parts: dict[int, list[str]] = {}  # offset at or above the floor -> its parts


Deliveries = dict[int, Delivered]  # by source partition


def is_news(deliveries: Deliveries, *, partition: int, offset: int, part: str, floor: int) -> bool:
    """Tell whether this was not applied before, and remember it.

    A floor that sinks means that the topic was made anew or its reader was sent back by hand: what comes is taken as
    news, because an alert that is counted twice does less harm than one that is lost.
    """
    known = deliveries.get(partition)
    if known is None or floor < known.floor:
        known = deliveries[partition] = Delivered(floor=floor)
    elif floor > known.floor:
        known.floor = floor
        known.parts = {at: parts for at, parts in known.parts.items() if at >= floor}
    if offset < floor:
        return False
    parts = known.parts.setdefault(offset, [])
    if part in parts:
        return False
    parts.append(part)
    return True
