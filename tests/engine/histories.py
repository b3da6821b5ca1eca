"""Random histories: small graphs, and alerts that fire, repeat, end, come late, come twice and come out of order."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st

from correlator.domain import AlertEvent, Severity, Status
from tests.engine.drive import START, graph_of
from topology.graph import ServiceGraph

SERVICES = [f"s{number}" for number in range(6)]
NAMES = ["ServiceDown", "HighLatency", "HighErrorRate", "CpuSaturated", "TrafficDrop", "NewReleaseDeployed"]
SEVERITIES = [Severity.CRITICAL, Severity.CRITICAL, Severity.ERROR, Severity.WARNING, Severity.UNKNOWN, Severity.INFO]


class History(NamedTuple):
    graph: ServiceGraph
    events: list[AlertEvent]  # in order of arrival


def _graphs() -> st.SearchStrategy[ServiceGraph]:
    pairs = st.tuples(st.sampled_from(SERVICES), st.sampled_from(SERVICES))

    def build(edges: list[tuple[str, str]]) -> ServiceGraph:
        # The last service is unknown to the graph, unless an edge names it.
        callees: dict[str, list[str]] = {name: [] for name in SERVICES[:-1]}
        for caller, callee in edges:
            callees.setdefault(caller, []).append(callee)
        return graph_of(callees)

    return st.lists(pairs, min_size=3, max_size=12, unique=True).map(build)


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["fire", "fire", "fire", "fire", "repeat", "end", "end", "late end", "copy", "stray end"]),
        st.integers(0, 10**6),  # which alert, or which earlier event
        st.sampled_from([0, 700, 1000, 3500, 20_000, 61_500, 119_600, 300_000, 459_700, 900_000]),  # pause, in ms
        st.sampled_from([0, 0, 10, 120]),  # how long ago it began, in seconds
    ),
    min_size=10,
    max_size=40,
)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Draw a graph and a history on it; copies are byte for byte, as a second delivery would be."""
    arrival = START
    events: list[AlertEvent] = []
    open_since: dict[str, int] = {}
    few = draw(st.integers(2, len(SERVICES)))
    for number, (what, choice, pause, age) in enumerate(draw(_STEPS)):
        arrival += pause
        if what == "copy" and events:
            events.append(_delivered(events[choice % len(events)], number, arrival))
            continue
        if what in ("end", "late end", "repeat") and open_since:
            fingerprint = sorted(open_since)[choice % len(open_since)]
            started = open_since[fingerprint] if what == "repeat" else open_since.pop(fingerprint)
        else:
            service, name = SERVICES[choice % few], NAMES[(choice // 7) % len(NAMES)]
            fingerprint = f"{service}/{name}/{'ab'[(choice // 97) % 2]}"
            started = arrival - 1000 * age
            if what not in ("stray end", "late end"):
                open_since.setdefault(fingerprint, started)
        # Late is the news of an end that was right after the start.
        ended = {"end": arrival, "stray end": arrival, "late end": started}.get(what)
        events.append(_event(number, fingerprint, arrival, started, ended, choice))
    return History(draw(_graphs()), events)


def _event(number: int, fingerprint: str, arrival: int, started: int, ended: int | None, choice: int) -> AlertEvent:
    service, name, scope = fingerprint.split("/")
    mentioned = SERVICES[choice % len(SERVICES)] if choice % 3 == 0 else ""
    return AlertEvent(
        id=f"e{number}",
        status=Status.FIRING if ended is None else Status.RESOLVED,
        name=name,
        service=service,
        fingerprint=fingerprint,
        starts_at=started,
        ends_at=ended if ended is not None else arrival + 300_000 if choice % 5 == 0 else None,
        observed_at=arrival,
        scope=scope,
        severity=SEVERITIES[(choice // 3) % len(SEVERITIES)],
        instance=["", "", "", "replica"][(choice // 11) % 4],
        summary=f"calls to {mentioned} fail" if mentioned else "",
        unreachable=choice % 7 == 0,
        team=["", "core", "data"][choice % 3],
        links={"runbook": f"https://runbooks.example/{name}/{choice % 2}"} if choice % 4 == 0 else {},
    )


def _delivered(event: AlertEvent, number: int, arrival: int) -> AlertEvent:
    values = {name: getattr(event, name) for name in event.__struct_fields__}
    return AlertEvent(**{**values, "id": f"e{number}", "observed_at": arrival})
