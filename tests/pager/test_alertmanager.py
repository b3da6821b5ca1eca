"""An incident as an alert of Alertmanager: a lease that is renewed, a resolve that is repeated, labels that stay."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from correlator.domain import Action, IncidentEvent, Severity
from correlator.pager.alertmanager import Alertmanager, AlertmanagerWebhook, fingerprint, place_of
from correlator.pager.exchange import Delivered, Refused, Reply, Retry
from correlator.pager.links import Links
from correlator.pager.mark import NOTHING, Mark, Standing, Step, Verb
from tests.pager.contracts import alertmanager_alerts, alertmanager_webhook
from tests.pager.incidents import acknowledged, incident, paged, resolved, updated
from tests.pager.test_delivery import drain, finish, lane_of, offer, taken

ID = "inc-00000001"
NOW = datetime(2026, 1, 31, 8, 5, tzinfo=UTC).timestamp()
LINKS = Links(
    incident_url="https://i.example/{incident_id}",
    runbook_url="https://r.example/{alert}",
    dashboard_url="https://d.example/{service}",
)
AM = Alertmanager(name="am", url="http://am.example:9093/", token="t0p", labels={"source": "correlator"}, links=LINKS)
HOOK = AlertmanagerWebhook(name="irm", url="https://irm.example/in", links=LINKS)
OPEN = Mark(revision=1, standing=Standing.OPEN, route=place_of(paged()))


def alert_of(event: IncidentEvent, step: Step, now: float = NOW) -> dict[str, Any]:
    request = AM.request(event, step, now)
    (alert,) = document = json.loads(request.body)
    assert request.url == "http://am.example:9093/api/v2/alerts"
    assert request.headers["Authorization"] == "Bearer t0p"
    assert alertmanager_alerts({}, "POST", "/api/v2/alerts", document) == []
    assert isinstance(alert, dict)
    return alert


def notification_of(event: IncidentEvent, step: Step) -> dict[str, Any]:
    document = json.loads(HOOK.request(event, step, NOW).body)
    assert alertmanager_webhook({}, "POST", "/", document) == []
    assert isinstance(document, dict)
    return document


def test_an_alert_carries_what_a_routing_tree_matches_and_what_a_human_reads() -> None:
    alert = alert_of(paged(), AM.step(paged(), NOTHING, missed=False, now=NOW))
    assert alert["labels"] == {
        "alertname": "CorrelatedIncident",
        "incident_id": ID,
        "scope": "prod",
        "service": "payments-db",
        "severity": "critical",
        "team": "payments",
        "source": "correlator",
    }
    assert alert["annotations"]["summary"] == paged().title
    assert alert["annotations"]["runbook_url"] == "https://r.example/PostgresDown"
    assert alert["annotations"]["dashboard_url"] == "https://d.example/payments-db"
    assert alert["generatorURL"] == f"https://i.example/{ID}"
    assert alert["startsAt"] == paged().started_at
    assert datetime.fromisoformat(alert["endsAt"]).timestamp() == NOW + 240


def test_a_lease_is_renewed_before_it_runs_out_until_the_incident_ends_and_the_resolve_is_repeated_for_a_while() -> (
    None
):
    clock = [NOW]
    lane = lane_of(AM, wall=lambda: clock[0])
    offer(lane, [paged()])
    assert drain(lane) == [(Verb.TRIGGER, ID, 1)]
    for _ in range(3):
        assert lane.wake_at(0.0) == 60
        clock[0] += 60
        assert drain(lane) == [(Verb.RENEW, ID, 1)]
    clock[0] = datetime.fromisoformat(resolved().resolved_at or "").timestamp()
    offer(lane, [resolved(revision=2)])
    assert drain(lane)[0][0] is Verb.RESOLVE
    repeats = []
    for _ in range(40):
        clock[0] += 60
        repeats += drain(lane)
    assert repeats == [(Verb.RENEW, ID, 2)] * 15
    assert lane.wake_at(0.0) is None


def test_a_repeated_resolve_resolves_the_labels_of_the_opening() -> None:
    clock = [datetime.fromisoformat(resolved().resolved_at or "").timestamp()]
    lane = lane_of(AM, {ID: OPEN}, wall=lambda: clock[0])
    offer(lane, [incident(ID, 2, Action.RESOLVED, team="another", severity=Severity.INFO)])
    for _ in range(3):
        work = taken(lane)
        alert = alert_of(work.event, work.step, clock[0])
        assert (alert["labels"]["team"], alert["labels"]["severity"]) == ("payments", "critical")
        assert alert["endsAt"] == resolved().resolved_at
        finish(lane, work)
        clock[0] += 60


def test_an_old_resolve_of_a_log_read_late_is_sent_once() -> None:
    step = AM.step(resolved(), OPEN, missed=False, now=NOW + 86_400)
    assert (step.verb, step.again_at) == (Verb.RESOLVE, 0)


def test_an_incident_that_never_paged_is_never_resolved() -> None:
    assert AM.step(resolved(), NOTHING, missed=False, now=NOW).verb is Verb.NONE
    assert AM.step(resolved(), Mark(revision=2, ended=True), missed=False, now=NOW).verb is Verb.NONE


def test_an_update_and_an_acknowledgement_renew_under_the_same_labels() -> None:
    for event in (updated(), acknowledged(), incident(ID, 2, Action.UPDATED, severity=Severity.WARNING)):
        step = AM.step(event, OPEN, missed=False, now=NOW)
        assert step.verb is Verb.TRIGGER
        assert alert_of(event, step)["labels"]["severity"] == "critical"
        assert step.again_at == (NOW + 60) * 1000


@pytest.mark.parametrize("dialect", [AM, HOOK], ids=["api", "webhook"])
def test_a_page_for_another_team_resolves_the_old_alert_and_opens_a_new_one(
    dialect: Alertmanager | AlertmanagerWebhook,
) -> None:
    lane = lane_of(dialect, {ID: OPEN}, wall=lambda: NOW)
    offer(lane, [incident(ID, 2, Action.UPDATED, page=True, team="storage")])
    told = []
    while (work := lane.take(0.0)) is not None:
        document = json.loads(dialect.request(work.event, work.step, NOW).body)
        (alert,) = document if isinstance(document, list) else document["alerts"]
        is_over = (
            datetime.fromisoformat(alert["endsAt"]).year > 1
            and datetime.fromisoformat(alert["endsAt"]).timestamp() <= NOW
        )
        told.append((alert["labels"]["team"], is_over))
        finish(lane, work)
    assert told == [("payments", True), ("storage", False)]


def test_an_alert_that_ended_when_it_began_ends_a_little_later() -> None:
    started = resolved().started_at
    event = msgspec.structs.replace(resolved(), resolved_at=started)
    alert = alert_of(event, AM.step(event, OPEN, missed=False, now=NOW))
    assert datetime.fromisoformat(alert["endsAt"]) - datetime.fromisoformat(started) == timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, Delivered), (400, Refused), (413, Refused)] + [(s, Retry) for s in (401, 404, 429, 500, 503)],
)
def test_only_a_bad_alert_is_refused(status: int, kind: type[object]) -> None:
    assert isinstance(AM.verdict(Reply(status=status, body=b"t0p"), 0.0), kind)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(204, Delivered), (400, Refused), (413, Refused), (422, Refused)]
    + [(s, Retry) for s in (401, 403, 404, 429, 503)],
)
def test_a_page_waits_until_the_token_or_the_address_of_its_receiver_is_mended(status: int, kind: type[object]) -> None:
    assert isinstance(HOOK.verdict(Reply(status=status), 0.0), kind)


def test_a_refused_alert_is_not_renewed() -> None:
    lane = lane_of(AM, wall=lambda: NOW)
    offer(lane, [paged()])
    finish(lane, taken(lane), Refused("no"))
    assert lane.wake_at(0.0) is None


def test_the_fingerprint_is_alertmanagers_own() -> None:
    # Captured from Alertmanager 0.25.
    labels = {
        "alertname": "HighErrorRate",
        "cluster": "eu-west-1",
        "pod": "cart-55c-zzz",
        "service": "cart",
        "severity": "critical",
        "team": "shop",
    }
    assert fingerprint(labels) == "c0d58a0f8d24ea02"


def test_a_notification_is_told_at_the_page_at_updates_and_at_the_end_and_an_acknowledgement_is_none() -> None:
    verbs = {}
    for event in (paged(), updated(), resolved()):
        mark = NOTHING if event.page else OPEN
        step = HOOK.step(event, mark, missed=False, now=NOW)
        document = notification_of(event, step)
        verbs[event.action] = (step.verb, document["status"])
        assert document["groupKey"] == f"correlator/{ID}"
    assert verbs == {
        Action.OPENED: (Verb.TRIGGER, "firing"),
        Action.UPDATED: (Verb.TRIGGER, "firing"),
        Action.RESOLVED: (Verb.RESOLVE, "resolved"),
    }
    has_it = HOOK.step(acknowledged(), OPEN, missed=False, now=NOW)
    assert (has_it.verb, has_it.leaves, has_it.route) == (Verb.NONE, Standing.OPEN, OPEN.route)


def test_the_shape_is_that_of_a_captured_notification() -> None:
    folder = Path(__file__).parents[3] / "shared" / "payloads" / "input"
    if not folder.is_dir():
        pytest.skip("the example payloads are not beside the repository")
    captured = json.loads((folder / "alertmanager_webhook_v4_firing.json").read_text())
    ours = notification_of(paged(), HOOK.step(paged(), NOTHING, missed=False, now=NOW))
    assert ours.keys() == captured.keys()
    assert ours["alerts"][0].keys() == captured["alerts"][0].keys()
    assert {type(value) for value in ours.values()} == {type(value) for value in captured.values()}
    assert alertmanager_webhook({}, "POST", "/", captured) == []


def test_the_check_of_these_tests_tells_a_bad_alert() -> None:
    bad = {"labels": {"a-b": "", "x": "y"}, "startsAt": "2026-01-02T00:00:00Z", "endsAt": "2026-01-01T00:00:00Z"}
    assert len(alertmanager_alerts({}, "POST", "/api/v2/alerts", [bad])) == 3
