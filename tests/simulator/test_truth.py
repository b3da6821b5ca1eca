"""Labels are sound: what a case is blamed for, its fault could reach, in the right direction and at the right time."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

import pytest

from correlator.domain import instant_of
from correlator.simulator.parameters import overridden
from correlator.simulator.presets import DAY
from correlator.simulator.simulation import Simulation, is_change, simulate
from correlator.simulator.truth import truth_of

#: The lowest threshold of a rule, less the gains of tail latency and of a pod: no rule sees less than this.
NOTICEABLE = 0.15 / (1.15 * 1.1)


@pytest.fixture(scope="module")
def truth(day: Simulation) -> dict[str, Any]:
    return truth_of(day)


def _reachable(root: str, dependencies: list[dict[str, Any]]) -> set[str]:
    """Return what any rule could notice of a fault that hits every link: relax the documented edges until they rest."""
    steps: defaultdict[tuple[str, str], list[tuple[tuple[str, str], float]]] = defaultdict(list)
    for edge in dependencies:
        caller, callee = edge["from"], edge["to"]
        steps[callee, "troubled"].append(((caller, "troubled"), edge["weight"]))
        if edge.get("load") == "storms":
            steps[caller, "troubled"].append(((callee, "troubled"), edge["load_weight"]))
        elif edge.get("load") == "starves":
            steps[caller, "troubled"].append(((callee, "starved"), edge["load_weight"]))
            steps[caller, "starved"].append(((callee, "starved"), edge["load_weight"]))
    best = {(root, "troubled"): 1.0}
    rim = [(root, "troubled")]
    while rim:
        state = rim.pop(0)
        for following, weight in steps[state]:
            level = best[state] * weight
            if level >= NOTICEABLE and level > best.get(following, 0.0):
                best[following] = level
                rim.append(following)
    return {name for name, _ in best}


def test_every_labelled_alert_is_at_the_root_or_where_the_fault_can_be_felt(
    day: Simulation, truth: dict[str, Any]
) -> None:
    reach = {case["case"]: _reachable(case["roots"][0], truth["true_dependencies"]) for case in truth["cases"]}
    assert len(truth["labels"]) > 1000
    for place, dispatch in enumerate(day.dispatches):
        case = truth["labels"].get(day.event_id(place))
        if case is not None:
            assert day.firings[dispatch.firing].rule.vertex in reach[case]


def test_a_fault_can_be_felt_by_few_so_the_check_above_means_something(day: Simulation, truth: dict[str, Any]) -> None:
    sizes = [len(_reachable(case["roots"][0], truth["true_dependencies"])) for case in truth["cases"]]
    assert sum(sizes) / len(sizes) < len(day.system.vertices) / 3


def test_no_alert_of_a_case_fires_before_it_begins_or_long_after_it_ends(day: Simulation) -> None:
    for firing in day.firings:
        if firing.fault is not None:
            fault = day.faults[firing.fault]
            slowest = max(reach.delay_ms for reach in day.spreads[firing.fault].troubled.values())
            assert fault.start_at < firing.start_at <= fault.end_at + fault.fall_ms + slowest + 150_000


def test_all_events_of_a_firing_carry_its_label(day: Simulation, truth: dict[str, Any]) -> None:
    labels: defaultdict[int, set[str | None]] = defaultdict(set)
    for place, dispatch in enumerate(day.dispatches):
        labels[dispatch.firing].add(truth["labels"].get(day.event_id(place)))
    assert all(len(found) == 1 for found in labels.values())


def test_silent_and_visible_say_what_the_labels_say(day: Simulation, truth: dict[str, Any]) -> None:
    alerting: defaultdict[str, set[str]] = defaultdict(set)
    for place, dispatch in enumerate(day.dispatches):
        case = truth["labels"].get(day.event_id(place))
        if case is not None:
            alerting[case].add(day.firings[dispatch.firing].rule.vertex)
    for case in truth["cases"]:
        assert case["visible"] == bool(alerting[case["case"]])
        assert case["silent_root"] == (case["roots"][0] not in alerting[case["case"]])
    assert {case["visible"] for case in truth["cases"]} == {True, False}


def test_overlaps_are_the_cases_that_begin_within_five_minutes(truth: dict[str, Any]) -> None:
    starts = {case["case"]: instant_of(datetime.fromisoformat(case["start"])) for case in truth["cases"]}
    for case in truth["cases"]:
        near = {
            other
            for other, start in starts.items()
            if other != case["case"] and abs(start - starts[case["case"]]) <= 300_000
        }
        assert set(case["overlaps"]) == near


def test_changes_are_named_with_their_case_but_labelled_as_no_alert_of_it(
    day: Simulation, truth: dict[str, Any]
) -> None:
    kinds = {case["fault_type"] for case in truth["cases"] if case["changes"]}
    assert "bad_deploy" in kinds
    for case in truth["cases"]:
        if case["fault_type"] == "bad_deploy":
            assert case["changes"]
        assert not truth["labels"].keys() & set(case["changes"])
    changes = {event for case in truth["cases"] for event in case["changes"]}
    for place, dispatch in enumerate(day.dispatches):
        if day.event_id(place) in changes:
            assert is_change(day.firings[dispatch.firing])


def test_without_faults_nothing_is_labelled_and_without_noise_everything_is() -> None:
    small = ["shape.services=60", "warm_up_seconds=0"]
    calm = simulate(overridden(DAY, [*small, "faults.count=0"]), seed=1)
    assert calm.dispatches and truth_of(calm)["labels"] == {} and truth_of(calm)["cases"] == []
    quiet = [*small, "noise.episodes_per_service_day=0", "noise.deploys_per_service_day=0"]
    pure = simulate(overridden(DAY, quiet), seed=1)
    changes = {event for case in truth_of(pure)["cases"] for event in case["changes"]}
    assert pure.dispatches
    assert len(truth_of(pure)["labels"]) + len(changes) == len(pure.dispatches)
