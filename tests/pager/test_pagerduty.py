from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from correlator.domain import Action, IncidentEvent, IncidentStatus, Severity
from correlator.pager.exchange import Delivered, Refused, Reply, Retry
from correlator.pager.links import Links
from correlator.pager.mark import NOTHING, Mark, Standing, Step, Verb
from correlator.pager.pagerduty import MAX_BODY_BYTES, MAX_SUMMARY_CHARACTERS, PagerDuty
from correlator.pager.routes import Routes
from tests.pager.incidents import acknowledged, incident, paged, resolved, updated
from tests.pager.recorder import breaches

KEY = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 32
OPEN = Mark(revision=1, standing=Standing.OPEN)
OPENING = Mark(revision=0, standing=Standing.OPENING)
ROUTES = Routes(default="DEFAULT", table={"db-team": "DB"}, addresses={"DEFAULT": KEY, "DB": OTHER})
PD = PagerDuty(name="pd", base_url="https://events.example", routes=ROUTES)
TRIGGER = Step(verb=Verb.TRIGGER, leaves=Standing.OPEN)


def body_of(event: IncidentEvent, step: Step = TRIGGER) -> dict[str, Any]:
    body = PD.request(event, step, 0.0).body
    assert breaches(body) == []
    decoded: dict[str, Any] = json.loads(body)
    return decoded


@pytest.mark.parametrize(
    ("event", "mark", "verb"),
    [
        (paged(), NOTHING, Verb.TRIGGER),
        (paged(), OPENING, Verb.TRIGGER),
        (incident(), NOTHING, Verb.NONE),
        (updated(), OPEN, Verb.TRIGGER),
        (updated(), NOTHING, Verb.NONE),
        (updated(page=True), NOTHING, Verb.TRIGGER),
        (acknowledged(), OPEN, Verb.ACKNOWLEDGE),
        (acknowledged(), NOTHING, Verb.NONE),
        (resolved(), OPEN, Verb.RESOLVE),
        (resolved(), OPENING, Verb.RESOLVE),
        (resolved(), NOTHING, Verb.NONE),
        (incident(action=Action.MERGED), OPEN, Verb.RESOLVE),
        (incident(action=Action.MERGED), NOTHING, Verb.NONE),
        (incident(action=Action.REOPENED, page=True), Mark(revision=3), Verb.TRIGGER),
        (incident(action=Action.REOPENED, page=False), Mark(revision=3), Verb.NONE),
        # Late news of an incident that is over must not open it again.
        (incident(action=Action.UPDATED, status=IncidentStatus.RESOLVED), Mark(revision=3), Verb.NONE),
    ],
)
def test_what_pagerduty_hears_follows_from_the_event_and_what_it_heard(
    event: IncidentEvent, mark: Mark, verb: Verb
) -> None:
    assert PD.step(event, mark, missed=False, now=0.0).verb is verb


def test_an_open_incident_whose_page_may_have_been_missed_pages() -> None:
    assert PD.step(updated(revision=5), NOTHING, missed=True, now=0.0).verb is Verb.TRIGGER
    assert PD.step(acknowledged(revision=5), NOTHING, missed=True, now=0.0).verb is Verb.NONE
    assert PD.step(resolved(revision=5), NOTHING, missed=True, now=0.0).verb is Verb.NONE


def test_everything_after_the_opening_goes_where_it_was_opened() -> None:
    mark = Mark(revision=1, standing=Standing.OPEN, route="DB")
    for event in (updated(), acknowledged(), resolved()):
        step = PD.step(event, mark, missed=False, now=0.0)
        assert body_of(event, step)["routing_key"] == OTHER


def test_a_page_for_another_team_resolves_at_the_old_one_first() -> None:
    event = incident(revision=2, action=Action.UPDATED, page=True, team="db-team")
    opened = Mark(revision=1, standing=Standing.OPEN, route="DEFAULT")
    release = PD.step(event, opened, missed=False, now=0.0)
    assert (release.verb, release.route, release.final) == (Verb.RESOLVE, "DEFAULT", False)
    opening = PD.step(event, Mark(revision=1), missed=False, now=0.0)
    assert (opening.verb, opening.route, opening.final) == (Verb.TRIGGER, "DB", True)


@pytest.mark.parametrize(
    ("team", "route", "key"),
    [
        (None, None, KEY),
        ("unknown", None, KEY),
        ("db-team", None, OTHER),
        ("x", "db-team", OTHER),
        ("x", "unknown", KEY),
        ("db-team", "a" * 32, "a" * 32),
    ],
)
def test_the_routing_key_is_the_routes_else_the_teams_else_the_default(
    team: str | None, route: str | None, key: str
) -> None:
    event = incident(page=True, team=team, route=route)
    assert body_of(event, PD.step(event, NOTHING, missed=False, now=0.0))["routing_key"] == key


def test_a_trigger_says_what_a_human_needs() -> None:
    event = incident(page=True, changes=[{"summary": "deploy 42", "url": "https://ci.example/42"}, {"url": "ftp://x"}])
    body = body_of(event)
    payload = body["payload"]
    assert body["dedup_key"] == event.incident_id
    assert payload["summary"] == event.title
    assert payload["component"] == "payments-db"
    assert payload["group"] == "prod"
    assert payload["class"] == "PostgresDown"
    assert payload["timestamp"] == event.started_at
    assert payload["custom_details"]["why"] == ["upstream of 4 alerting services"]
    assert payload["custom_details"]["owner"] == "payments"
    assert payload["custom_details"]["counts"]["events"] == 260
    assert body["links"] == [{"href": "https://ci.example/42", "text": "deploy 42"}]


def test_links_and_images_are_those_a_human_can_open() -> None:
    changes = [
        {"summary": "graph", "image_url": "https://g.example/1.png"},
        {"summary": "insecure", "image_url": "http://g.example/2.png"},
        {"summary": "deploy 42", "url": "https://ci.example/42"},
    ]
    links = Links(
        incident_url="https://i.example/{incident_id}",
        runbook_url="https://r.example/{alert}",
        dashboard_url="https://d.example/{service}",
    )
    dialect = PagerDuty(name="pd", base_url="https://events.example", routes=ROUTES, links=links)
    body = dialect.request(incident(page=True, changes=changes), TRIGGER, 0.0).body
    assert breaches(body) == []
    event = json.loads(body)
    assert [link["href"] for link in event["links"]] == [
        "https://i.example/inc-00000001",
        "https://r.example/PostgresDown",
        "https://d.example/payments-db",
        "https://ci.example/42",
    ]
    assert event["client_url"] == "https://i.example/inc-00000001"
    assert event["images"] == [{"src": "https://g.example/1.png", "alt": "graph"}]


@pytest.mark.parametrize("severity", list(Severity))
def test_every_severity_is_one_pagerduty_knows(severity: Severity) -> None:
    known = body_of(incident(page=True, severity=severity))["payload"]["severity"]
    assert known == ("warning" if severity is Severity.UNKNOWN else severity.value)


def test_acknowledge_and_resolve_are_minimal() -> None:
    for verb in (Verb.ACKNOWLEDGE, Verb.RESOLVE):
        body = body_of(resolved(), Step(verb=verb, leaves=Standing.CLOSED))
        assert body == {"routing_key": KEY, "event_action": verb.value, "dedup_key": resolved().incident_id}


@pytest.mark.parametrize("letter", ["x", "ü", "😀", '"', "\u0000"])
def test_no_event_is_larger_than_pagerduty_takes(letter: str) -> None:
    huge = letter * 400_000
    event = incident(
        page=True, title=huge, summary=huge, why=huge, sample=500, changes=[{huge: huge, "url": huge}] * 90
    )
    body = PD.request(event, TRIGGER, 0.0).body
    assert len(body) <= MAX_BODY_BYTES
    assert breaches(body) == []


@pytest.mark.parametrize("letter", ["x", "ü", "😀"])
def test_a_summary_is_measured_in_characters_and_an_event_in_bytes(letter: str) -> None:
    whole = letter * MAX_SUMMARY_CHARACTERS
    assert body_of(incident(page=True, title=whole))["payload"]["summary"] == whole
    assert body_of(incident(page=True, title=whole + letter))["payload"]["summary"] == whole[:-1] + "…"
    texts = {str(number): letter * 1000 for number in range(40)}
    details = body_of(incident(page=True, changes=[texts] * 5))["payload"]["custom_details"]
    assert ("changes" in details) is (5 * 40 * 1000 * len(letter.encode()) < MAX_BODY_BYTES)


def test_what_is_shed_is_said_and_the_root_cause_stays() -> None:
    many = [{f"{number}-{'k' * 1000}": "ü" * 2000 for number in range(200)}] * 5
    details = body_of(incident(page=True, changes=many))["payload"]["custom_details"]
    assert "note" in details
    assert "changes" not in details
    assert details["root_cause"]["service"] == "payments-db"


def test_a_small_event_sheds_nothing() -> None:
    assert "note" not in body_of(incident(page=True, sample=50))["payload"]["custom_details"]


@pytest.mark.parametrize("status", [200, 202])
def test_success_is_delivered(status: int) -> None:
    assert PD.verdict(Reply(status=status), 0.0) == Delivered()


@pytest.mark.parametrize("status", [400, 413])
def test_a_bad_event_is_refused_and_its_key_not_told(status: int) -> None:
    verdict = PD.verdict(Reply(status=status, body=f"bad {KEY} {'a' * 32}".encode()), 0.0)
    assert isinstance(verdict, Refused)
    assert KEY not in verdict.detail
    assert "a" * 32 not in verdict.detail


@pytest.mark.parametrize("status", [301, 401, 403, 404, 408, 429, 500, 502, 503])
def test_everything_else_is_retried(status: int) -> None:
    assert isinstance(PD.verdict(Reply(status=status), 0.0), Retry)


def test_the_documented_examples_pass_the_recorders_own_check() -> None:
    folder = Path(__file__).parents[3] / "shared" / "payloads" / "output"
    if not folder.is_dir():
        pytest.skip("the example payloads are not beside the repository")
    example = json.loads((folder / "pagerduty_events_v2_trigger_example.json").read_text())
    assert breaches(json.dumps(example).encode()) == []
    del example["payload"]["severity"]
    assert breaches(json.dumps(example).encode()) == ["payload.severity is none of the four"]
