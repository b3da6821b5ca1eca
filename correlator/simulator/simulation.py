"""Simulate: from parameters and a seed to all that happens, and what of it is true."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from correlator.domain import rfc3339
from correlator.simulator.aspects import Aspect
from correlator.simulator.couplings import couple
from correlator.simulator.delivery import Dispatch, Office, Sender
from correlator.simulator.draws import Streams, exponential
from correlator.simulator.effects import Effects, Wave
from correlator.simulator.faults import Fault, faults_of, starts_within
from correlator.simulator.firing import Firing, firings_of
from correlator.simulator.growth import grow
from correlator.simulator.monitoring import Rule, change_rule, rules_of
from correlator.simulator.noise import DEPLOY, deployments_of, spells_of
from correlator.simulator.observation import observed
from correlator.simulator.parameters import Parameters
from correlator.simulator.shop import shop
from correlator.simulator.spread import Spread, spread
from correlator.simulator.system import Blueprint, System
from correlator.simulator.wording import Notice, Wording

#: A deployment is announced for a few minutes; one that breaks its service began this long before the fault, at most.
_ANNOUNCED_SECONDS = (120.0, 480.0)
_CHANGE_LEAD_SECONDS = (5.0, 90.0)


class Simulation(msgspec.Struct, frozen=True, kw_only=True):
    """All that happened. `firings` and `notices` belong together; `dispatches` are in order of arrival.

    A change that brought a fault about is a firing of no fault; `changes` maps its number to the case.
    """

    parameters: Parameters
    seed: int
    system: System
    rules: Sequence[Rule]
    faults: Sequence[Fault]
    spreads: Sequence[Spread]
    firings: Sequence[Firing]
    notices: Sequence[Notice]
    senders: Sequence[Sender]
    dispatches: Sequence[Dispatch]
    changes: dict[int, str]
    topology: dict[str, Any]

    def event_id(self, place: int) -> str:
        """Return the id of the event that arrives at this place."""
        return f"{self.parameters.name}-{place:07d}"

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield the alert events (contract `alert-event.schema.json`) in order of arrival."""
        for place, dispatch in enumerate(self.dispatches):
            yield self._event(place, dispatch)

    def _event(self, place: int, dispatch: Dispatch) -> dict[str, Any]:
        firing, notice = self.firings[dispatch.firing], self.notices[dispatch.firing]
        sender = self.senders[dispatch.sender]
        shift = sender.lag_ms + sender.skew_ms
        event: dict[str, Any] = {
            "id": self.event_id(place),
            "source": sender.source,
            "status": "resolved" if dispatch.resolved else "firing",
            "name": notice.name,
            "starts_at": rfc3339(firing.start_at + shift),
            "observed_at": rfc3339(dispatch.observed_at),
            "labels": notice.labels | ({"replica": sender.replica} if sender.replica else {}),
            "summary": notice.summary,
            "value": notice.value,
            "threshold": notice.threshold,
        }
        optional = {"service": notice.service, "entity": notice.entity, "severity": notice.severity}
        event |= {key: value for key, value in optional.items() if value is not None}
        if notice.edge is not None:
            event["edge"] = notice.edge
        if dispatch.resolved:
            event["ends_at"] = rfc3339(firing.end_at + shift)
        elif sender.leased:
            lease_ms = 1000 * self.parameters.delivery.lease_seconds
            event["ends_at"] = rfc3339(dispatch.sent_at + sender.skew_ms + lease_ms)
        return event


def simulate(parameters: Parameters, seed: int, blueprint: Blueprint | None = None) -> Simulation:
    """Run a simulation; the system is `blueprint`, else one as the parameters say.

    Raises:
        ConfigError: the parameters name what the system does not have.
    """
    streams = Streams(seed)
    system = couple(blueprint or _blueprint(parameters, streams), parameters.couplings, streams)
    faults = faults_of(system, parameters, streams)
    spreads = [spread(system, fault, streams.of("spread", fault.case)) for fault in faults]
    rules = rules_of(system, parameters.monitoring, streams)
    if parameters.faults.silence_roots:
        silent = {fault.root for fault in faults}
        rules = [rule for rule in rules if rule.vertex not in silent]
    firings = _firings(system, rules, faults, spreads, parameters, streams)
    first_change = len(firings)
    announced = list(_announcements(faults, system, streams))
    firings += [firing for _, firing in announced]
    wording = Wording(system, parameters.delivery, streams)
    office = Office(system, parameters.delivery, streams)
    dispatches = [one for number, firing in enumerate(firings) for one in office.dispatches(number, firing)]
    dispatches.sort()
    return Simulation(
        parameters=parameters,
        seed=seed,
        system=system,
        rules=rules,
        faults=faults,
        spreads=spreads,
        firings=firings,
        notices=[wording.notice(firing, None if firing.fault is None else spreads[firing.fault]) for firing in firings],
        senders=office.senders,
        dispatches=dispatches,
        changes={first_change + place: case for place, (case, _) in enumerate(announced)},
        topology=observed(system, parameters.observation, streams),
    )


def overlapping(simulation: Simulation, fault: Fault) -> list[str]:
    """Return the cases that begin within the overlap of this one."""
    seconds = simulation.parameters.faults.overlap_seconds
    return [other.case for other in simulation.faults if starts_within(fault, other, seconds)]


def _blueprint(parameters: Parameters, streams: Streams) -> Blueprint:
    return shop() if parameters.shape.known == "shop" else grow(parameters.shape, streams)


def _firings(
    system: System,
    rules: Sequence[Rule],
    faults: Sequence[Fault],
    spreads: Sequence[Spread],
    parameters: Parameters,
    streams: Streams,
) -> list[Firing]:
    """Return the episodes of all rules, and the announcements of harmless deployments."""
    touching: defaultdict[str, list[int]] = defaultdict(list)
    for number, reach in enumerate(spreads):
        for name in sorted({*reach.troubled, *reach.starved}):
            touching[name].append(number)
    deployments = deployments_of(system, parameters, streams)
    spells = spells_of(rules, deployments, system, parameters, streams)
    effects = Effects(system, streams)
    firings: list[Firing] = []
    for rule in rules:
        waves: list[Wave] = []
        for number in touching.get(rule.vertex, ()):
            wave = effects.wave(rule, number, faults[number], spreads[number])
            if wave is not None:
                waves.append(wave)
        firings += firings_of(rule, waves, spells.get(rule.key, ()))
    for deployment in deployments:
        firings.append(_announcement(deployment.vertex, deployment.start_at, system, streams))
    return firings


def _announcements(faults: Sequence[Fault], system: System, streams: Streams) -> Iterator[tuple[str, Firing]]:
    """Yield the changes that brought faults about, with their cases."""
    for fault in faults:
        if fault.changed:
            low, high = _CHANGE_LEAD_SECONDS
            lead = low + min(high - low, exponential(streams.of("change lead", fault.case), 20.0))
            yield fault.case, _announcement(fault.root, fault.start_at - round(1000 * lead), system, streams)


def _announcement(vertex: str, start_at: int, system: System, streams: Streams) -> Firing:
    low, high = _ANNOUNCED_SECONDS
    share = streams.of("announcement", vertex, str(start_at)).random()
    return Firing(
        rule=change_rule(system.by_name[vertex], streams),
        pod=None,
        start_at=start_at,
        end_at=start_at + round(1000 * (low + (high - low) * share)),
        fault=None,
        origin=DEPLOY,
    )


def is_change(firing: Firing) -> bool:
    return firing.rule.aspect is Aspect.CHANGE
