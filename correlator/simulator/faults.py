"""When what breaks: faults with their roots, alone or in company."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from numpy.random import Generator

from correlator.errors import ConfigError
from correlator.simulator.draws import Streams, chance, lognormal, pick, pick_weighted, uniform
from correlator.simulator.natures import BY_NAME, ROOT_WEIGHTS, Nature, fitting
from correlator.simulator.parameters import Faults, Parameters, ScriptedFault
from correlator.simulator.system import Bond, Coupling, Link, System, Vertex

_SHORTEST_MS, _LONGEST_MS = 240_000, 3 * 3_600_000

#: Faults without company keep at least this far apart where the rate allows, so that the share of company is as asked.
_APART_MS = 600_000

#: How fast trouble goes away once its cause is gone, in seconds.
_FALL_SECONDS = (5.0, 90.0)


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One root cause. `hit_probability` is each dependent link's chance to carry it."""

    case: str
    root: str
    nature: Nature
    severity: float
    start_at: int
    end_at: int
    rise_ms: int
    fall_ms: int
    hit_probability: float
    changed: bool


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    start_at: int
    root: str


def faults_of(system: System, parameters: Parameters, streams: Streams) -> list[Fault]:
    """Return the faults in order of their start.

    Raises:
        ConfigError: the script names a vertex or a nature that does not exist, or no vertex can fail as asked.
    """
    wanted = parameters.faults
    unknown = [name for name in wanted.natures if name not in BY_NAME]
    if unknown:
        raise ConfigError("faults.natures", [f"no fault is named {name!r}" for name in unknown])
    if wanted.script:
        return _scripted(wanted.script, system, parameters, streams)
    plans = _plans(system, parameters, streams)
    names = [f"{parameters.name}-{number:04d}" for number in range(len(plans))]
    return [_drawn(case, plan, system, wanted, streams) for case, plan in zip(names, plans, strict=True)]


def starts_within(first: Fault, second: Fault, seconds: float) -> bool:
    """Tell whether two faults begin at most so far apart."""
    return first.case != second.case and abs(first.start_at - second.start_at) <= 1000 * seconds


def _plans(system: System, parameters: Parameters, streams: Streams) -> list[_Plan]:
    """Place lone faults apart and companions beside some of them: each companion puts two faults in company."""
    wanted = parameters.faults
    start_at = parameters.start_at if wanted.during_warm_up else parameters.scored_from
    count = (
        round(wanted.per_day * (parameters.end_at - start_at) / 86_400_000) if wanted.count is None else wanted.count
    )
    companions = round(wanted.overlapping_share * count / 2)
    stream = streams.of("fault times")
    moments = _apart(count - companions, start_at, parameters.end_at, stream)
    roots = _Roots(system, wanted)
    plans = [_Plan(start_at=moment, root=roots.draw(streams.of("root", str(n)))) for n, moment in enumerate(moments)]
    chosen = sorted(int(place) for place in stream.permutation(len(plans))[:companions])
    for place in chosen:
        plans.append(_companion(plans[place], roots, system, parameters, streams.of("companion", str(place))))
    return sorted(plans, key=lambda plan: (plan.start_at, plan.root))


def _companion(plan: _Plan, roots: _Roots, system: System, parameters: Parameters, stream: Generator) -> _Plan:
    wanted = parameters.faults
    shift = round(1000 * uniform(stream, (-wanted.overlap_seconds, wanted.overlap_seconds)))
    root = roots.draw(stream)
    if chance(stream, wanted.near_share):
        near = [name for name in system.within(plan.root, 2) if roots.fits(name)]
        same = chance(stream, wanted.same_service_share) or not near
        root = plan.root if same else pick(stream, near)
    return _Plan(start_at=max(parameters.start_at, plan.start_at + shift), root=root)


def _apart(count: int, start_at: int, end_at: int, stream: Generator) -> list[int]:
    """Draw sorted moments, uniformly among those that keep apart."""
    if count <= 0:
        return []
    apart = min(_APART_MS, (end_at - start_at) // (2 * count))
    free = end_at - start_at - apart * count
    marks = sorted(int(stream.random() * free) for _ in range(count))
    return [start_at + mark + place * apart for place, mark in enumerate(marks)]


class _Roots:
    """Who may fail, and how likely."""

    def __init__(self, system: System, wanted: Faults) -> None:
        self._natures = wanted.natures
        vertices = [vertex for vertex in system.vertices if fitting(vertex.kind, wanted.natures)]
        if not vertices:
            raise ConfigError("faults.natures", ["no vertex of the system can fail so"])
        if wanted.root_pick == "hub":
            vertices = [max(vertices, key=lambda vertex: (reach(system, vertex.name)[0], vertex.name))]
        elif wanted.root_pick == "deepest":
            vertices = [max(vertices, key=lambda vertex: (reach(system, vertex.name)[1], vertex.name))]
        self._vertices: Sequence[Vertex] = vertices
        self._weights = [ROOT_WEIGHTS[vertex.kind] for vertex in vertices]
        self._names = {vertex.name for vertex in vertices}

    def draw(self, stream: Generator) -> str:
        return pick_weighted(stream, self._vertices, self._weights).name

    def fits(self, name: str) -> bool:
        return name in self._names


def reach(system: System, name: str) -> tuple[int, int]:
    """Return how many vertices depend on `name` by hard calls, over how many others ever, and the farthest's hops."""
    seen = {name}
    rim = [name]
    depth = 0
    while rim:
        links = [system.links[position] for vertex in rim for position in system.dependents(vertex)]
        rim = sorted({link.tie.dependent for link in links if _hard_call(link)} - seen)
        seen.update(rim)
        depth += bool(rim)
    return len(seen) - 1, depth


def _hard_call(link: Link) -> bool:
    return link.tie.bond is Bond.CALLS and link.coupling is Coupling.HARD


def _drawn(case: str, plan: _Plan, system: System, wanted: Faults, streams: Streams) -> Fault:
    stream = streams.of("fault", case)
    natures = fitting(system.by_name[plan.root].kind, wanted.natures)
    nature = pick_weighted(stream, natures, [nature.at[system.by_name[plan.root].kind] for nature in natures])
    lasting = 1000 * wanted.duration_scale * lognormal(stream, nature.lasting_seconds, wanted.duration_sigma)
    lasting_ms = round(min(max(lasting, _SHORTEST_MS * min(1.0, wanted.duration_scale)), _LONGEST_MS))
    hit = 0.0 if chance(stream, wanted.contained_share) else round(float(stream.beta(*wanted.hit_beta)), 4)
    return _fault(case, plan, nature, uniform(stream, wanted.severity_range), lasting_ms, hit, stream)


def _scripted(script: Sequence[ScriptedFault], system: System, parameters: Parameters, streams: Streams) -> list[Fault]:
    problems = [f"no vertex is named {one.root!r}" for one in script if one.root not in system.by_name]
    problems += [f"no fault is named {one.nature!r}" for one in script if one.nature not in BY_NAME]
    if problems:
        raise ConfigError("faults.script", problems)
    faults = []
    for number, one in enumerate(sorted(script, key=lambda one: (one.at_minutes, one.root))):
        case = f"{parameters.name}-{number:04d}"
        plan = _Plan(start_at=parameters.scored_from + round(60_000 * one.at_minutes), root=one.root)
        lasting_ms = round(60_000 * one.minutes)
        stream = streams.of("fault", case)
        faults.append(_fault(case, plan, BY_NAME[one.nature], one.severity, lasting_ms, 1.0, stream))
    return faults


def _fault(
    case: str, plan: _Plan, nature: Nature, severity: float, lasting_ms: int, hit: float, stream: Generator
) -> Fault:
    rise_ms = round(1000 * uniform(stream, nature.rise_seconds))
    return Fault(
        case=case,
        root=plan.root,
        nature=nature,
        severity=severity,
        start_at=plan.start_at,
        end_at=plan.start_at + lasting_ms,
        rise_ms=min(rise_ms, lasting_ms * 3 // 4),
        fall_ms=round(1000 * uniform(stream, _FALL_SECONDS)),
        hit_probability=hit,
        changed=chance(stream, nature.change_share),
    )
