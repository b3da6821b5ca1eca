"""A terminal: prints each incident event for a human."""

from __future__ import annotations

import msgspec

from correlator.domain import IncidentEvent
from correlator.pager.exchange import Delivered, Reply, Request, Verdict
from correlator.pager.mark import Mark, Step, ends, every_event

MAX_REASONS = 3
#: ANSI colours: red for a page, green for an end, dim for the rest.
_PAGE, _END, _DIM, _PLAIN = "\033[1;31m", "\033[32m", "\033[2m", "\033[0m"


class Console(msgspec.Struct, frozen=True, kw_only=True):
    """Speaks to a terminal, in colour if it is one."""

    name: str = "console"
    colour: bool = False
    coalesces: bool = False

    def step(self, event: IncidentEvent, mark: Mark, *, missed: bool, now: float) -> Step:
        """Print it."""
        return every_event(event)

    def rate_key(self, step: Step) -> str:
        """Return one key: a terminal does not count."""
        return self.name

    def request(self, event: IncidentEvent, step: Step, now: float) -> Request:
        """Write an event as lines of text."""
        return Request(url="", body=text_of(event, colour=self.colour).encode(), headers={})

    def verdict(self, reply: Reply, now: float) -> Verdict:
        """Take it as read."""
        return Delivered()


def text_of(event: IncidentEvent, *, colour: bool = False) -> str:
    """Return the lines for an event: what, whether it pages, why, and what it spared."""
    end = ends(event)
    mark = "PAGE" if event.page else "    "
    clock = event.published_at[11:19] or event.published_at
    head = f"{clock} {mark} {event.action.value:<12} {event.incident_id}  [{event.severity.value}] {event.title}"
    lines = [head]
    if event.merged_into:
        lines.append(f"  merged into {event.merged_into}")
    if not end:
        lines += _why(event)
    counts = event.alerts
    lines.append(
        f"  {_many(counts.total, 'alert')} ({counts.firing} firing) on {_many(len(event.services), 'service')}, "
        f"{_many(counts.events, 'event')} absorbed"
    )
    lines = [_printable(line) for line in lines]
    if colour:
        lines[0] = f"{_PAGE if event.page else _END if end else _DIM}{lines[0]}{_PLAIN}"
    return "\n".join(lines) + "\n"


def _why(event: IncidentEvent) -> list[str]:
    root = event.root_cause
    team = f", owner {event.owner.team}" if event.owner else ""
    lines = [f"  root cause {root.service} ({root.confidence:.0%}{', silent' if root.silent else ''}{team})"]
    for candidate in root.candidates:
        if candidate.service == root.service:
            lines += [f"  - {reason.text}" for reason in candidate.evidence[:MAX_REASONS]]
            break
    others = [f"{rival.service} {rival.probability:.0%}" for rival in root.candidates if rival.service != root.service]
    lines += [f"  {link.kind} {link.url}" for link in event.links if link.kind == "runbook"]
    if others:
        lines.append(f"  else {', '.join(others[:MAX_REASONS])}")
    return lines


def _printable(line: str) -> str:
    """Drop control characters, with which a sender's text could steer the terminal."""
    return "".join(letter for letter in line if letter.isprintable())


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' * (count != 1)}"
