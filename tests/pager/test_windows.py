"""What a window silences and when; in doubt, it silences nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pydantic
import pytest
import structlog
from prometheus_client import CollectorRegistry

from correlator.config_pager import WindowConfig
from correlator.domain import Candidate, IncidentEvent, Severity
from correlator.errors import ConfigError
from correlator.pager.metrics import PagerMetrics
from correlator.pager.windowbook import WindowBook, load, parse
from correlator.pager.windows import covers, open_until, silencing
from tests.pager.incidents import incident

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOW = NOON.timestamp()


def window(**settings: Any) -> WindowConfig:
    """Return a window on payments-db that is open at NOW."""
    about = {"id": "w", "author": "ann", "comment": "upgrade", "services": ["payments-db"]}
    times = {"starts": NOON - timedelta(hours=1), "ends": NOON + timedelta(hours=1)}
    return WindowConfig.model_validate(about | ({} if "weekdays" in settings else times) | settings)


def rooted(
    service: str,
    services: list[str],
    *,
    silent: bool = False,
    confidence: float = 0.9,
    others: dict[str, float] | None = None,
) -> IncidentEvent:
    event = incident(page=True)
    candidates = [Candidate(service=name, probability=share) for name, share in (others or {}).items()]
    root = msgspec.structs.replace(
        event.root_cause,
        service=service,
        silent=silent,
        confidence=confidence,
        candidates=[Candidate(service=service, probability=confidence), *candidates],
    )
    return msgspec.structs.replace(event, root_cause=root, services=services)


def test_a_window_on_a_service_silences_what_the_service_explains_its_callers_symptoms_too() -> None:
    assert covers(window(), rooted("payments-db", ["payments-db", "payments", "checkout", "web"]))


def test_a_window_on_a_service_does_not_silence_an_incident_of_another_root_in_which_it_takes_part() -> None:
    assert not covers(window(), rooted("storage", ["storage", "payments-db", "payments"]))
    assert not covers(window(), rooted("storage", ["payments-db", "payments"], silent=True))


def test_an_inferred_root_is_silenced_where_every_alert_is_the_windows_own() -> None:
    assert covers(window(), rooted("storage", ["payments-db"], silent=True))
    # The root alerts itself, or nothing is known of the alerts.
    assert not covers(window(), rooted("storage", ["payments-db"]))
    assert not covers(window(), rooted("storage", [], silent=True))


@pytest.mark.parametrize(
    ("confidence", "others", "silenced"),
    [
        (0.9, {"storage": 0.1}, True),
        (0.5, {"storage": 0.4}, True),
        (0.3, {"storage": 0.25, "network": 0.2}, False),
        (0.3, {"storage": 0.25, "payments-db-replica": 0.2}, True),
    ],
)
def test_where_the_root_is_more_probably_outside_the_window_the_page_goes_out(
    confidence: float, others: dict[str, float], silenced: bool
) -> None:
    event = rooted("payments-db", ["payments-db", "payments"], confidence=confidence, others=others)
    assert covers(window(services=["payments-db*"]), event) is silenced


@pytest.mark.parametrize(
    ("settings", "silenced"),
    [
        ({"services": ["payments-*"]}, True),
        ({"services": ["payments"]}, False),
        ({"services": ["payments?db"]}, True),
        ({"services": ["Payments-DB"]}, False),
        ({"services": ["other", "payments-db"]}, True),
        ({"services": ["payments.db"]}, False),
        ({"services": [], "teams": ["payments"]}, True),
        ({"services": [], "teams": ["pay"]}, False),
        ({"services": [], "scopes": ["prod"]}, True),
        ({"services": [], "scopes": ["staging"]}, False),
        ({"services": [], "alerts": ["Postgres*"]}, True),
        ({"services": [], "alerts": ["DiskFull"]}, False),
        ({"severities": ["warning"]}, False),
        ({"severities": ["critical", "warning"]}, True),
        ({"teams": ["other"]}, False),
    ],
)
def test_all_matchers_of_a_window_must_match(settings: dict[str, Any], silenced: bool) -> None:
    assert covers(window(**settings), incident(page=True, severity=Severity.CRITICAL)) is silenced


def test_an_incident_without_owner_or_alert_matches_no_team_and_no_name() -> None:
    event = incident(page=True, team=None)
    assert not covers(window(services=[], teams=["payments"]), event)
    silent = msgspec.structs.replace(event, root_cause=msgspec.structs.replace(event.root_cause, alert=None))
    assert not covers(window(services=[], alerts=["PostgresDown"]), silent)


def test_a_window_is_open_from_its_start_to_before_its_end() -> None:
    one = window()
    start, end = (NOON - timedelta(hours=1)).timestamp(), (NOON + timedelta(hours=1)).timestamp()
    assert [open_until(one, at) for at in (start - 0.001, start, end - 0.001, end)] == [None, end, end, None]


@pytest.mark.parametrize(
    ("local", "until"),
    [
        ("2026-11-28T21:59", None),
        ("2026-11-28T22:00", "2026-11-29T04:00"),
        ("2026-11-29T03:59", "2026-11-29T04:00"),
        ("2026-11-29T04:00", None),
        ("2026-11-29T22:30", None),
        ("2026-11-28T03:00", None),
        # An hour less in the night in which summer time begins.
        ("2026-03-28T23:00", "2026-03-29T04:00"),
    ],
)
def test_a_weekly_window_belongs_to_the_day_on_which_it_opens(local: str, until: str | None) -> None:
    zone = ZoneInfo("Europe/Paris")
    weekly = window(weekdays=["sat"], daily_from="22:00", daily_to="04:00", time_zone="Europe/Paris")
    end = open_until(weekly, datetime.fromisoformat(local).replace(tzinfo=zone).timestamp())
    assert end == (None if until is None else datetime.fromisoformat(until).replace(tzinfo=zone).timestamp())


def test_a_weekly_window_keeps_within_its_bounds() -> None:
    weekly = window(
        weekdays=["tue"], daily_from="11:00", daily_to="13:00", starts=NOON, ends=NOON + timedelta(minutes=5)
    )
    assert open_until(weekly, NOW - 1) is None
    assert open_until(weekly, NOW) == NOW + 300
    assert open_until(weekly, NOW + 7 * 86_400) is None


def test_of_several_windows_the_one_that_lasts_longest_is_told() -> None:
    longer = window(id="longer", ends=NOON + timedelta(hours=2))
    found = silencing([window(), longer, window(id="other", services=["x"])], incident(page=True), NOW)
    assert found == (longer, NOW + 7200)
    assert silencing([], incident(page=True), NOW) is None


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"services": []}, "silence everything"),
        ({"services": ["*"]}, "silence everything"),
        ({"services": [], "severities": ["warning"]}, "silence everything"),
        ({"ends": NOON - timedelta(hours=2)}, "ends before it starts"),
        ({"ends": None}, "needs starts and ends"),
        ({"ends": NOON + timedelta(days=40)}, "longer than 31 days"),
        ({"ends": datetime(2026, 11, 24, 13)}, "timezone"),
        ({"weekdays": ["sat"]}, "weekly window needs"),
        ({"weekdays": ["sat"], "daily_from": "22:00Z", "daily_to": "23:00Z"}, "local times"),
        ({"weekdays": ["caturday"], "daily_from": "22:00", "daily_to": "23:00"}, "weekdays"),
        ({"daily_from": "22:00"}, "weekly window needs"),
        ({"comment": ""}, "comment"),
        ({"author": ""}, "author"),
        ({"time_zone": "Mars"}, "no time zone"),
        ({"service": ["typo"]}, "Extra inputs"),
    ],
)
def test_a_window_that_is_malformed_or_would_silence_everything_or_for_ever_is_refused(
    settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(pydantic.ValidationError, match=problem):
        window(**settings)


GOOD = """
[[windows]]
id = "good"
author = "ann"
comment = "upgrade"
starts = 2026-11-24T11:00:00Z
ends = 2026-11-24T13:00:00+00:00
services = ["payments-db"]
"""


@pytest.mark.parametrize(
    ("text", "ids", "problems"),
    [
        (GOOD, ["good"], []),
        ("", [], []),
        (GOOD + '[[windows]]\nid = "bad"\n', ["good"], ["author", "comment"]),
        (GOOD + GOOD, ["good"], ["its id is taken"]),
        ("[[windows]\n", [], ["line 1"]),
        ("window = 3\n" + GOOD, ["good"], ["window: unknown key"]),
        ("windows = 3", [], ["not an array"]),
        ("windows = [3]", [], ["windows.0"]),
        (GOOD.replace("13:00:00+00:00", "13:00:00"), [], ["timezone"]),
    ],
)
def test_of_a_file_the_good_windows_count_and_every_bad_one_is_told(
    text: str, ids: list[str], problems: list[str]
) -> None:
    found, told = parse(text.encode())
    assert [one.id for one in found] == ids
    assert all(any(problem in line for line in told) for problem in problems)
    assert bool(told) == bool(problems)


def test_a_check_of_a_file_tells_of_every_problem(tmp_path: Path) -> None:
    file = tmp_path / "windows.toml"
    file.write_text(GOOD)
    assert [one.id for one in load(file)] == ["good"]
    file.write_text(GOOD + "[[windows]]\nid = '?'\n[[windows]]\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert [key for key in ("windows.1.id", "windows.1.author", "windows.2.id") if key not in str(caught.value)] == []
    with pytest.raises(ConfigError, match=r"missing\.toml"):
        load(tmp_path / "missing.toml")


async def test_a_file_is_read_again_when_it_changes_and_silences_nothing_once_it_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "windows.toml"
    metrics = PagerMetrics(CollectorRegistry())
    book = WindowBook([window(id="configured")], file, metrics)

    def count(state: str) -> float | None:
        return metrics.registry.get_sample_value("correlator_windows", {"state": state})

    async def ids() -> list[str]:
        await book.refresh(NOW)
        return [one.id for one in book.windows()]

    with structlog.testing.capture_logs() as logs:
        assert await ids() == ["configured"]
        assert count("invalid") == 1
        file.write_text(GOOD)
        assert await ids() == ["configured", "good"]
        assert (count("open"), count("invalid")) == (2, 0)
        file.write_text(GOOD.replace('"good"', '"configured"'))
        assert await ids() == ["configured"]
        assert count("invalid") == 1
        file.write_bytes(b"\xff")
        assert await ids() == ["configured"]
        file.unlink()
        assert await ids() == ["configured"]
        lines = len(logs)
        assert await ids() == ["configured"]
        assert len(logs) == lines, "a problem is told once, not at every look"
    await book.refresh(NOW + 86_400)
    assert (count("open"), count("over")) == (0, 1)
