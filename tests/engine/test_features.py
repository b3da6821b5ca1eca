from __future__ import annotations

import numpy as np
import numpy.typing as npt

from correlator.config import EngineConfig
from correlator.domain import AlertEvent
from correlator.engine.engine import Engine
from correlator.engine.features import NAMES
from correlator.engine.ranking import PosteriorRanker, Suspects
from tests.engine.drive import event, graph_of
from topology.graph import ServiceGraph

CALLS = {"web": ["cart", "search"], "cart": ["db", "queue"], "search": ["index"], "batch": ["db"]}
STORM = [("db", "DiskFull", 0), ("cart", "ErrorRate", 20), ("cart", "LatencyP99", 25), ("web", "SloBurn", 40)]
#: Another order of the alphabet, and other lengths.
RENAMED = {"web": "a", "cart": "zz", "search": "m1", "db": "b", "queue": "z", "index": "c", "batch": "y"}


class Witness:
    """Keeps what it was asked last, by service."""

    version = "witness"

    def __init__(self) -> None:
        self.seen: dict[str, npt.NDArray[np.float64]] = {}

    def probabilities(self, suspects: Suspects) -> list[float]:
        rows = zip(suspects.roots, suspects.features(), strict=True)
        self.seen = {root.service: row for root, row in rows}
        return PosteriorRanker().probabilities(suspects)


def features_of(events: list[AlertEvent], graph: ServiceGraph) -> dict[str, npt.NDArray[np.float64]]:
    witness = Witness()
    engine = Engine(EngineConfig(), ranker=witness)
    engine.use_topology(graph, events[0].observed_at)
    for one in events:
        engine.on_event(one, one.observed_at)
    engine.tick(events[-1].observed_at + 120_000)
    assert witness.seen, "nothing was published"
    return witness.seen


def storm(names: dict[str, str] | None = None) -> list[AlertEvent]:
    return [event((names or {}).get(service, service), rule, second) for service, rule, second in STORM]


def renamed(names: dict[str, str]) -> ServiceGraph:
    return graph_of({names[caller]: [names[callee] for callee in callees] for caller, callees in CALLS.items()})


def test_features_do_not_know_what_services_are_called() -> None:
    plain = features_of(storm(), graph_of(CALLS))
    other = features_of(storm(RENAMED), renamed(RENAMED))
    assert {RENAMED[name] for name in plain} == set(other)
    for name, row in plain.items():
        np.testing.assert_array_equal(row, other[RENAMED[name]], err_msg=name)


def test_features_do_not_depend_on_the_order_of_arrival() -> None:
    together = [event(service, rule, 60, started=second) for service, rule, second in STORM]
    plain, other = features_of(together, graph_of(CALLS)), features_of(together[::-1], graph_of(CALLS))
    assert plain.keys() == other.keys()
    for name, row in plain.items():
        np.testing.assert_array_equal(row, other[name], err_msg=name)


def test_features_are_bounded_and_say_who_is_silent_first_and_lowest() -> None:
    rows = {
        service: dict(zip(NAMES, row, strict=True)) for service, row in features_of(storm(), graph_of(CALLS)).items()
    }
    assert all(np.isfinite(list(row.values())).all() for row in rows.values())
    assert {name for name, row in rows.items() if not row["silent"]} == {"db", "cart", "web"}
    assert rows["db"]["onset"] == 1 and rows["db"]["lowest"] == 1 and rows["cart"]["lowest"] == 0
    assert rows["db"]["covers_1"] == round(2 / 3, 6) and rows["db"]["covers_2"] == 1
    assert rows["queue"]["silent"] == 1 and rows["queue"]["alerts"] == 0
    assert rows["cart"]["rules"] > rows["db"]["rules"]
    assert rows["db"]["quiet_dependents"] == 0.5


def test_the_walk_from_the_alerts_is_a_share_and_ends_deep() -> None:
    rows = {
        service: dict(zip(NAMES, row, strict=True)) for service, row in features_of(storm(), graph_of(CALLS)).items()
    }
    assert sum(row["walk"] for row in rows.values()) <= 1 + 1e-5
    assert rows["db"]["walk"] > rows["web"]["walk"]


def test_of_an_incident_too_large_to_look_at_whole_every_candidate_has_features() -> None:
    services = [f"s{number:03}" for number in range(240)]
    events = [event("db", "DatabaseDown", 0)]
    events += [event(service, "HighErrorRate", 1 + place / 10) for place, service in enumerate(services)]
    # Another node of each service, so that some candidates have nodes of which one was looked at and one was not.
    events += [event(service, "HighLatency", 400 + place / 10) for place, service in enumerate(services)]
    seen = features_of(events, graph_of({service: ["db"] for service in services}))
    assert len(seen) > 100
    assert all(np.isfinite(row).all() for row in seen.values())
