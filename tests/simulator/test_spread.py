"""Degradation is that of the strongest path, up the dependencies and, where links carry load, down."""

from __future__ import annotations

import math

import networkx as nx
import pytest

from correlator.simulator.draws import Streams
from correlator.simulator.faults import Fault
from correlator.simulator.natures import BY_NAME
from correlator.simulator.simulation import Simulation
from correlator.simulator.spread import FAINTEST, spread
from correlator.simulator.system import Coupling, Link, Load, System, Tie, Vertex


def _system(*links: tuple[str, str, float, int], load: dict[tuple[str, str], Load] | None = None) -> System:
    names = sorted({name for link in links for name in link[:2]})
    loads = load or {}
    return System(
        [Vertex(name=name) for name in names],
        [
            Link(
                tie=Tie(dependent=dependent, dependency=dependency),
                coupling=Coupling.HARD,
                weight=weight,
                delay_ms=delay_ms,
                load=loads.get((dependent, dependency)),
                load_weight=0.5 if (dependent, dependency) in loads else 0.0,
            )
            for dependent, dependency, weight, delay_ms in links
        ],
    )


def _fault(root: str, *, severity: float = 1.0, hit: float = 1.0) -> Fault:
    return Fault(
        case="case",
        root=root,
        nature=BY_NAME["crash"],
        severity=severity,
        start_at=0,
        end_at=600_000,
        rise_ms=0,
        fall_ms=0,
        hit_probability=hit,
        changed=False,
    )


def test_the_strongest_of_two_paths_counts_with_its_own_delay_and_they_do_not_add_up() -> None:
    system = _system(
        ("top", "left", 0.5, 10), ("left", "root", 0.5, 10), ("top", "right", 0.9, 700), ("right", "root", 0.8, 700)
    )
    reached = spread(system, _fault("root"), Streams(1).of("x")).troubled
    assert reached["top"].level == pytest.approx(0.72)
    assert reached["top"].delay_ms == 1400
    assert reached["left"].level == pytest.approx(0.5)


def test_levels_equal_the_best_product_over_all_paths(small_day: Simulation) -> None:
    """Check the search against shortest paths over -log weights, computed by another library."""
    unloaded = [link for link in small_day.system.links if link.load is None]
    system = System(small_day.system.vertices, unloaded)
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(system.by_name)
    for link in unloaded:
        graph.add_edge(link.tie.dependency, link.tie.dependent, length=-math.log(link.weight))
    for root in sorted({fault.root for fault in small_day.faults}):
        lengths = nx.single_source_dijkstra_path_length(graph, root, weight="length")
        best = {name: math.exp(-length) for name, length in lengths.items() if math.exp(-length) >= FAINTEST}
        reached = spread(system, _fault(root), Streams(1).of("x")).troubled
        assert {name: reach.level for name, reach in reached.items()} == pytest.approx(best)


def test_severity_scales_all_levels_and_what_is_faint_is_not_followed() -> None:
    system = _system(("b", "a", 0.5, 0), ("c", "b", 0.12, 0), ("d", "c", 1.0, 0))
    strong = spread(system, _fault("a"), Streams(1).of("x")).troubled
    weak = spread(system, _fault("a", severity=0.5), Streams(1).of("x")).troubled
    assert strong["d"].level == pytest.approx(0.06)
    assert weak["b"].level == pytest.approx(0.25)
    assert set(weak) == {"a", "b"}
    assert all(reach.level >= FAINTEST for reach in strong.values())


def test_a_cycle_ends() -> None:
    system = _system(("a", "b", 1.0, 1), ("b", "c", 1.0, 1), ("c", "a", 1.0, 1))
    assert set(spread(system, _fault("a"), Streams(1).of("x")).troubled) == {"a", "b", "c"}


def test_trouble_does_not_go_down_without_load() -> None:
    system = _system(("caller", "callee", 1.0, 0))
    reached = spread(system, _fault("caller"), Streams(1).of("x"))
    assert set(reached.troubled) == {"caller"} and reached.starved == {}


def test_a_starved_callee_troubles_nobody_but_starves_on() -> None:
    system = _system(
        ("caller", "callee", 1.0, 0),
        ("bystander", "callee", 1.0, 0),
        ("callee", "deep", 1.0, 0),
        load={("caller", "callee"): Load.STARVES, ("callee", "deep"): Load.STARVES},
    )
    reached = spread(system, _fault("caller"), Streams(1).of("x"))
    assert set(reached.troubled) == {"caller"}
    assert set(reached.starved) == {"callee", "deep"}
    assert reached.starved["deep"].level == pytest.approx(0.25)


def test_a_stormed_callee_is_in_trouble_and_passes_it_on_to_its_other_dependents() -> None:
    system = _system(
        ("caller", "callee", 1.0, 0), ("bystander", "callee", 0.8, 0), load={("caller", "callee"): Load.STORMS}
    )
    reached = spread(system, _fault("caller"), Streams(1).of("x")).troubled
    assert reached["callee"].downwards
    assert reached["bystander"].level == pytest.approx(0.4)


def test_links_that_a_fault_does_not_hit_carry_nothing() -> None:
    system = _system(("b", "a", 1.0, 0))
    assert set(spread(system, _fault("a", hit=0.0), Streams(1).of("x")).troubled) == {"a"}


def test_partial_faults_hit_two_thirds_of_the_links_on_average(day: Simulation) -> None:
    """Beta(2, 1) has mean 2/3."""
    shares = [sum(reach.hit) / len(reach.hit) for reach in day.spreads]
    assert 0.55 < sum(shares) / len(shares) < 0.77
    assert max(shares) - min(shares) > 0.5


def test_couplings_have_the_documented_strengths_and_delays(day: Simulation) -> None:
    bounds = {Coupling.HARD: (0.55, 1.0), Coupling.SOFT: (0.05, 0.3), Coupling.ASYNC: (0.2, 0.7)}
    for link in day.system.links:
        low, high = bounds[link.coupling]
        assert low <= link.weight <= high
        if link.coupling is Coupling.ASYNC:
            assert 45_000 <= link.delay_ms <= 240_000
        else:
            assert link.delay_ms <= 5_000
    calls = [link for link in day.system.links if link.tie.bond == "calls"]
    assert 0.03 < sum(link.load is not None for link in calls) / len(calls) < 0.09
