"""The scorer: every figure of one replay over one stream. The definitions are in docs/quality.md."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from correlator.scoring.calibration import Calibration, calibration
from correlator.scoring.cases import CaseOutcome, Unit, groups_of, outcomes, units
from correlator.scoring.episodes import Episode, episodes
from correlator.scoring.histories import Histories, histories
from correlator.scoring.inputs import AlertLine, Assignment, Case, IncidentStep, Truth, check_pairing
from correlator.scoring.partition import (
    Agreement,
    adjusted_mutual_information,
    adjusted_rand,
    b_cubed,
    b_cubed_macro,
    pairwise,
)

_DAY_MS = 86_400_000
_AGREEMENTS = frozenset({"pairwise", "bcubed", "bcubed_macro"})


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """How much came in and how much went out, from the first scored instant on."""

    cases: int
    visible_cases: int
    firing_events: int
    alerts: int
    labelled_alerts: int
    incidents: int
    pages: int
    days: float
    noise_reduction: float | None
    compression: float | None


class Paging(msgspec.Struct, frozen=True, kw_only=True):
    """What the person on call sees of the cases, and of what was no case."""

    detected: float | None
    pages_per_case: float | None
    one_page: float | None
    paged_before: int
    background_pages: int
    background_pages_per_day: float | None
    false_suppression: int
    time_to_page_p50: float | None
    time_to_page_p95: float | None


class Grouping(msgspec.Struct, frozen=True, kw_only=True):
    """How well the incidents are the cases, over the labelled alerts."""

    pairwise: Agreement | None
    bcubed: Agreement | None
    bcubed_macro: Agreement | None
    ari: float | None
    ami: float | None
    mixed: int
    over_merge: float | None
    under_merge: float | None


class Naming(msgspec.Struct, frozen=True, kw_only=True):
    """How often the true root is among the first candidates, and what guessing would give."""

    top1: float | None
    top3: float | None
    top1_visible: float | None
    top3_visible: float | None
    page_top1: float | None
    page_top1_visible: float | None
    chance: float | None


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of one method on one stream; a figure without anything to judge is None."""

    volume: Volume
    paging: Paging
    grouping: Grouping
    naming: Naming
    calibration_end: Calibration
    calibration_page: Calibration
    cases: tuple[CaseOutcome, ...]


def score(
    alerts: Sequence[AlertLine],
    truth: Truth,
    assignments: Sequence[Assignment],
    incidents: Iterable[IncidentStep],
    *,
    services: int | None = None,
) -> Score:
    """Judge what a method made of a stream.

    `services` is the number of services a root can be guessed from; without it, those seen in the alerts and the truth.

    Raises:
        ConfigError: the files do not belong together.
    """
    check_pairing(alerts, assignments, truth)
    since = truth.scored_from if truth.scored_from is not None else -(2**63)
    found = histories(incidents)
    spells = episodes(alerts)
    scored = [case for case in truth.cases if case.start >= since]
    names = {case.name for case in scored}
    labelled = [unit for unit in units(spells, truth, assignments, found) if unit.case in names]
    results = outcomes(scored, labelled, found, since)
    visible = [result for result in results if result.visible]
    of_cases = _incidents_with_a_case(alerts, truth, assignments, found)
    volume = _volume(alerts, spells, labelled, results, found, since)
    return Score(
        volume=volume,
        paging=_paging(visible, labelled, found, of_cases, since, volume.days),
        grouping=_grouping(labelled, visible, found, since),
        naming=_naming(scored, results, services or _services_seen(alerts, truth)),
        calibration_end=calibration([item.end_statement for item in visible if item.end_statement is not None]),
        calibration_page=calibration([item.page_statement for item in visible if item.page_statement is not None]),
        cases=tuple(results),
    )


def figures(result: Score) -> dict[str, float | None]:
    """Return every single number by its name, as tables and tolerances call it."""
    flat: dict[str, float | None] = {}
    for part in (result.volume, result.paging, result.grouping, result.naming):
        flat |= flattened(part)
    for moment, judged in (("end", result.calibration_end), ("page", result.calibration_page)):
        flat |= {f"brier_{moment}": judged.brier, f"ece_{moment}": judged.ece}
    return flat


def flattened(part: Volume | Paging | Grouping | Naming) -> dict[str, float | None]:
    """Return the numbers of one part; an agreement gives three."""
    flat: dict[str, float | None] = {}
    for name in part.__struct_fields__:
        value = getattr(part, name)
        if name in _AGREEMENTS:
            measures = ("precision", "recall", "f_score")
            flat |= {f"{name}_{measure}": value and getattr(value, measure) for measure in measures}
        else:
            flat[name] = value
    return flat


def _volume(
    alerts: Sequence[AlertLine],
    spells: Sequence[Episode],
    labelled: Sequence[Unit],
    results: Sequence[CaseOutcome],
    found: Histories,
    since: int,
) -> Volume:
    arrivals = [alert.arrived_at for alert in alerts if alert.arrived_at >= since]
    firings = sum(alert.firing and alert.arrived_at >= since for alert in alerts)
    pages = sum(page.at >= since for history in found.by_id.values() for page in history.pages)
    opened = sum(at >= since for at in found.opened.values())
    began = sum(episode.began_at >= since for episode in spells)
    return Volume(
        cases=len(results),
        visible_cases=sum(result.visible for result in results),
        firing_events=firings,
        alerts=began,
        labelled_alerts=len(labelled),
        incidents=opened,
        pages=pages,
        days=(arrivals[-1] - max(arrivals[0], since)) / _DAY_MS if arrivals else 0.0,
        noise_reduction=_ratio(firings - pages, firings),
        compression=_ratio(began - opened, began),
    )


def _paging(
    visible: Sequence[CaseOutcome],
    labelled: Sequence[Unit],
    found: Histories,
    of_cases: set[str],
    since: int,
    days: float,
) -> Paging:
    background = sum(
        page.at >= since for name, history in found.by_id.items() if name not in of_cases for page in history.pages
    )
    seconds = [result.seconds_to_page for result in visible if result.seconds_to_page is not None]
    return Paging(
        detected=_ratio(sum(result.pages > 0 for result in visible), len(visible)),
        pages_per_case=_ratio(sum(result.pages for result in visible), len(visible)),
        one_page=_ratio(sum(result.pages == 1 for result in visible), len(visible)),
        paged_before=sum(result.paged_before for result in visible),
        background_pages=background,
        background_pages_per_day=_ratio(background, days),
        false_suppression=_false_suppressions(labelled, found, since),
        time_to_page_p50=float(np.percentile(seconds, 50)) if seconds else None,
        time_to_page_p95=float(np.percentile(seconds, 95)) if seconds else None,
    )


def _grouping(labelled: Sequence[Unit], visible: Sequence[CaseOutcome], found: Histories, since: int) -> Grouping:
    truth = [unit.case for unit in labelled]
    groups = groups_of(labelled)
    cases_in = _cases_in(labelled)
    hidden = sum(len(cases) - 1 for name, cases in cases_in.items() if _paged(found, name, since))
    paged = [result.pages for result in visible if result.pages]
    return Grouping(
        pairwise=pairwise(truth, groups) if labelled else None,
        bcubed=b_cubed(truth, groups) if labelled else None,
        bcubed_macro=b_cubed_macro(truth, groups) if labelled else None,
        ari=adjusted_rand(truth, groups) if labelled else None,
        ami=adjusted_mutual_information(truth, groups) if labelled else None,
        mixed=sum(len(cases) > 1 for cases in cases_in.values()),
        over_merge=_ratio(hidden, len(visible)),
        under_merge=_ratio(sum(paged) - len(paged), len(paged)),
    )


def _naming(scored: Sequence[Case], results: Sequence[CaseOutcome], services: int) -> Naming:
    visible = sum(result.visible for result in results)

    def within(depth: int) -> int:
        return sum(result.rank is not None and result.rank <= depth for result in results)

    at_page = sum(result.page_rank == 1 for result in results)
    return Naming(
        top1=_ratio(within(1), len(results)),
        top3=_ratio(within(3), len(results)),
        top1_visible=_ratio(within(1), visible),
        top3_visible=_ratio(within(3), visible),
        page_top1=_ratio(at_page, len(results)),
        page_top1_visible=_ratio(at_page, visible),
        chance=_ratio(math.fsum(len(case.roots) for case in scored), len(scored) * services),
    )


def _cases_in(labelled: Iterable[Unit]) -> dict[str, set[str]]:
    cases: defaultdict[str, set[str]] = defaultdict(set)
    for unit in labelled:
        if unit.incident_id is not None:
            cases[unit.incident_id].add(unit.case)
    return cases


def _false_suppressions(labelled: Sequence[Unit], found: Histories, since: int) -> int:
    """Count alerts in no paged incident whose case is the main one of no paged incident either."""
    counts: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for unit in labelled:
        if unit.incident_id is not None and _paged(found, unit.incident_id, since):
            counts[unit.incident_id][unit.case] += 1
    # Of equals all are the main one: where two cases weigh the same, the page speaks of both.
    told = {case for cases in counts.values() for case, count in cases.items() if count == max(cases.values())}
    return sum(unit.case not in told and unit.incident_id not in counts for unit in labelled)


def _paged(found: Histories, incident_id: str, since: int) -> bool:
    history = found.by_id.get(incident_id)
    return history is not None and any(page.at >= since for page in history.pages)


def _incidents_with_a_case(
    alerts: Iterable[AlertLine], truth: Truth, assignments: Sequence[Assignment], found: Histories
) -> set[str]:
    """Return the incidents that hold an alert of any case, scored or not."""
    held = {
        found.survivor(assignments[alert.position].incident_id)
        for alert in alerts
        if alert.firing and alert.event_id in truth.labels
    }
    return {name for name in held if name is not None}


def _services_seen(alerts: Iterable[AlertLine], truth: Truth) -> int:
    seen = {alert.service for alert in alerts if alert.service is not None}
    return len(seen.union(*(case.roots for case in truth.cases)))


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
