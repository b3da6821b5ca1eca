"""What is held back and why, and which windows there are, for a human to look up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from correlator.config_pager import WindowConfig
from correlator.domain import rfc3339
from correlator.pager.mark import Mark
from correlator.pager.windowbook import state_of
from correlator.pager.windows import open_until


def withheld_report(targets: Mapping[str, Mapping[str, Mark]]) -> list[dict[str, Any]]:
    """Return every page that is owed and held, the longest held first."""
    rows = [_row(target, incident_id, mark) for target, marks in targets.items() for incident_id, mark in marks.items()]
    return sorted(rows, key=lambda row: (row["since"], row["incident_id"], row["target"]))


def windows_report(windows: Iterable[WindowConfig], now: float) -> list[dict[str, Any]]:
    """Return every window with its state."""
    return [
        {
            **window.model_dump(mode="json", exclude_defaults=True),
            "state": state_of(window, now),
            "open_until": _instant(open_until(window, now)),
        }
        for window in windows
    ]


def _row(target: str, incident_id: str, mark: Mark) -> dict[str, Any]:
    hold, event = mark.hold, mark.kept
    assert hold is not None
    about = (
        {}
        if event is None
        else {
            "title": event.title,
            "severity": event.severity.value,
            "root_cause": event.root_cause.service,
            "team": event.owner.team if event.owner else None,
        }
    )
    return {
        "target": target,
        "incident_id": incident_id,
        "reason": hold.reason.value,
        "by": hold.by,
        "since": rfc3339(hold.since),
        "until": rfc3339(hold.until) if hold.until else None,
        **about,
    }


def _instant(seconds: float | None) -> str | None:
    # A weekly window without a last day is open until its daily end, never for ever.
    return None if seconds is None else rfc3339(round(seconds * 1000))
