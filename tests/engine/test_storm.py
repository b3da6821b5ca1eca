"""Ten thousand alerts open, are updated and close like any other trouble, in bounded words."""

from __future__ import annotations

import functools

import msgspec

from correlator.config import EngineConfig
from correlator.domain import Action, Severity
from correlator.engine.causes import BEYOND_THE_GRAPH, MOST_BEYOND, strength_beyond
from tests.engine.drive import Run, broken_laws, event, graph_of, resolved, run

ALERTS = 10_000
SERVICES = 200
LONG = "A" * 300


@functools.cache
def storm() -> Run:
    """A database takes 200 services with it; each has 50 alerts, within three minutes; all ends within one."""
    tiers = {f"s{number:03}": ["db"] if number < 20 else [f"s{number % 20:03}"] for number in range(SERVICES)}
    began = {(number % SERVICES, number // SERVICES): number * 0.018 for number in range(ALERTS)}
    severity = Severity.WARNING
    events = [event("db", f"PostgresDown{LONG}", 0)]
    events += [
        event(f"s{service:03}", f"HighLatency{facet}", second, severity=severity)
        for (service, facet), second in began.items()
    ]
    events += [
        resolved(f"s{service:03}", f"HighLatency{facet}", 900 + second / 4, started=second)
        for (service, facet), second in began.items()
    ]
    events.append(resolved("db", f"PostgresDown{LONG}", 950, started=0))
    return run(events, graph_of(tiers))


def test_the_storm_lives_by_the_laws_and_every_event_is_decided() -> None:
    assert broken_laws(storm()) == []
    assert len(storm().decisions) == 2 * (ALERTS + 1)


def test_the_storm_wakes_few_and_names_its_root() -> None:
    assert 1 <= storm().pages <= 3
    largest = max(storm().histories.values(), key=lambda history: len(history[-1].services))
    assert largest[-1].root_cause.service == "db"
    assert len(largest[-1].services) > 0.9 * SERVICES


def test_every_alert_of_the_storm_is_counted_and_over_at_its_end() -> None:
    last = [history[-1] for history in storm().histories.values()]
    resolved_ones = [one for one in last if one.action is Action.RESOLVED]
    assert sum(one.alerts.total for one in resolved_ones) >= ALERTS
    assert all(one.alerts.firing == 0 for one in resolved_ones)


def test_updates_come_at_a_bounded_rate() -> None:
    interval = EngineConfig().update_interval_seconds
    for history in storm().histories.values():
        span = 1200  # seconds from the first alert to the last resolve, and some
        assert len(history) <= 3 + span / interval


def test_what_is_published_stays_small() -> None:
    for one in storm().published:
        assert len(one.title) <= 200
        assert len(one.alerts.sample) <= 50
        assert len(one.root_cause.candidates) <= 10
        assert len(one.blast_radius) <= 50
        assert len(msgspec.json.encode(one)) < 200_000


def test_a_storm_reaches_as_far_beyond_the_graph_as_along_it() -> None:
    assert strength_beyond(1, 10_000) == strength_beyond(int(BEYOND_THE_GRAPH), 10_000) == BEYOND_THE_GRAPH / 10_000
    assert strength_beyond(400, 10_000) == 0.04
    assert strength_beyond(400, 40) == strength_beyond(1, 0) == MOST_BEYOND


def test_of_a_wide_scope_a_storm_takes_in_what_no_path_leads_to_and_a_small_fault_does_not() -> None:
    assert services_with_the_stranger(victims=200) > 200
    assert services_with_the_stranger(victims=5) == 1


def services_with_the_stranger(victims: int) -> int:
    """Return how many services share the incident of one that no path leads to, of 12,000, six minutes later."""
    struck = {f"v{number}": ["db"] for number in range(victims)}
    events = [event("db", "PostgresDown", 0)]
    events += [event(name, "ErrorsHigh", 5 + number / 20) for number, name in enumerate(struck)]
    events.append(event("stranger", "ErrorsHigh", 380))
    quiet = {f"q{number}": ["other"] for number in range(12_000 - victims)}
    told = run(events, graph_of({**struck, **quiet, "stranger": ["other"]}))
    return max(
        len(one.services) for history in told.histories.values() for one in history if "stranger" in one.services
    )
