"""The body of `correlator report`: files in, one report out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from correlator.config import Config
from correlator.domain import Feedback, IncidentEvent
from correlator.errors import ConfigError
from correlator.pager.hours import hour_class, rules_of
from correlator.report import reading, rendering
from correlator.report.account import Hours, Period, Report, report
from correlator.report.sheets import sheets
from correlator.report.stories import Story, conflicts, instant, stories
from topology.graph import ServiceGraph

DAY_MS = 86_400_000

Lines = Iterable[bytes]


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to read, each with the name it has in messages; at most one of `alerts` and `log`."""

    incidents: tuple[str, Lines]
    assignments: tuple[str, Lines] | None = None
    alerts: tuple[str, Lines] | None = None
    log: tuple[str, Lines] | None = None
    feedback: tuple[str, Lines] | None = None
    graph: ServiceGraph | None = None


def run(
    config: Config,
    inputs: Inputs,
    *,
    begin: int | None = None,
    end: int | None = None,
    days: int | None = None,
    zone: ZoneInfo | None = None,
    top: int = 10,
) -> Report:
    """Read everything and add it up.

    Args:
        days: the last so many, up to the newest incident event; the clock of the machine is not asked.
        zone: the time zone of all teams, instead of those of the configuration.

    Raises:
        ConfigError: an input is not what it should be.
    """
    source, lines = inputs.incidents
    events = list(reading.incidents(lines, source))
    words = list(reading.feedback(inputs.feedback[1], inputs.feedback[0])) if inputs.feedback else []
    told = stories(events, words)
    arrived = None
    if inputs.alerts is not None:
        arrived = reading.alerts(inputs.alerts[1], config, inputs.graph or ServiceGraph.empty())
    elif inputs.log is not None:
        arrived = reading.logged(inputs.log[1], inputs.log[0])
    fates = reading.fates(inputs.assignments[1], inputs.assignments[0], arrived) if inputs.assignments else None
    return report(
        told,
        fates,
        period=_period(events, begin, end, days),
        hours=_hours(config, zone),
        owner=_owner(inputs.graph),
        top=top,
        notes=_notes(inputs, events, told, words),
    )


def written(found: Report, form: str, top: int) -> str:
    """Return a report as text, Markdown or JSON; the first two list `top` teams and services, the last has all."""
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(found)).decode() + "\n"
    return rendering.markdown(found, top) if form == "markdown" else rendering.text(found, top)


def write_sheets(found: Report, folder: Path) -> list[Path]:
    """Write the tables of a report as CSV files and return them.

    Raises:
        ConfigError: the folder cannot be written to.
    """
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in sheets(found).items():
            (folder / name).write_bytes(text.encode("utf-8", "replace"))
            paths.append(folder / name)
    except OSError as error:
        raise ConfigError(str(folder), [error.strerror or str(error)]) from None
    return paths


def _period(events: Sequence[IncidentEvent], begin: int | None, end: int | None, days: int | None) -> Period:
    if days is None:
        return Period(begin=begin, end=end)
    if end is None:
        end = max((instant(event.published_at) for event in events), default=-1) + 1
    return Period(begin=end - days * DAY_MS, end=end)


def _hours(config: Config, zone: ZoneInfo | None) -> Hours:
    quiet = config.pager.quiet_hours

    def zone_of(team: str) -> ZoneInfo:
        return zone or rules_of(quiet, team).zone

    def class_of(team: str, at: int) -> str:
        local = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone_of(team))
        return hour_class(local, rules_of(quiet, team).holidays)

    return Hours(zone=zone_of, hour_class=class_of)  # type: ignore[arg-type]  # it returns what `hour_class` does


def _owner(graph: ServiceGraph | None) -> Callable[[str], str | None]:
    def owner(name: str) -> str | None:
        known = graph.service(name) if graph is not None else None
        return known.owner if known is not None else None

    return owner


def _notes(
    inputs: Inputs, events: Sequence[IncidentEvent], told: Sequence[Story], words: Sequence[Feedback]
) -> list[str]:
    notes = []
    if inputs.assignments is None:
        notes.append("without --assignments there is no noise reduction: incident events tell only of what was told.")
    elif inputs.alerts is None and inputs.log is None:
        notes.append(
            "without --alerts or --log nothing is known of events but their fate: no services, rules, baseline."
        )
    known = {story.incident.incident_id for story in told}
    strangers = {word.incident_id for word in words} - known
    if strangers:
        notes.append(f"feedback on {len(strangers)} incidents that are not among these was left out.")
    if doubtful := conflicts(events):
        notes.append(
            f"one revision stands for two different events, of which the first counts: {', '.join(doubtful[:10])}."
        )
    if compacted := sum(story.is_compacted for story in told):
        notes.append(
            f"of {compacted} incidents only later events are there (compaction): each counts one page, at its opening."
        )
    return notes
