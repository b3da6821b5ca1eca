"""What must hold of the engine whatever happens: on random graphs and random histories."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from correlator.config import EngineConfig
from correlator.domain import Disposition
from correlator.engine.decisions import Output
from correlator.engine.engine import Engine
from tests.engine.drive import START, Run, broken_laws, event, graph_of, resolved, run, to_the_end
from tests.engine.histories import History, histories

REPOSITORY = Path(__file__).parents[2]
SCHEMA = REPOSITORY.parent / "shared" / "contracts" / "incident-event.schema.json"
#: Reopening and quick publishing reach states that the defaults seldom do.
CONFIGS = [
    EngineConfig(),
    EngineConfig(reopen_window_seconds=900, resolve_after_seconds=60),
    EngineConfig(
        hold_min_seconds=0,
        hold_quiet_seconds=0,
        hold_max_seconds=0,
        page_probability=0,
        page_probability_critical=0,
        resolve_after_seconds=0,
        update_interval_seconds=0,
        correlation_window_seconds=60,
    ),
]

thorough = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
configs = st.sampled_from(CONFIGS)


@thorough
@given(histories(), configs)
def test_every_event_has_one_decision_and_every_node_one_verdict(history: History, config: EngineConfig) -> None:
    done = run(history.events, history.graph, config)
    assert [decision.event_id for decision in done.decisions] == [one.id for one in history.events]
    verdicts = Counter((verdict.scope, verdict.node) for verdict in done.verdicts)
    assert set(verdicts.values()) <= {1}
    mentioned = {(decision.scope, decision.node) for decision in done.decisions if decision.node}
    assert mentioned == verdicts.keys()
    assert all(verdict.disposition in (Disposition.ATTACHED, Disposition.SUPPRESSED) for verdict in done.verdicts)


@thorough
@given(histories(), configs)
def test_every_incident_lives_by_the_laws(history: History, config: EngineConfig) -> None:
    assert broken_laws(run(history.events, history.graph, config)) == []


@thorough
@given(histories(), configs)
def test_a_verdict_on_an_incident_names_one_that_was_published(history: History, config: EngineConfig) -> None:
    done = run(history.events, history.graph, config)
    ids = {event.id for event in history.events}
    for verdict in done.verdicts:
        if verdict.disposition is Disposition.ATTACHED:
            assert verdict.incident_id in done.histories
            assert verdict.opening_event in ids
        else:
            assert verdict.incident_id is None


@settings(max_examples=30, deadline=None)
@given(histories(), configs)
def test_every_incident_event_is_valid_against_the_contract(history: History, config: EngineConfig) -> None:
    if not SCHEMA.exists():
        pytest.skip(f"the contract is not beside the repository, in {SCHEMA}")
    validator = jsonschema.Draft202012Validator(
        json.loads(SCHEMA.read_text()), format_checker=jsonschema.FormatChecker()
    )
    for published in run(history.events, history.graph, config).published:
        wire = json.loads(msgspec.json.encode(published))
        assert [error.message for error in validator.iter_errors(wire)] == []


@thorough
@given(histories(), configs)
def test_a_scope_fares_as_if_it_were_alone(history: History, config: EngineConfig) -> None:
    done = run(history.events, history.graph, config)
    for scope in ("a", "b"):
        alone = run([one for one in history.events if one.scope == scope], history.graph, config)
        assert [published for published in done.published if published.scope == scope] == alone.published


# -- time ----------------------------------------------------------------------------------------------------------


def _ticked(history: History, config: EngineConfig, ticks: Callable[[int, int], Iterator[int]]) -> list[Output]:
    """Run with further ticks between the events, and on for ten minutes."""
    engine = Engine(config, graph=history.graph)
    said: list[Output] = []
    last = START
    for one in history.events:
        for tick in ticks(last, one.observed_at):
            said += engine.tick(tick)
        said += engine.on_event(one, one.observed_at)
        last = one.observed_at
    for tick in ticks(last, last + 600_000):
        said += engine.tick(tick)
    return said + to_the_end(engine)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), configs, st.integers(1001, 700_000))
def test_how_often_somebody_says_what_time_it_is_changes_nothing(
    history: History, config: EngineConfig, odd: int
) -> None:
    lazy = run(history.events, history.graph, config).outputs
    assert _ticked(history, config, lambda since, until: iter(range(since, until, 1000))) == lazy
    assert _ticked(history, config, lambda since, until: iter(range(since, until, odd))) == lazy


@thorough
@given(histories(), configs)
def test_a_tick_of_the_past_changes_nothing(history: History, config: EngineConfig) -> None:
    engine = Engine(config, graph=history.graph)
    said: list[Output] = []
    for one in history.events:
        said += engine.on_event(one, one.observed_at)
        assert engine.tick(START - 1000) == []
        assert engine.now >= one.observed_at
    assert [*said, *to_the_end(engine)] == run(history.events, history.graph, config).outputs


# -- determinism ---------------------------------------------------------------------------------------------------


@thorough
@given(histories(), configs)
def test_the_same_input_gives_the_same_bytes(history: History, config: EngineConfig) -> None:
    assert run(history.events, history.graph, config).encoded() == run(history.events, history.graph, config).encoded()


def storm() -> Run:
    """A fixed history that uses every part: cascades, silent roots, merges, calls, two scopes."""
    callees = {f"s{number}": [f"s{number // 2}", f"s{number // 3}"] for number in range(1, 60)}
    events = []
    for number in range(240):
        service, second = f"s{(number * 17) % 60}", number * 1.7
        name = ["HighLatency", "HighErrorRate", "ServiceDown"][number % 3]
        events.append(event(service, name, second, scope="ab"[number % 2], summary=f"after s{number % 11}"))
        if number % 4 == 0:
            events.append(resolved(service, name, second + 0.5, started=second, scope="ab"[number % 2]))
    return run(events, graph_of(callees))


def test_the_seed_of_the_interpreters_hashes_changes_nothing() -> None:
    code = "import sys; from tests.engine.test_laws import storm; sys.stdout.buffer.write(storm().encoded())"
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "4242")
    ]
    assert outputs[0] == outputs[1] == storm().encoded()
    assert len(storm().published) > 5


def test_the_storm_of_this_file_lives_by_the_laws() -> None:
    assert broken_laws(storm()) == []


# -- order ---------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.permutations(["db", "a", "b", "c", "mail"]))
def test_the_order_of_arrival_within_seconds_changes_no_group_and_no_root(order: list[str]) -> None:
    graph = graph_of({"a": ["db"], "b": ["db"], "c": ["db"], "mail-web": ["mail"]})
    names = {"db": "ServiceDown", "mail": "ServiceDown"}
    events = [
        event(service, names.get(service, "HighErrorRate"), 5 + place / 5, started=0)
        for place, service in enumerate(order)
    ]
    groups = [
        (history[-1].root_cause.service, sorted(history[-1].services))
        for history in run(events, graph).histories.values()
    ]
    assert sorted(groups) == [("db", ["a", "b", "c", "db"]), ("mail", ["mail"])]
