"""The engine's input: bytes as a graph, a configuration and a history of alerts, ticks and restarts.

Two bytes for the configuration and the number of dependencies, one for each dependency, then four for each step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from correlator import rankers
from correlator.config import EngineConfig
from correlator.domain import AlertEvent, Disposition, Severity, Status
from correlator.engine import snapshot as codec
from correlator.engine.decisions import Output
from correlator.engine.engine import Engine
from tests.engine.drive import DAY, START, Run, broken_laws, graph_of, to_the_end
from topology.graph import ServiceGraph

_SERVICES = [f"s{number}" for number in range(8)]
_NAMES = ["ServiceDown", "HighLatency", "HighErrorRate", "CpuSaturated", "TrafficDrop", "NewReleaseDeployed", "s1 bad"]
_SEVERITIES = list(Severity)
_PAUSES = [0, 1, 400, 1000, 3500, 20_000, 61_500, 300_000, 900_000, 1000 * DAY // 4]
_AGES = [0, 0, 0, 1000, 10_000, 120_000, 1000 * DAY, -30_000]
_CONFIGS = [
    EngineConfig(),
    EngineConfig(reopen_window_seconds=900, resolve_after_seconds=60),
    EngineConfig(
        hold_min_seconds=0, hold_quiet_seconds=0, hold_max_seconds=0, page_probability=0, page_probability_critical=0,
        resolve_after_seconds=0, update_interval_seconds=0, correlation_window_seconds=60,
    ),
]  # fmt: skip
_MOST_STEPS = 40
#: The shipped model: its features are computed of every incident.
_RANKER = rankers.chosen(rankers.SHIPPED)


class _Step(NamedTuple):
    """What happens: `event` is None for a mere tick; a restart goes through a snapshot."""

    at: int
    event: AlertEvent | None
    restarts: bool


def history(data: bytes) -> None:
    """Run a history: every law holds, a restart changes nothing, and nothing is left when all is over."""
    if len(data) < 6:
        return
    config = _CONFIGS[data[0] % len(_CONFIGS)]
    count = data[1] % 24
    graph = _graph(data[2 : 2 + count])
    steps = list(_steps(data[2 + count :]))
    said, engine = _run(config, graph, steps, restarting=True)
    run = Run(said)
    assert broken_laws(run) == []
    events = [step.event.id for step in steps if step.event is not None]
    assert [decision.event_id for decision in run.decisions] == events
    fates = Counter(verdict.disposition for verdict in run.verdicts)
    assert not fates.keys() - {Disposition.ATTACHED, Disposition.SUPPRESSED}
    _check_rest(engine)
    assert said == _run(config, graph, steps, restarting=False)[0]


def _check_rest(engine: Engine) -> None:
    """What is over is forgotten, but for the little that tells late news from new trouble."""
    assert engine.next_due() is None
    for scope in engine.state.scopes.values():
        assert not scope.nodes and not scope.incidents and not scope.current, scope
        assert not any(alert.firing for alert in scope.alerts.values())


def _run(
    config: EngineConfig, graph: ServiceGraph, steps: list[_Step], *, restarting: bool
) -> tuple[list[Output], Engine]:
    engine = Engine(config, ranker=_RANKER)
    said = engine.use_topology(graph, START)
    for step in steps:
        if step.restarts and restarting:
            kept = codec.Snapshot(offset=0, mark="", state=engine.state, deliveries={})
            engine = Engine(config, ranker=_RANKER, state=codec.decode(codec.encode(kept)).state, graph=graph)
        said += engine.tick(step.at) if step.event is None else engine.on_event(step.event, step.at)
    return said + to_the_end(engine), engine


def _graph(pairs: bytes) -> ServiceGraph:
    # The last service is unknown to the graph, unless an edge names it.
    callees: dict[str, list[str]] = {name: [] for name in _SERVICES[:-1]}
    for pair in pairs:
        callees.setdefault(_SERVICES[pair >> 4 & 7], []).append(_SERVICES[pair & 7])
    return graph_of({caller: list(dict.fromkeys(found)) for caller, found in callees.items()})


def _steps(data: bytes) -> Iterator[_Step]:
    at = START
    for number, place in enumerate(range(0, min(len(data) - 3, 4 * _MOST_STEPS), 4)):
        what, which, pause, age = data[place : place + 4]
        at += _PAUSES[pause % len(_PAUSES)]
        is_tick = what & 15 == 15
        yield _Step(at, None if is_tick else _event(number, what, which, at, age), restarts=what & 64 > 0)


def _event(number: int, what: int, which: int, at: int, age: int) -> AlertEvent:
    ends = what & 3 == 3
    service, name = _SERVICES[which & 7], _NAMES[which >> 3 & 7 % len(_NAMES)]
    started = at - _AGES[age & 7]
    scope = "ab"[which >> 6 & 1]
    return AlertEvent(
        id=f"e{number}",
        status=Status.RESOLVED if ends else Status.FIRING,
        name=name,
        service=service,
        fingerprint=f"{service}/{name}",
        starts_at=started,
        ends_at=at if ends else started + 300_000 if age & 8 else None,
        observed_at=at,
        scope=scope,
        severity=_SEVERITIES[(age >> 4) % len(_SEVERITIES)],
        instance="replica" if which >> 7 else "",
        summary=f"calls to {_SERVICES[age >> 5 & 7]} fail" if what & 32 else "",
    )
