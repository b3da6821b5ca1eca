"""The outcome of runs as a table."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.schedule import KILLS, Deed
from tests.chaos.stage import Outcome

#: Of each promise that was broken, so many cases are named.
_SHOWN = 10
PROMISES = ("lost", "doubled", "unresolved", "stuck", "log identical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run and what was wrong with it, by promise."""

    seed: int
    brokers: int
    outcome: Outcome
    wrong: Mapping[str, Sequence[str]]

    @property
    def kills(self) -> int:
        return sum(self.outcome.done[deed] for deed in KILLS)

    @property
    def problems(self) -> list[str]:
        found = []
        for promise, several in self.wrong.items():
            found += [f"{promise}: {each}" for each in several[:_SHOWN]]
            if len(several) > _SHOWN:
                found.append(f"{promise}: ... {len(several)} in all")
        return found + self.outcome.failures


def table(runs: Sequence[Run]) -> str:
    """Return one row for each run, and one for all on as many brokers; below, what each deed came to."""
    head: tuple[str, ...] = (
        "brokers",
        "seed",
        "kills",
        "of worker",
        "of pager",
        "of broker",
        "suspended",
        "ended",
        "alerts",
        "incidents",
        "repeats",
        *PROMISES,
        "worker ready s",
        "pager ready s",
        "broker back s",
    )
    rows = [head]
    for brokers in sorted({run.brokers for run in runs}):
        of_kind = [run for run in runs if run.brokers == brokers]
        rows += [_row([run], str(run.seed)) for run in of_kind]
        if len(of_kind) > 1:
            rows.append(_row(of_kind, "all"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    done: Counter[Deed] = sum((run.outcome.done for run in runs), Counter())
    return "\n".join([*lines, "", ", ".join(f"{deed}: {count}" for deed, count in done.most_common())])


def _row(runs: Sequence[Run], seed: str) -> tuple[str, ...]:
    done: Counter[Deed] = sum((run.outcome.done for run in runs), Counter())
    suspended = done[Deed.SUSPEND_WORKER] + done[Deed.SUSPEND_PAGER] + done[Deed.SUSPEND_BROKER]
    wrong = {promise: sum(len(run.wrong[promise]) for run in runs) for promise in PROMISES}
    verdicts = [str(wrong[promise]) for promise in PROMISES[:-1]]
    return (
        str(runs[0].brokers),
        seed,
        str(sum(run.kills for run in runs)),
        *(str(done[deed]) for deed in KILLS),
        str(suspended),
        str(sum(len(run.outcome.ended) for run in runs)),
        str(sum(len(ids) for run in runs for ids in run.outcome.evidence.sent.values())),
        str(sum(run.outcome.evidence.incidents for run in runs)),
        str(sum(run.outcome.evidence.repeats for run in runs)),
        *verdicts,
        "no" if wrong[PROMISES[-1]] else "yes",
        _times([each for run in runs for each in run.outcome.worker_ready_after]),
        _times([each for run in runs for each in run.outcome.pager_ready_after]),
        _times([each for run in runs for each in run.outcome.broker_back_after]),
    )


def _times(seconds: Sequence[float]) -> str:
    """Return the median and the longest."""
    return f"{statistics.median(seconds):.1f} / {max(seconds):.1f}" if seconds else "-"
