"""JSM operations and Opsgenie: created once, changed where it changed, closed by its alias."""

from __future__ import annotations

import json
from typing import Any

import pytest

from correlator.domain import Action, IncidentEvent, Severity
from correlator.pager.exchange import Delivered, Refused, Reply, Request, Retry
from correlator.pager.jsm import Jsm
from correlator.pager.links import Links
from correlator.pager.mark import NOTHING, Mark, Standing, Verb
from correlator.pager.routes import Routes
from tests.pager.contracts import jsm
from tests.pager.incidents import acknowledged, incident, paged, resolved, updated
from tests.pager.test_delivery import finish, lane_of, offer

ID = "inc-00000001"
BASE = "https://api.atlassian.com/jsm/ops/integration"
JSM = Jsm(
    name="jsm",
    base_url=BASE,
    routes=Routes(default="KEY", table={"storage": "STORAGE"}, addresses={"KEY": "key-1", "STORAGE": "key-2"}),
    responders={"payments": "Payments on call"},
    links=Links(runbook_url="https://r.example/{alert}"),
)


def told(
    events: list[IncidentEvent], mark: Mark | None = None, dialect: Jsm = JSM
) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (method, path below the base, body) of all that is said."""
    lane = lane_of(dialect, {} if mark is None else {ID: mark})
    said = []
    for event in events:
        offer(lane, [event])
        while (work := lane.take(0.0)) is not None:
            if work.step.verb is not Verb.NONE:
                request = dialect.request(work.event, work.step, 0.0)
                said.append(_checked(request, dialect.base_url))
            finish(lane, work)
    return said


def _checked(request: Request, base: str) -> tuple[str, str, dict[str, Any]]:
    assert request.url.startswith(base + "/v2/alerts")
    path, body = request.url.removeprefix(base), json.loads(request.body)
    assert jsm({"authorization": request.headers["Authorization"]}, request.method, path, body) == []
    return request.method, path.removeprefix("/v2/alerts"), body


def test_an_incident_is_created_acknowledged_and_closed_under_its_alias() -> None:
    said = told([paged(), acknowledged(revision=2), resolved(revision=3)])
    assert [(method, path) for method, path, _ in said] == [
        ("POST", ""),
        ("POST", f"/{ID}/acknowledge?identifierType=alias"),
        ("POST", f"/{ID}/close?identifierType=alias"),
    ]
    created = said[0][2]
    assert (created["alias"], created["priority"], created["entity"]) == (ID, "P1", "payments-db")
    assert created["responders"] == [{"type": "team", "name": "Payments on call"}]
    assert "https://r.example/PostgresDown" in created["description"]


def test_opsgenie_differs_by_its_address_only() -> None:
    opsgenie = Jsm(
        name="og", base_url="https://api.opsgenie.com", routes=JSM.routes, responders=JSM.responders, links=JSM.links
    )
    assert told([paged(), resolved(revision=2)], dialect=opsgenie) == told([paged(), resolved(revision=2)])


def test_a_team_that_is_not_listed_is_no_responder() -> None:
    assert "responders" not in told([incident(page=True, team="unknown there")])[0][2]


def test_an_update_says_only_what_changed_priority_before_message() -> None:
    same = updated(revision=2)
    risen = incident(ID, 3, Action.UPDATED, severity=Severity.WARNING)
    both = incident(ID, 4, Action.UPDATED, severity=Severity.CRITICAL, title="storage: DiskFull")
    said = told([paged(), same, risen, both])
    assert [(method, path.partition("?")[0]) for method, path, _ in said[1:]] == [
        ("PUT", f"/{ID}/priority"),
        ("PUT", f"/{ID}/priority"),
        ("PUT", f"/{ID}/message"),
    ]
    assert [body for _, _, body in said[1:]] == [
        {"priority": "P3"},
        {"priority": "P1"},
        {"message": "storage: DiskFull"},
    ]


def test_a_refused_change_is_not_repeated_and_does_not_keep_back_the_next() -> None:
    lane = lane_of(JSM)
    offer(lane, [paged()])
    work = lane.take(0.0)
    assert work is not None
    finish(lane, work)
    offer(lane, [incident(ID, 2, Action.UPDATED, severity=Severity.INFO, title="other")])
    parts = []
    while (work := lane.take(0.0)) is not None:
        parts.append(work.step.part)
        finish(lane, work, Refused("no"))
    assert parts == ["priority", "message"]


def test_an_alert_whose_create_may_have_been_lost_is_created_again() -> None:
    assert [path for _, path, _ in told([updated()], Mark(revision=1, standing=Standing.OPENING, route="KEY"))] == [""]


def test_another_teams_incident_is_closed_with_the_old_key_and_created_with_the_new_one() -> None:
    event = incident(ID, 2, Action.UPDATED, page=True, team="storage")
    lane = lane_of(JSM, {ID: Mark(revision=1, standing=Standing.OPEN, route="KEY", ref="P1 x")})
    offer(lane, [event])
    said = []
    while (work := lane.take(0.0)) is not None:
        request = JSM.request(work.event, work.step, 0.0)
        said.append((work.step.verb, request.headers["Authorization"]))
        finish(lane, work)
    assert said == [(Verb.RESOLVE, "GenieKey key-1"), (Verb.TRIGGER, "GenieKey key-2")]


@pytest.mark.parametrize("letter", ["x", "😀", "\n"])
def test_no_field_is_longer_than_the_documentation_allows(letter: str) -> None:
    huge = letter * 40_000
    told([incident(ID, 1, page=True, title=huge, summary=huge, why=huge, team=huge, candidates=10)])


@pytest.mark.parametrize(
    ("status", "kind"),
    [(202, Delivered), (400, Refused), (422, Refused)] + [(status, Retry) for status in (401, 403, 404, 429, 500, 503)],
)
def test_a_reply_is_read_as_documented(status: int, kind: type[object]) -> None:
    verdict = JSM.verdict(Reply(status=status, body=b"key-1 and key-2"), 0.0)
    assert isinstance(verdict, kind)
    assert not isinstance(verdict, Refused) or "key-" not in verdict.detail


@pytest.mark.parametrize("severity", list(Severity))
def test_every_severity_has_a_priority(severity: Severity) -> None:
    assert told([incident(page=True, severity=severity)])[0][2]["priority"] in {"P1", "P2", "P3", "P5"}


def test_an_incident_that_never_paged_is_never_closed() -> None:
    assert told([incident(), resolved(revision=2)]) == []
    assert JSM.step(resolved(), NOTHING, missed=False, now=0.0).verb is Verb.NONE


def test_the_check_of_these_tests_tells_a_bad_request() -> None:
    key = {"authorization": "GenieKey k"}
    assert jsm(key, "POST", "/v2/alerts", {"message": "x" * 131}) == ["message"]
    assert jsm(key, "PUT", "/v2/alerts/a/close?identifierType=alias", {}) == ["PUT close with []"]
    assert jsm({}, "POST", "/v2/alerts/a", {}) == ["no GenieKey", "no such request: /v2/alerts/a"]
