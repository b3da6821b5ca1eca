"""A report for spreadsheets: each of its tables as CSV (RFC 4180), one row a thing, one column a figure.

Durations are seconds, shares are between 0 and 1, instants are RFC 3339; a cell is empty where there is no figure.
Columns are always the same ones, so that the sheets of two periods can be laid one below the other.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from correlator.report.account import Line, Report, TopIncident
from correlator.report.load import Load
from correlator.report.response import Response, Spread
from correlator.report.rules import Rule

Cell = str | int | float | None
Row = Sequence[Cell]

#: What a spreadsheet takes for the beginning of a formula. Names and titles are written by whoever can send an alert.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def sheets(report: Report) -> dict[str, str]:
    """Return the tables by the names of their files; all teams and services, rules and incidents as many as asked."""
    return {
        "figures.csv": _csv(("figure", "value"), _figures(report)),
        "teams.csv": _csv(("team", *_LINE), ((line.team, *_line(line)) for line in report.teams)),
        "services.csv": _csv(
            ("team", "service", *_LINE), ((line.team, line.service, *_line(line)) for line in report.services)
        ),
        "load.csv": _csv(_LOAD, ((team, *_load(one)) for team, one in report.load.items())),
        "rest.csv": _csv(("team", "begins", "what", "incidents"), _rest(report.load)),
        "rules.csv": _csv(Rule.__struct_fields__, map(msgspec.structs.astuple, report.rules)),
        "incidents.csv": _csv(TopIncident.__struct_fields__, map(msgspec.structs.astuple, report.top)),
    }


def _csv(head: Row, rows: Iterable[Row]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows(map(_harmless, row) for row in rows)
    return text.getvalue()


def _harmless(cell: Cell) -> Cell:
    # A lone sign, as is written where no team is known, is no formula.
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) and len(cell) > 1 else cell


def _figures(report: Report) -> Iterable[Row]:
    yield from (
        ("begin", report.begin),
        ("end", report.end),
        ("incidents", report.incidents),
        ("merged", report.merged),
    )
    yield "pages", report.pages
    yield from ((f"pages_{action}", count) for action, count in report.pages_by_action.items())
    for name in ("noise_reduction", "deduplication", "suppression", "compression"):
        yield name, getattr(report, name)
    for name, value in _fields(report.noise):
        if isinstance(value, Mapping):
            yield from ((f"events_suppressed_{reason}", count) for reason, count in value.items())
        elif name != "pages":
            yield "events" if name == "events" else f"events_{name}", value
    yield from ((f"baseline_pages_{kind}", count) for kind, count in (report.baseline_pages or {}).items())
    for name, spread in _spreads(report.response):
        yield from ((f"{name}_{figure}", value) for figure, value in zip(_SPREAD, _spread(spread), strict=True))
    yield from ((f"feedback_{name}", value) for name, value in _fields(report.worth))


def _fields(value: msgspec.Struct | None) -> Iterable[tuple[str, Any]]:
    return () if value is None else msgspec.structs.asdict(value).items()


def _spreads(found: Response) -> Iterable[tuple[str, Spread]]:
    yield from (("mttd", found.detect), ("correlation_delay", found.correlate))
    yield from (("mtta", found.acknowledge), ("mttr", found.resolve))


_SPREAD = ("count", "mean_seconds", "p50_seconds", "p90_seconds")


def _spread(spread: Spread) -> Row:
    return spread.count, spread.mean, spread.p50, spread.p90


_PARTS = ("firing", "deduplicated", "stale", "suppressed", "correlated", "opened")
_TIMES = ("mttd", "correlation_delay", "mtta", "mttr")
_LINE = (
    *("pages", "incidents", *_PARTS, "noise_reduction"),
    *(f"{name}_{figure}" for name in _TIMES for figure in _SPREAD),
    *("actionability", "misroutes"),
)


def _line(line: Line) -> Row:
    parts, worth = line.noise, line.worth
    counts: Row = (None,) * len(_PARTS)
    if parts is not None:
        held = sum(parts.suppressed.values())
        counts = (parts.firing, parts.deduplicated, parts.stale, held, parts.correlated, parts.opened)
    times = [figure for _, spread in _spreads(line.response) for figure in _spread(spread)]
    judged = (None, None) if worth is None else (worth.actionability, worth.misroutes)
    return (line.pages, line.incidents, *counts, line.noise_reduction, *times, *judged)


_LOAD = (
    *("team", "time_zone", "pages", "business", "off", "sleep"),
    *("shifts_paged", "shifts_over_2", "days_without_11_h", "weeks_without_24_h"),
)


def _load(one: Load) -> Row:
    hours = (one.time_zone, one.interruptions, one.business, one.off, one.sleep)
    flagged = (len(one.overloaded_shifts), len(one.days_without_rest), len(one.weeks_without_rest))
    return (*hours, one.shifts_with_any, *flagged)


def _rest(load: Mapping[str, Load]) -> Iterable[Row]:
    for team, one in load.items():
        yield from (
            (team, shift.begins, "more than 2 incidents in a shift", shift.interruptions)
            for shift in one.overloaded_shifts
        )
        yield from ((team, day, "no 11 h of rest in a day", None) for day in one.days_without_rest)
        yield from ((team, week, "no 24 h of rest in a week", None) for week in one.weeks_without_rest)
