"""Every preset is what its name says, on seeds that nobody chose for it."""

from __future__ import annotations

import resource
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import networkx as nx
import pytest

from correlator.errors import ConfigError
from correlator.simulator.noise import CRON, DEPLOY, FLAP, LONG
from correlator.simulator.presets import CASCADE, DEMO, MISSING_EDGES, PRESETS, preset
from correlator.simulator.simulation import Simulation, is_change, simulate
from correlator.simulator.summary import summarise
from correlator.simulator.truth import truth_of
from correlator.simulator.writing import write

SEEDS = (21, 22, 23)


@pytest.fixture(scope="module")
def storm() -> Simulation:
    return simulate(PRESETS["storm-100k"], seed=21)


def _touched(simulation: Simulation) -> dict[int, set[str]]:
    touched: defaultdict[int, set[str]] = defaultdict(set)
    for firing in simulation.firings:
        if firing.fault is not None:
            touched[firing.fault].add(firing.rule.vertex)
    return touched


@pytest.mark.parametrize("seed", SEEDS)
def test_cascade_is_one_root_below_many_services(seed: int) -> None:
    simulation = simulate(CASCADE, seed)
    assert len(simulation.faults) == 1
    assert len(_touched(simulation)[0]) >= 10
    assert _hops(simulation) >= 3


def _hops(simulation: Simulation) -> int:
    """Return the longest strongest path that ends at an alerting service."""
    reached = simulation.spreads[0].troubled
    longest = 0
    for name in _touched(simulation)[0]:
        hops = 0
        reach = reached.get(name)
        while reach is not None and reach.via is not None and not reach.downwards:
            hops += 1
            reach = reached[simulation.system.links[reach.via].tie.dependency]
        longest = max(longest, hops)
    return longest


@pytest.mark.parametrize("seed", SEEDS)
def test_overlapping_roots_all_have_company_half_of_it_near(seed: int) -> None:
    simulation = simulate(PRESETS["overlapping-roots"], seed)
    assert summarise(simulation).overlapping_share == 1.0
    faults = simulation.faults
    near = sum(
        any(
            abs(other.start_at - fault.start_at) <= 300_000
            and (other.root == fault.root or other.root in simulation.system.within(fault.root, 2))
            for other in faults
            if other.case != fault.case
        )
        for fault in faults
    )
    assert near / len(faults) > 0.3


@pytest.mark.parametrize("seed", SEEDS)
def test_silent_root_never_alerts_at_its_root_yet_is_seen(seed: int) -> None:
    cases = truth_of(simulate(PRESETS["silent-root"], seed))["cases"]
    assert all(case["silent_root"] for case in cases)
    assert sum(case["visible"] for case in cases) >= 5


def test_storm_is_a_hundred_thousand_events_within_minutes_from_one_root(storm: Simulation) -> None:
    truth = truth_of(storm)
    arrivals = [
        one.observed_at for place, one in enumerate(storm.dispatches) if storm.event_id(place) in truth["labels"]
    ]
    assert len(storm.dispatches) >= 100_000
    assert len(arrivals) > 0.95 * len(storm.dispatches)
    assert arrivals[len(arrivals) * 99 // 100] - arrivals[0] < 20 * 60_000
    assert len(truth["cases"]) == 1
    assert len(_touched(storm)[0]) > 500


def test_every_firing_of_the_storm_is_resolved_by_every_sender(storm: Simulation) -> None:
    fired = {(one.firing, one.sender) for one in storm.dispatches if not one.resolved}
    resolved = {(one.firing, one.sender) for one in storm.dispatches if one.resolved}
    assert fired == resolved


def test_storm_needs_less_than_a_gigabyte(storm: Simulation, tmp_path: Path) -> None:
    write(storm, tmp_path)
    assert (tmp_path / "alerts.jsonl").stat().st_size > 30_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1_000_000  # kilobytes, the whole test process


def test_flapping_is_mostly_alerts_that_come_and_go() -> None:
    simulation = simulate(PRESETS["flapping"], seed=21)
    noise = [firing for firing in simulation.firings if firing.fault is None and not is_change(firing)]
    assert sum(firing.origin is FLAP for firing in noise) / len(noise) > 0.6
    times = Counter(firing.rule.key for firing in noise)
    assert max(times.values()) >= 12


def test_cron_noise_strikes_unrelated_services_at_one_minute() -> None:
    simulation = simulate(PRESETS["cron-noise"], seed=21)
    noise = [firing for firing in simulation.firings if firing.fault is None and not is_change(firing)]
    crons = [firing for firing in noise if firing.origin is CRON]
    assert len(crons) / len(noise) > 0.6
    minutes: defaultdict[int, set[str]] = defaultdict(set)
    for firing in crons:
        minutes[firing.start_at // 120_000].add(firing.rule.vertex)
    assert sum(len(struck) >= 5 for struck in minutes.values()) > 20


def test_missing_edges_hides_three_in_ten_and_invents_one() -> None:
    simulation = simulate(MISSING_EDGES, seed=21)
    true = {(one.tie.dependent, one.tie.dependency) for one in simulation.system.links if one.tie.bond != "runs_on"}
    seen = {(one["from"], one["to"]) for one in simulation.topology["dependencies"] if one["type"] != "runs_on"}
    assert 0.25 < len(true - seen) / len(true) < 0.35
    assert 0.09 < len(seen - true) / len(true) < 0.11


@pytest.mark.parametrize("seed", SEEDS)
def test_demo_is_an_hour_of_noise_and_four_visible_overlapping_faults(seed: int) -> None:
    simulation = simulate(DEMO, seed)
    cases = truth_of(simulation)["cases"]
    assert [case["roots"][0] for case in cases] == ["payments", "search-index", "inventory-db", "auth"]
    assert all(case["visible"] for case in cases)
    scored_from = DEMO.scored_from
    assert all(firing.fault is None for firing in simulation.firings if firing.start_at < scored_from)
    assert sum(firing.start_at < scored_from for firing in simulation.firings) >= 5
    assert all(later.start_at < earlier.end_at for earlier, later in pairwise(simulation.faults))
    assert simulation.dispatches[-1].observed_at - scored_from < 60 * 60_000


def test_day_has_the_documented_mix(day: Simulation) -> None:
    summary = summarise(day)
    assert summary.services == pytest.approx(400, abs=10)
    assert 28 < summary.visible_cases_per_day < 48
    assert 1_200 < summary.noise_episodes_per_day < 1_800
    assert 0.33 < summary.overlapping_share < 0.40
    assert 0.35 < summary.single_service_share < 0.60
    assert 0.10 < summary.silent_root_share < 0.35


def test_noise_comes_from_rules_of_which_few_make_most(day: Simulation) -> None:
    noise = [firing for firing in day.firings if firing.fault is None and not is_change(firing)]
    times = sorted(Counter(firing.rule.key for firing in noise).values(), reverse=True)
    assert sum(times[: len(day.rules) // 10]) / len(noise) > 0.5
    assert {firing.rule.key for firing in noise} <= {rule.key for rule in day.rules}
    blips = [firing for firing in noise if firing.origin not in (FLAP, CRON, DEPLOY)]
    assert 0.12 < sum(firing.origin is LONG for firing in blips) / len(blips) < 0.20


def test_degrees_are_heavy_tailed_and_there_are_a_few_cycles(day: Simulation) -> None:
    incoming = Counter(link.tie.dependency for link in day.system.links if link.tie.bond == "calls")
    outgoing = Counter(link.tie.dependent for link in day.system.links if link.tie.bond == "calls")
    for degrees in (incoming, outgoing):
        ordered = sorted(degrees.values())
        assert ordered[-1] >= 5 * ordered[len(ordered) // 2]
    graph = nx.DiGraph((link.tie.dependent, link.tie.dependency) for link in day.system.links)
    knots = [knot for knot in nx.strongly_connected_components(graph) if len(knot) > 1]
    assert knots and sum(map(len, knots)) < len(day.system.vertices) / 2


def test_an_unknown_preset_is_refused_with_the_list_of_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'dya' is not one of cascade, .*demo"):
        preset("dya")
