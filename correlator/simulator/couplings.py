"""Give every dependency of a blueprint its hidden strength, delay and load."""

from __future__ import annotations

from numpy.random import Generator

from correlator.simulator.draws import Streams, chance, pick, uniform
from correlator.simulator.parameters import Couplings
from correlator.simulator.system import Blueprint, Bond, Coupling, Link, Load, System, Tie


def couple(blueprint: Blueprint, couplings: Couplings, streams: Streams) -> System:
    """Return the true system of a blueprint."""
    links = []
    for tie in blueprint.ties:
        names = (tie.dependent, tie.dependency, tie.bond)
        links.append(_link(tie, couplings, streams.of("coupling", *names), streams.of("load", *names)))
    return System(blueprint.vertices, links)


def _link(tie: Tie, couplings: Couplings, stream: Generator, load_stream: Generator) -> Link:
    coupling = _coupling(tie.bond, couplings, stream)
    bounds = {
        Coupling.HARD: couplings.hard_range,
        Coupling.SOFT: couplings.soft_range,
        Coupling.ASYNC: couplings.async_range,
    }[coupling]
    delay = couplings.async_delay_seconds_range if coupling is Coupling.ASYNC else couplings.delay_seconds_range
    loaded = tie.bond is Bond.CALLS and chance(load_stream, couplings.load_share)
    return Link(
        tie=tie,
        coupling=coupling,
        weight=uniform(stream, bounds),
        delay_ms=round(1000 * uniform(stream, delay)),
        load=pick(load_stream, (Load.STARVES, Load.STORMS)) if loaded else None,
        load_weight=uniform(load_stream, couplings.hard_range) if loaded else 0.0,
    )


def _coupling(bond: Bond, couplings: Couplings, stream: Generator) -> Coupling:
    """Draw the coupling; what runs on a host or reads from a producer has it by nature."""
    mark = stream.random()
    if bond is Bond.RUNS_ON:
        return Coupling.HARD
    if bond is Bond.CONSUMES or mark >= couplings.hard_share + couplings.soft_share:
        return Coupling.ASYNC
    return Coupling.HARD if mark < couplings.hard_share else Coupling.SOFT
