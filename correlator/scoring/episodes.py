"""Episodes: the firings of one alert that are one trouble, whatever the number of events that tell of it.

Repeats, the copies of a second sender and late copies count once, or a chatty sender would weigh as much in a figure
as it has patience. Grouping methods that serve as baselines count with the same episodes.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from correlator.scoring.inputs import AlertLine

#: A firing alert that is neither resolved nor renewed is over after so long: Alertmanager's `resolve_timeout`.
RESOLVE_TIMEOUT_MS = 300_000


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """One firing of an alert: its firing events in input order, from the first arrival to the end."""

    firings: tuple[AlertLine, ...]
    ended_at: int

    @property
    def began_at(self) -> int:
        return self.firings[0].arrived_at


class _Open(msgspec.Struct, kw_only=True):
    """An episode under construction; `resolved_at` in event time, once resolved."""

    firings: list[AlertLine]
    ended_at: int
    resolved_at: int | None = None


def episodes(alerts: Sequence[AlertLine]) -> list[Episode]:
    """Return the episodes of a stream by their first event.

    An episode ends when its alert is resolved, else `RESOLVE_TIMEOUT_MS` after its last firing event, or at the lease
    that event gives (`ends_at`). A resolution counts however late it comes if no new episode began before it: senders
    that report changes only are as good as those that repeat. A firing that began before the resolution it comes after
    is a late copy.
    """
    built: list[_Open] = []
    newest: dict[str, _Open] = {}
    for alert in alerts:
        episode = newest.get(alert.identity)
        if not alert.firing:
            if episode is not None and episode.resolved_at is None:
                episode.resolved_at = alert.ends_at if alert.ends_at is not None else alert.arrived_at
                episode.ended_at = alert.arrived_at
        elif episode is not None and _continues(episode, alert):
            episode.firings.append(alert)
            if episode.resolved_at is None:
                episode.ended_at = _lease_end(alert)
        else:
            episode = newest[alert.identity] = _Open(firings=[alert], ended_at=_lease_end(alert))
            built.append(episode)
    return [Episode(firings=tuple(episode.firings), ended_at=episode.ended_at) for episode in built]


def _continues(episode: _Open, alert: AlertLine) -> bool:
    if episode.resolved_at is not None:
        return alert.starts_at < episode.resolved_at
    return alert.arrived_at <= max(episode.ended_at, episode.firings[-1].arrived_at + RESOLVE_TIMEOUT_MS)


def _lease_end(alert: AlertLine) -> int:
    if alert.ends_at is not None and alert.ends_at > alert.arrived_at:
        return alert.ends_at
    return alert.arrived_at + RESOLVE_TIMEOUT_MS
