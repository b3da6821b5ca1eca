from __future__ import annotations

from collections.abc import Iterable

import msgspec

from correlator.config import EngineConfig
from correlator.domain import AlertEvent, IncidentEvent, Severity, Status
from correlator.engine.engine import Engine
from correlator.engine.warmth import Warmth, learned, warmth_of
from tests.engine.drive import DAY, event, graph_of

GRAPH = graph_of({"web": ["api"], "api": ["db"]})


def blips(days: int, since: float = 0) -> list[AlertEvent]:
    """Return an alert that fires for ten minutes every two hours and means nothing."""
    found = []
    for number in range(days * 12):
        begin = since + number * 7200
        for status, second in ((Status.FIRING, begin), (Status.RESOLVED, begin + 600)):
            found.append(event("api", "Noisy", second, status, started=begin, severity=Severity.WARNING))
    return found


def run(engine: Engine, events: Iterable[AlertEvent]) -> list[IncidentEvent]:
    outputs = [output for one in events for output in engine.on_event(one, one.observed_at)]
    while (due := engine.next_due()) is not None:
        outputs += engine.tick(due)
    return [output for output in outputs if isinstance(output, IncidentEvent)]


def started(warm: Warmth | None = None) -> Engine:
    engine = Engine(EngineConfig(), graph=GRAPH)
    for start in warm.starts() if warm is not None else ():
        engine.use_warm_start(start, 0)
    return engine


def of_history() -> Warmth:
    engine = started()
    run(engine, blips(days=7))
    return learned(engine.state)


def test_an_engine_that_starts_warm_does_not_page_for_what_always_fired() -> None:
    tomorrow = blips(days=1, since=60 * DAY)
    assert any(told.page for told in run(started(), tomorrow))
    assert not any(told.page for told in run(started(of_history()), tomorrow))


def test_a_warm_start_is_named_in_incidents_and_shared_by_none() -> None:
    warm = of_history()
    before = warmth_of(warm.scopes).version
    crash = [event("db", "Crashed", 60 * DAY)]
    told = run(started(warm), crash)
    assert told[0].versions.model == f"posterior-2+{warm.version}"
    assert run(started(warm), crash) == told
    assert warmth_of(warm.scopes).version == before


def test_the_time_that_nobody_watched_changes_no_rate() -> None:
    warm = of_history()
    soon, late = started(warm), started(warm)
    run(soon, blips(days=1, since=8 * DAY))
    run(late, blips(days=1, since=800 * DAY))
    ours, theirs = (engine.state.scopes["default"].background for engine in (soon, late))
    assert ours.pairs.keys() == theirs.pairs.keys()
    assert abs(ours.total.count - theirs.total.count) < 1e-6


def test_other_scopes_start_cold() -> None:
    engine = started(of_history())
    run(engine, [event("api", "Noisy", 60 * DAY, scope="elsewhere")])
    assert engine.state.scopes["elsewhere"].background.total.count < 2


def test_a_scope_that_has_begun_is_left_as_it_is() -> None:
    engine, (start,) = started(), of_history().starts()
    run(engine, [event("api", "Noisy", 60 * DAY)])
    before = msgspec.msgpack.encode(engine.state)
    engine.use_warm_start(start, engine.now)
    assert msgspec.msgpack.encode(engine.state) == before


def test_the_last_that_was_announced_counts_until_the_scope_begins() -> None:
    engine, (start,) = started(), of_history().starts()
    for version in ("old", "new"):
        engine.use_warm_start(msgspec.structs.replace(start, version=version), 0)
    (told, *_) = run(engine, [event("db", "Crashed", 60 * DAY)])
    assert told.versions.model == "posterior-2+new"
    assert not engine.state.warm_starts
