"""Cases: what became of each true failure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence

import msgspec

from correlator.scoring.episodes import Episode
from correlator.scoring.histories import Histories, History
from correlator.scoring.inputs import Assignment, Case, IncidentStep, Truth


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """One labelled alert: the firing events of one episode that belong to one case, and the incident that holds it."""

    case: str
    arrived_at: int
    incident_id: str | None


class CaseOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a case looks like to who is on call; ranks of the root count from 1, None where it is not named."""

    case: str
    visible: bool
    alerts: int
    incidents: int
    pages: int
    main_incident: str | None
    rank: int | None
    page_rank: int | None
    seconds_to_page: float | None
    #: Pages were sent, all of them before the first alert of the case: an older incident swallowed it.
    paged_before: bool
    end_statement: tuple[float, bool] | None
    page_statement: tuple[float, bool] | None


def units(episodes: Iterable[Episode], truth: Truth, assignments: Sequence[Assignment], found: Histories) -> list[Unit]:
    """Return the labelled alerts, each in the incident of its first event that has one."""
    result = []
    for episode in episodes:
        parts: dict[str, tuple[int, str | None]] = {}
        for firing in episode.firings:
            case = truth.labels.get(firing.event_id) if firing.event_id is not None else None
            if case is None:
                continue
            arrived_at, incident_id = parts.get(case, (firing.arrived_at, None))
            incident_id = incident_id or found.survivor(assignments[firing.position].incident_id)
            parts[case] = (arrived_at, incident_id)
        result += [
            Unit(case=case, arrived_at=arrived_at, incident_id=incident_id)
            for case, (arrived_at, incident_id) in parts.items()
        ]
    return result


def groups_of(labelled: Sequence[Unit]) -> list[Hashable]:
    """Return the partition that a method made of labelled alerts; one that is in no incident is alone."""
    return [unit.incident_id if unit.incident_id is not None else number for number, unit in enumerate(labelled)]


def outcomes(cases: Iterable[Case], labelled: Iterable[Unit], found: Histories, since: int) -> list[CaseOutcome]:
    """Judge each case by the incidents that hold its alerts; pages sent before `since` do not count."""
    by_case: defaultdict[str, list[Unit]] = defaultdict(list)
    for unit in labelled:
        by_case[unit.case].append(unit)
    return [_outcome(case, by_case[case.name], found, since) for case in cases]


def _outcome(case: Case, alerts: Sequence[Unit], found: Histories, since: int) -> CaseOutcome:
    first = min((unit.arrived_at for unit in alerts), default=0)
    held = Counter(unit.incident_id for unit in alerts if unit.incident_id is not None)
    holders = [found.by_id[name] for name in held if name in found.by_id]
    pages = sorted(page.at for holder in holders for page in holder.pages if page.at >= since)
    after = [page for page in pages if page >= first]
    main = main_incident(holders, held)
    page = None if main is None else page_of(main, first, since)
    return CaseOutcome(
        case=case.name,
        visible=bool(alerts),
        alerts=len(alerts),
        incidents=len(held),
        pages=len(pages),
        main_incident=None if main is None else main.incident_id,
        rank=None if main is None else _rank(main.end, case),
        page_rank=None if page is None else _rank(page, case),
        seconds_to_page=(after[0] - first) / 1000 if after else None,
        paged_before=bool(pages) and not after,
        end_statement=None if main is None else _statement(main.end, case),
        page_statement=None if page is None else _statement(page, case),
    )


def main_incident(holders: Iterable[History], held: Counter[str]) -> History | None:
    """Return the incident with most alerts of the case; of equals the one opened first."""
    return min(
        holders,
        key=lambda holder: (-held[holder.incident_id], holder.opened_at, holder.incident_id),
        default=None,
    )


def page_of(main: History, first: int, since: int) -> IncidentStep | None:
    """Return the page that told of the case: the first since its first alert, else the last before."""
    pages = [page for page in main.pages if page.at >= since]
    return next((page for page in pages if page.at >= first), pages[-1] if pages else None)


def _rank(step: IncidentStep, case: Case) -> int | None:
    return next((rank for rank, service in enumerate(step.candidates, start=1) if service in case.roots), None)


def _statement(step: IncidentStep, case: Case) -> tuple[float, bool] | None:
    if step.confidence is None or not step.candidates:
        return None
    return step.confidence, step.candidates[0] in case.roots
