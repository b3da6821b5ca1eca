"""What would turn a root, or make an alert page: applied to the input itself, a replay does what was told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from correlator.domain import IncidentEvent, rfc3339
from tests.explain.stage import Stage
from tests.scenarios import story as stories


def told(stage: Stage, at: str, service: str) -> IncidentEvent:
    """Return what a replay has told by then of the incident with a service, or first tells."""
    events = [event for event in stage.published() if service in event.services]
    return next((event for event in reversed(events) if event.published_at <= at), events[0])


def applied(stage: Stage, words: str) -> Stage:
    """Apply a change, in the words of an explanation, to the lines and the graph of a story."""
    for service, name in re.findall(r"if (\S+) had reported (\S+) when the incident began", words):
        stage = stage.changed(more=[line(service, name, 0, "critical")])
    for service in re.findall(r"without the alerts of (\S+)", words):
        stage = stage.changed(drop=service)
    for source, to in re.findall(r"if the graph did not say that (\S+) depends on (\S+)", words):
        stage = stage.changed(cut=(source, to))
    for service, span in re.findall(r"if the alerts of (\S+) had begun (.+) earlier", words):
        stage = stage.changed(drop=service, more=[sooner(one, spoken(span)) for one in lines_of(stage, service)])
    return stage


def lines_of(stage: Stage, service: str) -> list[dict[str, Any]]:
    return [one for one in map(msgspec.json.decode, stage.lines) if one["service"] == service]


def sooner(one: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Return a line of the first minute so much sooner; it arrives with the first of the story then."""
    second = int(one["starts_at"][-7:-5]) - int(rfc3339(stories.START)[-7:-5])
    return one | {
        "starts_at": rfc3339(stories.START + 1000 * (second - seconds)),
        "observed_at": rfc3339(stories.START),
    }


def line(service: str, name: str, second: float, severity: str, **more: Any) -> dict[str, Any]:
    at = rfc3339(stories.START + round(1000 * second))
    return {"id": f"{service}/{name}@{second}", "status": "firing", "name": name, "service": service,
            "severity": severity, "starts_at": at, "observed_at": at, **more}  # fmt: skip


def ended(service: str, name: str, began: float, second: float) -> dict[str, Any]:
    at = rfc3339(stories.START + round(1000 * second))
    return line(service, name, began, "warning", id=f"end/{service}/{second}") | {
        "status": "resolved", "ends_at": at, "observed_at": at}  # fmt: skip


CHAIN = {
    "services": [{"name": name} for name in ("web", "api", "db", "cache")],
    "dependencies": [{"from": "web", "to": "api"}, {"from": "api", "to": "db"}, {"from": "api", "to": "cache"}],
}


def chain() -> Stage:
    lines = [
        line("db", "HighErrorRate", 0, "error"),
        line("api", "HighErrorRate", 10, "error"),
        line("web", "HighLatency", 20, "warning"),
        line("api", "HighErrorRate", 10, "error") | {"id": "rep", "observed_at": rfc3339(stories.START + 200_000)},
    ]
    return Stage([json.dumps(one).encode() for one in lines], CHAIN)


def opened(stage: Stage) -> IncidentEvent:
    return stage.published()[0]


def fan() -> Stage:
    """Two databases fail together below what calls both."""
    topology = {
        "services": [{"name": name} for name in ("web", "cart", "users", "orders-db", "users-db")],
        "dependencies": [
            {"from": "web", "to": "cart"},
            {"from": "web", "to": "users"},
            {"from": "cart", "to": "orders-db"},
            {"from": "users", "to": "orders-db"},
            {"from": "users", "to": "users-db"},
        ],
    }
    lines = [
        line("users", "HighErrorRate", 0, "error"),
        line("web", "HighErrorRate", 5, "error"),
        line("orders-db", "DiskFull", 8, "error"),
        line("users-db", "HighLatency", 12, "warning"),
        line("cart", "HighErrorRate", 14, "error"),
    ]
    return Stage([json.dumps(one).encode() for one in lines], topology)


def circle() -> Stage:
    """Two that call each other fail, the one a little later."""
    pairs = [("web", "cart"), ("web", "users"), ("cart", "users"), ("users", "cart")]
    topology = {
        "services": [{"name": name} for name in ("web", "cart", "users")],
        "dependencies": [{"from": source, "to": to} for source, to in pairs],
    }
    lines = [line(name, "HighErrorRate", second, "error") for name, second in [("cart", 0), ("users", 20), ("web", 25)]]
    return Stage([json.dumps(one).encode() for one in lines], topology)


def test_the_seconds_that_a_rival_would_have_had_to_be_earlier_are_the_least_that_turn_the_root() -> None:
    stage = circle()
    found = stage.explain(opened(stage).incident_id, 1)
    (turn,) = (turn for turn in found.turns if turn.change.endswith("earlier"))
    assert (found.root, turn.root, turn.change) == ("cart", "users", "if the alerts of users had begun 21 s earlier")
    assert told(applied(stage, turn.change), found.at, "web").root_cause.service == "users"
    a_little_less = turn.change.replace("21 s", "20 s")
    assert told(applied(stage, a_little_less), found.at, "web").root_cause.service == "cart"


@pytest.mark.parametrize("make", [chain, fan, circle])
def test_a_replay_of_the_input_with_the_change_names_the_root_that_was_told(make: Callable[[], Stage]) -> None:
    stage = make()
    found = stage.explain(opened(stage).incident_id, 1)
    seen = 0
    for turn in found.turns:
        changed = applied(stage, turn.change)
        if changed is not stage:
            seen += 1
            assert told(changed, found.at, "web").root_cause.service == turn.root, turn.change
    assert seen >= 2
    assert told(stage, found.at, "web").root_cause.service == found.root


def test_what_turns_nothing_is_counted_and_not_told() -> None:
    stage = chain()
    found = stage.explain(opened(stage).incident_id, 1)
    assert found.tried.changes > found.tried.turned == len(found.turns) > 0
    assert found.tried.why_none == ""
    assert all(turn.root != found.root for turn in found.turns)
    assert {turn.change for rival in found.rivals for turn in rival.turns} <= {turn.change for turn in found.turns}


@pytest.mark.parametrize("name", ["cascade-symptoms-first", "silent-root", "two-roots-under-one-gateway"])
def test_the_same_input_is_explained_in_the_same_words(name: str) -> None:
    stage = Stage.of_story(name, "default")
    incident = opened(stage).incident_id
    assert msgspec.json.encode(stage.explain(incident)) == msgspec.json.encode(stage.explain(incident))


# -- an alert that did not page ------------------------------------------------------------------------------------


def blips(severity: str = "warning") -> Stage:
    """An alert of everyday that comes and goes: six times, at the end once more."""
    lines = []
    for turn in range(7):
        began = 5000 * turn
        lines += [line("cron", "JobSlow", began, severity), ended("cron", "JobSlow", began, began + 45)]
    return Stage([json.dumps(one).encode() for one in lines], CHAIN)


LAST = "cron/JobSlow@30000"


def pages_of(stage: Stage, service: str, since: float) -> list[IncidentEvent]:
    after = rfc3339(stories.START + round(1000 * since))
    return [one for one in stage.published() if one.page and service in one.services and one.published_at >= after]


def test_an_alert_that_blipped_is_suppressed_and_told_for_how_long_it_would_have_had_to_fire() -> None:
    stage = blips()
    found = stage.fate(LAST)
    assert found.disposition == "suppressed" and found.judgement is not None
    assert found.judgement.real < found.judgement.threshold
    assert pages_of(stage, "cron", 30_000) == []
    need = next(need for need in found.needs if need.change.startswith("if it had fired for"))
    assert need.pages and need.after_seconds is not None
    seconds = spoken(need.change)
    assert len(pages_of(lasting(stage, seconds), "cron", 30_000)) == 1
    assert pages_of(lasting(stage, seconds - 1), "cron", 30_000) == []


def lasting(stage: Stage, seconds: int) -> Stage:
    """Return the story with its last firing for so long."""
    lines = [msgspec.json.decode(line) for line in stage.lines[:-2]]
    last = line("cron", "JobSlow", 30_000, "warning", ends_at=rfc3339(stories.START + 1000 * (30_000 + seconds)))
    lines += [last, ended("cron", "JobSlow", 30_000, 30_000 + seconds)]
    return Stage([json.dumps(one).encode() for one in lines], CHAIN)


def spoken(words: str) -> int:
    parts = {unit: int(count) for count, unit in re.findall(r"(\d+) (h|min|s)", words)}
    return 3600 * parts.get("h", 0) + 60 * parts.get("min", 0) + parts.get("s", 0)


def test_an_alert_of_no_severity_pages_with_the_severity_that_was_named() -> None:
    stage = Stage.of_story("info-only")
    found = stage.fate("e1")
    assert (found.disposition, found.reason) == ("suppressed", "low_severity")
    need = next(need for need in found.needs if need.change == "if its severity were warning")
    assert need.pages
    lines = [msgspec.json.decode(one) for one in stage.lines]
    same = [one for one in lines if (one["service"], one["name"]) == (found.service, found.name)]
    for one in same:
        one["severity"] = "warning"
    graver = Stage([json.dumps(one).encode() for one in lines], stage.topology)
    assert any(one.page and found.service in one.services for one in graver.published())


def test_a_company_that_was_named_makes_it_page() -> None:
    stage = blips()
    needs = [need for need in stage.fate(LAST).needs if "had also reported" in need.change]
    assert needs
    second = next(re.findall(r"reported (\S+)", need.change)[0] for need in needs)
    more = [line("cron", second, 30_000, "warning")]
    lines = [*stage.lines[:-2], *(json.dumps(one).encode() for one in more), *stage.lines[-2:]]
    assert needs[0].pages == bool(pages_of(Stage(lines, CHAIN), "cron", 30_000))


def test_an_alert_in_an_incident_is_told_with_its_place_in_the_tree() -> None:
    stage = chain()
    found = stage.fate("web/HighLatency@20")
    assert (found.disposition, found.incident_id) == ("attached", opened(stage).incident_id)
    assert found.member is not None and found.member.cause == "api" and found.needs == []


def test_a_repeat_and_a_change_are_told_by_their_own_reason() -> None:
    assert chain().fate("rep").reason == "repeat"
    deploy = Stage.of_story("deploy-before-failure")
    found = deploy.fate("e1")
    assert (found.disposition, found.reason) == ("suppressed", "change") and "never a page" in found.words
