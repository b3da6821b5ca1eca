"""The score as text for people and as JSON for programs."""

from __future__ import annotations

from pathlib import Path

import msgspec

from correlator.scoring.calibration import Calibration
from correlator.scoring.inputs import read_alerts, read_assignments, read_incidents, read_truth
from correlator.scoring.scorer import Score, figures, flattened, score

_SECTIONS = (("volume", "Volume"), ("paging", "Paging"), ("grouping", "Grouping"), ("naming", "Root cause"))


def run(
    alerts: Path, truth: Path, assignments: Path, incidents: Path, as_json: bool, *, services: int | None = None
) -> str:
    """Return the score of a replay, ready to print.

    Raises:
        ConfigError: a file is not what it should be, or the files do not belong together.
    """
    result = score(
        read_alerts(alerts),
        read_truth(truth),
        read_assignments(assignments),
        read_incidents(incidents),
        services=services,
    )
    return as_document(result) if as_json else as_text(result)


def as_document(result: Score) -> str:
    """Write the score as one JSON document: the figures by name, the reliability tables, every case."""
    document = {
        "figures": figures(result),
        "reliability_end": result.calibration_end.reliability,
        "reliability_page": result.calibration_page.reliability,
        "cases": result.cases,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def as_text(result: Score) -> str:
    """Write the score for a terminal."""
    lines: list[str] = []
    for attribute, title in _SECTIONS:
        lines += [title, *_rows(flattened(getattr(result, attribute))), ""]
    lines += _calibration_rows("Confidence at the end", result.calibration_end)
    lines += _calibration_rows("Confidence at the page", result.calibration_page)
    return "\n".join(lines).rstrip()


def shown(value: float | None) -> str:
    """Write one figure; a dash where there was nothing to judge."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _rows(values: dict[str, float | None]) -> list[str]:
    return [f"  {name.replace('_', ' '):<26}{shown(value):>10}" for name, value in values.items()]


def _calibration_rows(title: str, judged: Calibration) -> list[str]:
    rows = [title, *_rows({"statements": judged.count, "brier": judged.brier, "ece": judged.ece})]
    for row in judged.reliability:
        rows.append(
            f"  {row.low:.1f}-{row.high:.1f}: {row.count:4d} stated {row.confidence:.2f}, right {row.right:.2f}"
        )
    return [*rows, ""]
