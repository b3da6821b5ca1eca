"""What a show came to: the figures, the same by a replay, and the truth beside what was named, where it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from correlator import rankers, warm
from correlator.config import Config
from correlator.demo.stream import Stream
from correlator.domain import rfc3339
from correlator.errors import CorrelatorError
from correlator.replay import Replay
from correlator.scoring import Case, IncidentStep, Score, score
from correlator.scoring.cases import CaseOutcome
from correlator.scoring.inputs import read_alerts, read_assignments, read_incidents, read_truth
from correlator.sinks import Sinks, Summary

_HEADINGS = ("began", "true root", "alerts", "named root", "", "incident", "pages", "first page")


def of(config: Config, stream: Stream, published: Mapping[str, bytes], folder: Path) -> str:
    """Return the report of a show; what it rests on is written to the folder.

    Raises:
        CorrelatorError: a replay gives other incidents than were published.
    """
    incidents, assignments = folder / "incidents.jsonl", folder / "assignments.jsonl"
    summary = _replay(config, stream, incidents, assignments)
    if _last_words(incidents) != published:
        raise CorrelatorError("what was published is not what a replay of the same stream gives")
    text = _figures(summary, stream)
    if stream.truth is not None:
        truth, steps = read_truth(stream.truth), read_incidents(incidents)
        judged = score(read_alerts(stream.alerts), truth, read_assignments(assignments), steps)
        early = sum(step.page and step.at < (truth.scored_from or 0) for step in steps)
        text += _truth(judged, truth.cases, steps, early)
    return text


def _replay(config: Config, stream: Stream, incidents: Path, assignments: Path) -> Summary:
    with ExitStack() as files:
        sinks = Sinks(files.enter_context(incidents.open("wb")), files.enter_context(assignments.open("wb")))
        replay = Replay(
            config,
            stream.graph(),
            sinks,
            ranker=rankers.chosen(config.worker.model),
            warm=warm.load(config.worker.warm),
        )
        for number, line in enumerate(stream.lines(replay.max_line_bytes), start=1):
            replay.feed(number, line)
        return replay.finish()


def _last_words(incidents: Path) -> dict[str, bytes]:
    """Return the last event of each incident; it holds the number of those before."""

    class Identity(msgspec.Struct):
        incident_id: str

    decoder = msgspec.json.Decoder(Identity)
    return {decoder.decode(line).incident_id: line for line in incidents.read_bytes().splitlines()}


def _figures(summary: Summary, stream: Stream) -> str:
    rejected = f", {summary.rejected} rejected" if summary.rejected else ""
    rows = {
        "events": f"{summary.events}  ({summary.firing_events} firing{rejected})",
        "alerts": f"{summary.alerts}",
        "incidents": f"{summary.incidents}",
        "pages": f"{summary.pages}",
        "noise reduction": f"{summary.noise_reduction:.1%}  (1 - pages / firing events)",
    }
    lines = [f"  {name:<17}{value}" for name, value in rows.items()]
    same = "  A replay of the same stream without Kafka gives the same incidents, byte for byte."
    return "\n".join(["", "What it came to", *lines, same, ""])


def _truth(judged: Score, cases: Sequence[Case], steps: Sequence[IncidentStep], early: int) -> str:
    """Return a table of the true faults and what became of each; `early` pages came before the first of them."""
    known = {case.name: case for case in cases}
    last = {step.incident_id: step for step in steps}
    rows = [_HEADINGS, *(_row(known[outcome.case], outcome, last) for outcome in judged.cases)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    table = ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    right = sum(outcome.rank == 1 for outcome in judged.cases)
    usual = f", {early} in the ordinary time before" if early else ""
    without = f"{judged.paging.background_pages} pages without a fault{usual}"
    return "\n".join(
        [
            "",
            "The truth beside it, which the correlator never saw",
            *table,
            f"  {right} of {len(judged.cases)} roots named, {without}.",
            "",
        ]
    )


def _row(case: Case, outcome: CaseOutcome, last: Mapping[str, IncidentStep]) -> tuple[str, ...]:
    began, roots, alerts = rfc3339(case.start)[11:19], " or ".join(sorted(case.roots)), str(outcome.alerts)
    if outcome.main_incident is None:
        return (began, roots, alerts, "-", "unseen" if outcome.visible else "without alerts", "-", "0", "-")
    step = last[outcome.main_incident]
    verdict = "wrong" if outcome.rank is None else "right" if outcome.rank == 1 else f"candidate {outcome.rank}"
    after = "earlier" if outcome.paged_before else "-"
    if outcome.seconds_to_page is not None:
        after = f"after {outcome.seconds_to_page:.0f} s"
    named = f"{step.candidates[0]} ({step.confidence:.0%})" if step.confidence is not None else step.candidates[0]
    return (began, roots, alerts, named, verdict, step.incident_id, str(outcome.pages), after)
