"""Judge what a method made of a stream, and say how the judgement can be had again."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.quality.baselines.groups import Outcome
from benchmarks.quality.report import Provenance
from benchmarks.quality.stream import Stream
from correlator.scoring import Score, score

#: The engine's name among the methods of a table.
ENGINE = "correlator"
ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results")


def judge(stream: Stream, outcome: Outcome) -> Score:
    """Return all figures of one method on one stream."""
    return score(stream.alerts, stream.truth, outcome.assignments, outcome.steps, services=len(stream.graph))


def provenance(module: str, arguments: Sequence[str]) -> Provenance:
    """Return command, commit and date of a run of `python -m module arguments`."""
    return Provenance(
        command=shlex.join(["python", "-m", module, *arguments]),
        commit=_commit(),
        date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _commit() -> str:
    """Return the commit of this checkout, marked where the tree differs from it."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
