"""How an incident is put into words for a human, within the bounds of a target."""

from __future__ import annotations

from correlator.domain import IncidentEvent


def clip(text: str, characters: int) -> str:
    """Return at most so many characters, the last of them an ellipsis where some are missing."""
    return text if len(text) <= characters else text[: characters - 1] + "…"


def headline(event: IncidentEvent) -> str:
    """Return the one line that names an incident; it leads with the root cause."""
    return event.title or event.summary or f"{event.root_cause.service}: incident"


def reasons(event: IncidentEvent, most: int) -> list[str]:
    """Return why the root cause is taken for one."""
    root = event.root_cause
    main = next((candidate for candidate in root.candidates if candidate.service == root.service), None)
    return [reason.text for reason in main.evidence[:most]] if main else []


def rivals(event: IncidentEvent, most: int) -> list[str]:
    """Return the other possible causes with their probabilities."""
    root = event.root_cause
    others = [candidate for candidate in root.candidates if candidate.service != root.service]
    return [f"{candidate.service} {candidate.probability:.0%}" for candidate in others[:most]]


def extent(event: IncidentEvent) -> str:
    """Return how much is affected."""
    counts = event.alerts
    return (
        f"{many(counts.total, 'alert')} ({counts.firing} firing) on {many(len(event.services), 'service')}, "
        f"{many(len(event.blast_radius), 'dependent')}"
    )


def many(count: int, thing: str) -> str:
    """Return `1 alert`, `2 alerts`."""
    return f"{count} {thing}{'s' * (count != 1)}"
