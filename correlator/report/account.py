"""The report as a value: everything a period came to, for all, for each team and for each service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from zoneinfo import ZoneInfo

import msgspec

from correlator.config_pager import HourClass
from correlator.domain import rfc3339
from correlator.report.baseline import Baseline
from correlator.report.load import Load, load
from correlator.report.noise import Account, Fate, Parts
from correlator.report.response import Response, Worth, response, worth
from correlator.report.rules import Ledger, Rule
from correlator.report.stories import NO_TEAM, Story


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds, from inclusive to exclusive; None is open."""

    begin: int | None = None
    end: int | None = None

    def holds(self, at: int) -> bool:
        return (self.begin is None or at >= self.begin) and (self.end is None or at < self.end)


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """Time zones of teams, and classes of their hours; instants are milliseconds."""

    zone: Callable[[str], ZoneInfo]
    hour_class: Callable[[str, int], HourClass]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One team, or one service of it.

    Events count for the service that alerts, pages for the root of then, incidents for that of now.
    """

    team: str
    service: str | None
    noise: Parts | None
    noise_reduction: float | None
    pages: int
    incidents: int
    response: Response
    worth: Worth | None


class TopIncident(msgspec.Struct, frozen=True, kw_only=True):
    incident_id: str
    title: str
    team: str
    severity: str
    opened_at: str
    minutes: float | None
    alerts: int
    events: int
    pages: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A period. `pages_by_action` sums up to the pages, each of `teams` and `services` to the whole.

    `baseline_pages`: of Alertmanager's grouping, by class of hour.
    """

    schema: str = "report/1"
    begin: str | None
    end: str | None
    incidents: int
    merged: int
    pages: int
    pages_by_action: Mapping[str, int]
    noise: Parts | None
    noise_reduction: float | None
    deduplication: float | None
    suppression: float | None
    compression: float | None
    baseline_pages: Mapping[str, int] | None
    response: Response
    worth: Worth | None
    teams: Sequence[Line]
    services: Sequence[Line]
    load: Mapping[str, Load]
    rules: Sequence[Rule]
    top: Sequence[TopIncident]
    notes: Sequence[str]


def report(
    told: Sequence[Story],
    fates: Iterable[Fate] | None,
    *,
    period: Period,
    hours: Hours,
    owner: Callable[[str], str | None] = lambda service: None,
    top: int = 10,
    notes: Sequence[str] = (),
) -> Report:
    """Add a period up.

    An incident belongs to the period in which it was opened, a page to that in which it was sent, an event to that in
    which it arrived; events without a time belong to any.

    Args:
        fates: what became of each event, in the order of arrival; None where no assignments are given.
        owner: the team of a service, by the dependency graph; where it does not know, roots of incidents tell.
    """
    owners = {story.incident.root_cause.service: story.team for story in told if story.team != NO_TEAM}

    def team_of(service: str | None) -> str:
        return (owner(service) or owners.get(service, NO_TEAM)) if service else NO_TEAM

    books = _Books(team_of)
    ledger, baseline = Ledger(), Baseline()
    for fate in fates or ():
        ledger_holds = fate.at is None or period.holds(fate.at)
        baseline.add(fate)
        if ledger_holds:
            books.add(fate)
            ledger.add(fate)
    paged = [page for story in told for page in story.pages if period.holds(page.at)]
    for page in paged:
        books.page(page.team, page.service)
    opened = [story for story in told if period.holds(story.opened_at)]
    arrivals = dict(ledger.arrivals)
    parts = books.all.parts() if fates is not None else None
    actions = [str(page.action) for page in paged]
    teams = sorted({page.team for page in paged})
    notified = [(service, at) for service, at in baseline.pages if period.holds(at)]
    joined = parts.correlated + parts.opened if parts else 0
    return Report(
        begin=None if period.begin is None else rfc3339(period.begin),
        end=None if period.end is None else rfc3339(period.end),
        incidents=len(opened),
        merged=sum(story.merged for story in opened),
        pages=len(paged),
        pages_by_action={action: actions.count(action) for action in sorted(set(actions))},
        noise=parts,
        noise_reduction=parts.noise_reduction if parts else None,
        deduplication=parts.deduplication if parts else None,
        suppression=parts.suppression if parts else None,
        compression=round(1 - len(opened) / joined, 4) if joined else None,
        baseline_pages=_by_class(notified, hours, team_of) if notified else None,
        response=response(opened, arrivals),
        worth=worth(opened),
        teams=[_line(books, opened, arrivals, team, None, known=parts is not None) for team in books.teams(opened)],
        services=[
            _line(books, opened, arrivals, team, service, known=parts is not None)
            for team, service in books.services(opened)
        ],
        load={
            team: load(
                [page.at for page in paged if page.team == team],
                hours.zone(team),
                lambda at, team=team: hours.hour_class(team, at),  # type: ignore[misc]  # bound at once
            )
            for team in teams
        },
        rules=ledger.rules(opened, top=top),
        top=_top(opened, top),
        notes=list(notes),
    )


class _Books:
    """One account for all, one a team, one a team and service."""

    def __init__(self, team_of: Callable[[str | None], str]) -> None:
        self._team_of = team_of
        self.all = Account()
        self.of: dict[tuple[str, str | None], Account] = {}

    def add(self, fate: Fate) -> None:
        team = self._team_of(fate.service)
        for account in self._accounts(team, fate.service or NO_TEAM):
            account.add(fate)

    def page(self, team: str, service: str) -> None:
        for account in self._accounts(team, service):
            account.pages += 1

    def _accounts(self, team: str, service: str) -> list[Account]:
        return [
            self.all,
            self.of.setdefault((team, None), Account()),
            self.of.setdefault((team, service), Account()),
        ]

    def teams(self, opened: Sequence[Story]) -> list[str]:
        return sorted({team for team, _ in self.of} | {story.team for story in opened})

    def services(self, opened: Sequence[Story]) -> list[tuple[str, str]]:
        known = {(team, service) for team, service in self.of if service is not None}
        return sorted(known | {(story.team, story.incident.root_cause.service) for story in opened})


def _line(
    books: _Books,
    opened: Sequence[Story],
    arrivals: dict[str, int],
    team: str,
    service: str | None,
    *,
    known: bool,
) -> Line:
    parts = books.of.get((team, service), Account()).parts()
    mine = [
        story
        for story in opened
        if story.team == team and (service is None or story.incident.root_cause.service == service)
    ]
    return Line(
        team=team,
        service=service,
        noise=parts if known else None,
        noise_reduction=parts.noise_reduction if known else None,
        pages=parts.pages,
        incidents=len(mine),
        response=response(mine, arrivals),
        worth=worth(mine),
    )


def _by_class(
    notified: Sequence[tuple[str, int]], hours: Hours, team_of: Callable[[str | None], str]
) -> Mapping[str, int]:
    counts = {"business": 0, "off": 0, "sleep": 0}
    for service, at in notified:
        counts[hours.hour_class(team_of(service), at)] += 1
    return counts


def _top(opened: Sequence[Story], top: int) -> list[TopIncident]:
    """Return the incidents that took in most events."""
    ordered = sorted(
        opened, key=lambda story: (-story.incident.alerts.events, story.opened_at, story.incident.incident_id)
    )
    return [
        TopIncident(
            incident_id=story.incident.incident_id,
            title=story.incident.title,
            team=story.team,
            severity=story.severity.value,
            opened_at=rfc3339(story.opened_at),
            minutes=None if story.resolved_at is None else round((story.resolved_at - story.opened_at) / 60_000, 1),
            alerts=story.incident.alerts.total,
            events=story.incident.alerts.events,
            pages=len(story.pages),
        )
        for story in ordered[:top]
    ]
