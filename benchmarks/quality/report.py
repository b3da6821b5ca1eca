"""Tables of one stream for the terminal and for Markdown (the same text), and the document that is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from benchmarks.quality.drawn import mean_over_systems
from benchmarks.quality.windows import Accuracy
from correlator.scoring import Score, figures
from correlator.scoring.report import shown

#: Columns of the table: heading and figure.
COLUMNS = (
    ("pages", "pages"),
    ("detected", "detected"),
    ("paged before", "paged_before"),
    ("pages/case", "pages_per_case"),
    ("one page", "one_page"),
    ("top-1", "top1"),
    ("top-3", "top3"),
    ("top-1 vis.", "top1_visible"),
    ("top-3 vis.", "top3_visible"),
    ("page top-1", "page_top1"),
    ("pair P", "pairwise_precision"),
    ("pair R", "pairwise_recall"),
    ("B3 P", "bcubed_precision"),
    ("B3 R", "bcubed_recall"),
    ("B3 F", "bcubed_f_score"),
    ("ARI", "ari"),
    ("AMI", "ami"),
    ("mixed", "mixed"),
    ("over", "over_merge"),
    ("under", "under_merge"),
    ("backgr./day", "background_pages_per_day"),
    ("false suppr.", "false_suppression"),
    ("page s p50", "time_to_page_p50"),
    ("p95", "time_to_page_p95"),
    ("noise red.", "noise_reduction"),
    ("compr.", "compression"),
    ("Brier", "brier_end"),
    ("ECE", "ece_end"),
)


#: Of the first method also: between what nine tenths of the means lie when systems are drawn with replacement.
_BOUNDS = (("- from", 1), ("- to", 2))


class StreamResult(msgspec.Struct, frozen=True, kw_only=True):
    """Everything measured on one stream; `naive` are the rankers on the windows of the true cases."""

    name: str
    window_seconds: float
    methods: dict[str, Score]
    naive: dict[str, Accuracy]


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """How to get the same result again."""

    command: str
    commit: str
    date: str


def as_markdown(result: StreamResult) -> str:
    """Write one stream's section."""
    volume = next(iter(result.methods.values())).volume if result.methods else None
    chance = next(iter(result.methods.values())).naming.chance if result.methods else None
    lines = [f"## {result.name}", ""]
    if volume is not None:
        lines += [
            f"{volume.cases} cases, {volume.visible_cases} visible; {volume.firing_events} firing events, "
            f"{volume.alerts} alerts, {volume.labelled_alerts} of a case, in {volume.days:.2f} days; "
            f"correlation window {result.window_seconds:.0f} s; naming by chance {shown(chance)}.",
            "",
        ]
        rows = [[name, *_row(score)] for name, score in result.methods.items()]
        lines += [*table(["method", *(heading for heading, _ in COLUMNS)], rows), ""]
    naive = [[name, f"{item.top1:.2f}", f"{item.top3:.2f}"] for name, item in result.naive.items()]
    lines += table(["ranker, on the windows of the true cases", "top-1", "top-3"], naive)
    return "\n".join([*lines, ""])


def means_as_markdown(results: Sequence[StreamResult]) -> str:
    """Write the section of the means over systems, each of the same weight."""
    lines = [f"## Mean of {len(results)} systems", ""]
    rows = []
    for name in dict.fromkeys(name for result in results for name in result.methods):
        found = [figures(result.methods[name]) for result in results if name in result.methods]
        means = [mean_over_systems([values[figure] for values in found]) for _, figure in COLUMNS]
        rows.append([name, *(cell(mean and mean[0]) for mean in means)])
        if len(rows) == 1:
            rows += [[which, *(cell(mean and mean[place]) for mean in means)] for which, place in _BOUNDS]
    lines += [*table(["method", *(heading for heading, _ in COLUMNS)], rows), ""] if rows else []
    naive = []
    for name in dict.fromkeys(name for result in results for name in result.naive):
        first = mean_over_systems([result.naive[name].top1 for result in results])
        three = mean_over_systems([result.naive[name].top3 for result in results])
        naive.append([name, cell(first and first[0]), cell(three and three[0])])
    lines += table(["ranker, on the windows of the true cases", "top-1", "top-3"], naive)
    return "\n".join([*lines, ""])


def as_document(results: Sequence[StreamResult], provenance: Provenance) -> bytes:
    """Write all figures as JSON, reliability tables and cases included."""
    streams = [
        {
            "name": result.name,
            "window_seconds": result.window_seconds,
            "naive": result.naive,
            "methods": {
                name: {
                    "figures": figures(score),
                    "reliability_end": score.calibration_end.reliability,
                    "reliability_page": score.calibration_page.reliability,
                    "cases": score.cases,
                }
                for name, score in result.methods.items()
            },
        }
        for result in results
    ]
    return msgspec.json.format(msgspec.json.encode({"provenance": provenance, "streams": streams}), indent=1)


def as_record(results: Sequence[StreamResult], provenance: Provenance, *, drawn: bool) -> str:
    """Write the dated Markdown result: a section for each stream, or the means over `drawn` systems."""
    head = [
        f"# Quality, {provenance.date}",
        "",
        f"Command `{provenance.command}`, commit `{provenance.commit}`. Figures are defined in docs/quality.md.",
        "",
    ]
    sections = [means_as_markdown(results)] if drawn else [as_markdown(result) for result in results]
    return "\n".join([*head, *sections])


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Write a Markdown table whose columns line up; the first is text, the others are numbers."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [_line(header, widths), _line(rule, widths), *(_line(row, widths) for row in rows)]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    texts = [cells[0].ljust(widths[0])]
    texts += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return f"| {' | '.join(texts)} |"


def _row(score: Score) -> list[str]:
    values: Mapping[str, float | None] = figures(score)
    return [cell(values[figure]) for _, figure in COLUMNS]


def cell(value: float | None) -> str:
    """Write one figure of a table."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 20 else f"{value:.2f}"
