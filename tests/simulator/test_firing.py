"""A rule fires when its level has been at the threshold for long enough, as seen through scrapes and evaluations."""

from __future__ import annotations

import pytest

from correlator.simulator.aspects import Aspect
from correlator.simulator.effects import Wave
from correlator.simulator.firing import Firing, firings_of, following
from correlator.simulator.monitoring import Rule
from correlator.simulator.noise import BLIP, Spell
from correlator.simulator.simulation import Simulation, is_change


def _rule(*, threshold: float = 0.5, hold_ms: int = 0, release: float | None = None, pods: int = 0) -> Rule:
    return Rule(
        key="rule",
        vertex="vertex",
        aspect=Aspect.LATENCY,
        name="Slow",
        severity="warning",
        threshold=threshold,
        release=threshold if release is None else release,
        hold_ms=hold_ms,
        scrape=(15_000, 4_000),
        evaluation=(30_000, 7_000),
        pods=tuple((f"pod-{n}", 1.0) for n in range(pods)),
    )


def _wave(*, peak: float = 1.0, start_at: int = 100_000, lasting_ms: int = 600_000, fault: int = 0) -> Wave:
    return Wave(fault=fault, peak=peak, start_at=start_at, rise_ms=0, end_at=start_at + lasting_ms, fall_ms=0)


def _spell(start_at: int, lasting_ms: int) -> Spell:
    return Spell(start_at=start_at, lasting_ms=lasting_ms, pod_mark=0.0, origin=BLIP)


def _only(firings: list[Firing]) -> Firing:
    assert len(firings) == 1
    return firings[0]


@pytest.mark.parametrize(("peak", "count"), [(0.49, 0), (0.5, 1), (1.0, 1)])
def test_a_rule_fires_from_its_threshold_on(peak: float, count: int) -> None:
    assert len(list(firings_of(_rule(), [_wave(peak=peak)], []))) == count


def test_a_firing_stands_on_the_evaluation_grid_after_scrape_and_hold() -> None:
    firing = _only(list(firings_of(_rule(hold_ms=120_000), [_wave()], [])))
    # 100 s: scraped at 109, first evaluated at 127, held until 247; over at 700: scraped at 709, evaluated at 727.
    assert (firing.start_at, firing.end_at) == (247_000, 727_000)


def test_a_level_that_does_not_outlast_the_hold_does_not_fire() -> None:
    assert list(firings_of(_rule(hold_ms=300_000), [_wave(lasting_ms=200_000)], [])) == []


def test_a_slow_rise_reaches_a_low_threshold_earlier_than_a_high_one() -> None:
    slow = Wave(fault=0, peak=1.0, start_at=0, rise_ms=1_000_000, end_at=2_000_000, fall_ms=0)
    low = _only(list(firings_of(_rule(threshold=0.2), [slow], [])))
    high = _only(list(firings_of(_rule(threshold=0.8), [slow], [])))
    assert 200_000 <= low.start_at < 250_000
    assert 800_000 <= high.start_at < 850_000
    assert slow.level(500_000) == pytest.approx(0.5)


def test_a_lower_release_keeps_the_alert_firing_for_longer() -> None:
    falling = Wave(fault=0, peak=1.0, start_at=0, rise_ms=0, end_at=500_000, fall_ms=600_000)
    early = _only(list(firings_of(_rule(threshold=0.8), [falling], [])))
    late = _only(list(firings_of(_rule(threshold=0.8, release=0.4), [falling], [])))
    assert late.end_at - early.end_at >= 210_000


def test_overlapping_faults_are_one_firing_blamed_on_the_stronger() -> None:
    waves = [_wave(peak=0.6, fault=0), _wave(peak=0.9, fault=1, start_at=101_000)]
    assert _only(list(firings_of(_rule(), waves, []))).fault == 1


def test_equally_strong_faults_are_blamed_on_the_earlier_case() -> None:
    waves = [_wave(fault=1), _wave(fault=0)]
    assert _only(list(firings_of(_rule(), waves, []))).fault == 0


def test_a_fault_that_joins_a_firing_alert_does_not_take_it_over() -> None:
    firing = _only(list(firings_of(_rule(), [_wave(start_at=400_000)], [_spell(100_000, 500_000)])))
    assert firing.fault is None and firing.origin is BLIP


def test_noise_and_fault_at_once_are_the_faults() -> None:
    firing = _only(list(firings_of(_rule(), [_wave()], [_spell(125_000, 500_000)])))
    assert firing.fault == 0


def test_noise_fires_at_once_whatever_the_hold_and_for_one_pod_only() -> None:
    firing = _only(list(firings_of(_rule(hold_ms=300_000, pods=3), [], [_spell(1_000_000, 60_000)])))
    assert 1_000_000 <= firing.start_at < 1_030_000
    assert firing.pod == "pod-0"


def test_every_pod_fires_for_a_fault() -> None:
    assert [one.pod for one in firings_of(_rule(pods=3), [_wave()], [])] == ["pod-0", "pod-1", "pod-2"]


@pytest.mark.parametrize(("instant", "expected"), [(7_000, 7_000), (7_001, 37_000), (0, 7_000), (36_999, 37_000)])
def test_following_is_the_first_grid_instant_not_before(instant: int, expected: int) -> None:
    assert following((30_000, 7_000), instant) == expected


def test_firings_of_one_series_do_not_overlap(small_day: Simulation) -> None:
    last: dict[tuple[str, str | None], int] = {}
    firings = [firing for firing in small_day.firings if not is_change(firing)]
    assert len(firings) > 100
    for firing in firings:
        series = firing.rule.key, firing.pod
        assert last.get(series, 0) < firing.start_at < firing.end_at
        last[series] = firing.end_at
