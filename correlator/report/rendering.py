"""A report for humans: as text for a terminal, as Markdown for a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from correlator.report.account import Line, Report
from correlator.report.load import Load
from correlator.report.response import Worth

Rows = list[tuple[str, ...]]


def text(report: Report, top: int) -> str:
    """Write aligned tables under headings, of teams and services the first `top`."""
    return _written(
        report, top, _text_table, lambda title: f"\n{title}\n{'-' * len(title)}", lambda note: f"note: {note}"
    )


def markdown(report: Report, top: int) -> str:
    """Write the same tables as Markdown."""
    return _written(report, top, _markdown_table, lambda title: f"\n## {title}\n", lambda note: f"\n> {note}")


def _written(
    report: Report,
    top: int,
    table: Callable[[Rows], list[str]],
    heading: Callable[[str], str],
    remark: Callable[[str], str],
) -> str:
    parts = []
    for title, rows in _sections(report, top):
        if len(rows) > 1:
            parts += [heading(title), *table(rows)]
    parts += [remark(note) for note in report.notes]
    return "\n".join(parts).lstrip("\n") + "\n"


def _sections(report: Report, top: int) -> Iterable[tuple[str, Rows]]:
    yield _title(report), _overview(report)
    yield "Noise reduction and its parts", _parts(report)
    yield "Times", _times(report)
    yield "Worth", _worth(report.worth)
    yield "Teams", _lines(report.teams, top)
    yield "Services", _lines(report.services, top)
    yield "Load on those on call", _load(report.load, top)
    yield "Too much, too little rest", _flags(report.load)
    yield "Noisiest rules, and what silencing each would cost", _rules(report)
    yield "Incidents that took in most events", _top(report)


def _title(report: Report) -> str:
    begin, end = report.begin or "the beginning", report.end or "the end"
    return "Report" if report.begin is None and report.end is None else f"Report from {begin} to {end}"


def _overview(report: Report) -> Rows:
    rows: Rows = [("figure", "value", "how")]
    rows.append(("incidents", str(report.incidents), f"opened in the period, {report.merged} merged into others since"))
    by_action = ", ".join(f"{action} {count}" for action, count in report.pages_by_action.items())
    rows.append(("pages", str(report.pages), by_action))
    if report.noise is not None:
        rows += [
            ("noise reduction", _percent(report.noise_reduction), "1 - pages / firing events"),
            ("deduplication", _percent(report.deduplication), "repeats / firing events"),
            ("suppression", _percent(report.suppression), "suppressed / firing events that were news"),
            ("compression", _percent(report.compression), "1 - incidents / firing events that went into incidents"),
        ]
    if report.baseline_pages is not None:
        asleep = sum(load.sleep for load in report.load.values())
        rows += [
            (
                "pages of grouping",
                str(sum(report.baseline_pages.values())),
                "what Alertmanager's grouping by alert name, cluster and service would have sent",
            ),
            (
                "sleep kept",
                str(report.baseline_pages["sleep"] - asleep),
                f"of those {report.baseline_pages['sleep']} from 22 to 8, less the {asleep} pages that were sent then",
            ),
        ]
    return rows


def _parts(report: Report) -> Rows:
    rows: Rows = [("firing events", "count", "share")]
    if (parts := report.noise) is None:
        return rows
    shares = [("repeats of what was known", parts.deduplicated), ("of firings that were over", parts.stale)]
    shares += [(f"suppressed: {reason}", count) for reason, count in parts.suppressed.items()]
    shares += [("joined an incident", parts.correlated), ("opened an incident", parts.opened)]
    rows += [(name, str(count), _percent(count / parts.firing if parts.firing else None)) for name, count in shares]
    rows.append(("all", str(parts.firing), _percent(1.0 if parts.firing else None)))
    return rows


def _times(report: Report) -> Rows:
    found = report.response
    rows: Rows = [("time", "of", "p50", "p90", "mean", "from, to")]
    for name, spread, what in (
        ("MTTD", found.detect, "first start of its alerts, first page"),
        ("correlation delay", found.correlate, "arrival of its first alert, first page"),
        ("MTTA", found.acknowledge, "opening, first acknowledgement"),
        ("MTTR", found.resolve, "opening, end"),
    ):
        if spread.count:
            rows.append((name, str(spread.count), _span(spread.p50), _span(spread.p90), _span(spread.mean), what))
    return rows


def _worth(worth: Worth | None) -> Rows:
    rows: Rows = [("figure", "value", "how")]
    if worth is None:
        return rows
    return [
        *rows,
        (
            "actionability",
            _percent(worth.actionability),
            f"{worth.taken} of {worth.closed} that are over were acted on",
        ),
        ("misroutes", _percent(worth.misroutes), f"{worth.reassigned} of those went to somebody else"),
        ("called noise", str(worth.noise), "by a human"),
        ("wrong root", str(worth.wrong_root), "said a human"),
        ("merged, split", f"{worth.merged_by_hand}, {worth.split_by_hand}", "by hand: missed and undue correlation"),
    ]


def _lines(lines: Sequence[Line], top: int) -> Rows:
    """Return those that were paged most, and the others in one row, so that columns still sum up."""
    several = any(line.service is not None for line in lines)
    rows: Rows = [("team", *(("service",) if several else ()), *_COUNTED, "reduction", "MTTD", "MTTA", "MTTR")]
    ordered = sorted(lines, key=lambda line: (-line.pages, -line.noise.firing if line.noise else 0))
    for line in ordered[:top]:
        found = line.response
        times = (_span(spread.p50) for spread in (found.detect, found.acknowledge, found.resolve))
        counts = map(_count, _counts(line))
        rows.append(
            (line.team, *((line.service or "-",) if several else ()), *counts, _percent(line.noise_reduction), *times)
        )
    if others := ordered[top:]:
        sums = [sum(count or 0 for count in column) for column in zip(*map(_counts, others), strict=True)]
        known = others[0].noise is not None
        told = (_count(total if known or name in _ALWAYS else None) for name, total in zip(_COUNTED, sums, strict=True))
        rows.append((f"{len(others)} others", *(("",) if several else ()), *told, "-", "-", "-", "-"))
    return rows


_COUNTED = ("pages", "incidents", "firing", "repeats", "suppressed", "correlated", "opened")
_ALWAYS = ("pages", "incidents")


def _counts(line: Line) -> tuple[int | None, ...]:
    """Return the columns of counts; None where there are no assignments."""
    if (parts := line.noise) is None:
        return (line.pages, line.incidents, *(None,) * 5)
    repeats, held = parts.deduplicated + parts.stale, sum(parts.suppressed.values())
    return (line.pages, line.incidents, parts.firing, repeats, held, parts.correlated, parts.opened)


def _count(number: int | None) -> str:
    return "-" if number is None else str(number)


def _load(load: Mapping[str, Load], top: int) -> Rows:
    rows: Rows = [
        ("team", "pages", "business", "off", "sleep", "zone", *_FLAGGED),
    ]
    ordered = sorted(load, key=lambda team: (-load[team].interruptions, team))
    for team in ordered[:top]:
        one = load[team]
        hours, flags = _load_counts(one)
        rows.append((team, *map(str, hours), one.time_zone, *map(str, flags)))
    if others := ordered[top:]:
        counts = [_load_counts(load[team]) for team in others]
        hours, flags = (tuple(map(sum, zip(*column, strict=True))) for column in zip(*counts, strict=True))
        rows.append((f"{len(others)} others", *map(str, hours), "", *map(str, flags)))
    return rows


_FLAGGED = ("shifts paged", "over 2 a shift", "days without 11 h", "weeks without 24 h")


def _load_counts(one: Load) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return pages, in all and by class of hour, and how often there was too much or too little rest."""
    shifts = (one.shifts_with_any, len(one.overloaded_shifts))
    return (
        (one.interruptions, one.business, one.off, one.sleep),
        (*shifts, len(one.days_without_rest), len(one.weeks_without_rest)),
    )


def _flags(load: Mapping[str, Load]) -> Rows:
    rows: Rows = [("team", "when", "what")]
    for team, one in load.items():
        worst = sorted(one.overloaded_shifts, key=lambda shift: (-shift.interruptions, shift.begins))[:3]
        rows += [
            (team, shift.begins, f"{shift.interruptions} incidents in a shift of 12 h, more than 2") for shift in worst
        ]
        rows += [(team, day, "a day without 11 h of rest") for day in one.days_without_rest[:3]]
        rows += [(team, week, "a week without 24 h of rest") for week in one.weeks_without_rest[:3]]
    return rows


def _rules(report: Report) -> Rows:
    rows: Rows = [
        (
            "rule",
            "services",
            "firing",
            "episodes",
            "suppressed",
            "in incidents",
            "root",
            "first",
            "only",
            "silencing it",
        )
    ]
    for rule in report.rules:
        counts = (
            rule.services,
            rule.firing,
            rule.episodes,
            rule.suppressed,
            rule.incidents,
            rule.root,
            rule.first,
            rule.only,
        )
        rows.append((rule.name, *map(str, counts), rule.risk))
    return rows


def _top(report: Report) -> Rows:
    rows: Rows = [("incident", "team", "severity", "opened", "minutes", "alerts", "events", "pages", "title")]
    for one in report.top:
        minutes = "open" if one.minutes is None else f"{one.minutes:.1f}"
        rows.append(
            (
                one.incident_id,
                one.team,
                one.severity,
                one.opened_at,
                minutes,
                str(one.alerts),
                str(one.events),
                str(one.pages),
                one.title,
            )
        )
    return rows


def _text_table(rows: Rows) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    numeric = [all(_is_number(row[column]) for row in rows[1:]) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in rows
    ]


def _markdown_table(rows: Rows) -> list[str]:
    numeric = [all(_is_number(row[column]) for row in rows[1:]) for column in range(len(rows[0]))]
    head, *body = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return [head, f"|{'|'.join('---:' if number else '---' for number in numeric)}|", *body]


def _is_number(cell: str) -> bool:
    return cell in ("-", "open") or cell[:1].isdigit() or cell[:2].lstrip("-").isdigit()


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _span(seconds: float | None) -> str:
    """Write a duration in the largest unit that keeps two digits."""
    if seconds is None:
        return "-"
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
