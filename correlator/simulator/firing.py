"""When a rule fires and resolves, and what is to blame: scrape, evaluation and `for` applied to levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from correlator.simulator.effects import Wave
from correlator.simulator.monitoring import Rule
from correlator.simulator.noise import Origin, Spell


class Firing(msgspec.Struct, frozen=True, kw_only=True):
    """One episode of one series of a rule: by a fault (its number), else by noise."""

    rule: Rule
    pod: str | None
    start_at: int
    end_at: int
    fault: int | None
    origin: Origin | None


class _Span(msgspec.Struct, frozen=True, kw_only=True):
    start_at: int
    end_at: int
    cause: Wave | Spell


def firings_of(rule: Rule, waves: Sequence[Wave], spells: Sequence[Spell]) -> Iterator[Firing]:
    """Yield the episodes of every series of a rule, each in order of time."""
    series: Sequence[tuple[str | None, float]] = rule.pods or ((None, 1.0),)
    for place, (pod, gain) in enumerate(series):
        spans = [span for wave in waves if (span := _raised(rule, wave, gain)) is not None]
        spans += [_noisy(rule, spell) for spell in spells if int(spell.pod_mark * len(series)) == place]
        spans.sort(key=lambda span: (span.start_at, span.end_at))
        for group in _joined(spans, rule.evaluation):
            if (firing := _firing(rule, pod, group)) is not None:
                yield firing


def following(grid: tuple[int, int], instant: int) -> int:
    """Return the first instant of a grid (period, offset) that is not before `instant`."""
    period, offset = grid
    return -((offset - instant) // period) * period + offset


def _raised(rule: Rule, wave: Wave, gain: float) -> _Span | None:
    scaled = wave if gain == 1.0 else msgspec.structs.replace(wave, peak=min(1.0, wave.peak * gain))
    above = scaled.above(rule.threshold, rule.release)
    if above is None:
        return None
    return _Span(start_at=following(rule.scrape, above[0]), end_at=following(rule.scrape, above[1]), cause=scaled)


def _noisy(rule: Rule, spell: Spell) -> _Span:
    """Return the span that makes the rule fire at the first evaluation from the spell's start on."""
    fires_at = following(rule.evaluation, spell.start_at)
    held_from = following(rule.evaluation, fires_at - rule.hold_ms - rule.evaluation[0] + 1)
    end_at = max(spell.start_at + spell.lasting_ms, fires_at + 1)
    return _Span(start_at=held_from, end_at=end_at, cause=spell)


def _joined(spans: Sequence[_Span], evaluation: tuple[int, int]) -> Iterator[list[_Span]]:
    """Yield the spans in groups whose gaps no evaluation sees: to the rule each group is one."""
    group: list[_Span] = []
    end_at = 0
    for span in spans:
        if group and following(evaluation, span.start_at) > following(evaluation, end_at):
            yield group
            group = []
        end_at = max(end_at, span.end_at) if group else span.end_at
        group.append(span)
    if group:
        yield group


def _firing(rule: Rule, pod: str | None, group: Sequence[_Span]) -> Firing | None:
    pending_at = following(rule.evaluation, group[0].start_at)
    start_at = following(rule.evaluation, pending_at + rule.hold_ms)
    end_at = max(span.end_at for span in group)
    if start_at >= end_at:
        return None
    present = [span for span in group if span.start_at <= start_at < span.end_at]
    fault, origin = _blame([span.cause for span in present], start_at)
    return Firing(
        rule=rule,
        pod=pod,
        start_at=start_at,
        end_at=following(rule.evaluation, end_at),
        fault=fault,
        origin=origin,
    )


def _blame(causes: Sequence[Wave | Spell], instant: int) -> tuple[int | None, Origin | None]:
    """Blame the fault with the highest level, of equal ones the earlier; noise where no fault suffices."""
    waves = [cause for cause in causes if isinstance(cause, Wave)]
    if waves:
        worst = max(waves, key=lambda wave: (wave.level(instant), -wave.fault))
        return worst.fault, None
    origins = [cause.origin for cause in causes if isinstance(cause, Spell)]
    return None, origins[0]
