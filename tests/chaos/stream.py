"""What is alerted meanwhile: simulated storms of several scopes, told faster, and in each a fault that stands."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from correlator.domain import instant_of, rfc3339
from correlator.simulator.command import drawn_from
from correlator.simulator.presets import preset
from correlator.simulator.simulation import simulate
from correlator.simulator.writing import write
from topology.sources import file as topology_file

#: Chances of a message to be sent twice, of alerts that come together to be one message, of rubbish in between.
_REPEATED = 0.05
_BATCHED = 0.5
_RUBBISH = 0.01
_BATCH_SECONDS = 0.5
#: A standing fault lasts from here to there, as shares of the whole.
_STANDING = (0.05, 0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A record for the alerts topic: `at` seconds from the beginning, with the events it holds, empty for rubbish."""

    at: float
    partition: int
    events: tuple[dict[str, Any], ...]

    def value(self, began_at: int) -> bytes:
        """Return its bytes; `began_at` is when the stream began, in milliseconds."""
        if not self.events:
            return b"rubbish"
        told = [_at_last(event, began_at) for event in self.events]
        return json.dumps(told[0] if len(told) == 1 else told).encode()


def write_topology(seed: int, folder: Path) -> Path:
    """Write the graph of the simulated system."""
    write(simulate(preset("demo"), seed), folder)
    return folder / "topology.json"


def messages(
    seed: int, topology: Path, *, scopes: Sequence[str], partitions: int, seconds: float
) -> tuple[Message, ...]:
    """Return what is produced, in order: an hour of every scope in `seconds`, and in each a service that is down."""
    chance = random.Random(f"stream {seed}")
    timed: list[tuple[float, dict[str, Any]]] = []
    for number, scope in enumerate(scopes):
        timed += _storm(seed * 1000 + number, topology, scope, seconds)
        timed += _standing(scope, seconds)
    timed.sort(key=lambda pair: (pair[0], pair[1]["id"]))
    made: list[Message] = []
    for at, events in _batches(timed, chance):
        partition = chance.randrange(partitions)
        made.append(Message(at=at, partition=partition, events=events))
        if chance.random() < _REPEATED:
            made.append(Message(at=at + chance.uniform(0.0, 5.0), partition=partition, events=events))
        if chance.random() < _RUBBISH:
            made.append(Message(at=at, partition=partition, events=()))
    return tuple(sorted(made, key=lambda message: message.at))


def speed(seconds: float) -> float:
    """Return how much faster than simulated the storms are told."""
    return preset("demo").seconds / seconds


def _storm(seed: int, topology: Path, scope: str, seconds: float) -> Iterator[tuple[float, dict[str, Any]]]:
    """Yield the events after the warm-up; moments in them become seconds from the beginning."""
    parameters = preset("demo")
    made = simulate(parameters, seed, drawn_from(topology_file.load(topology)))
    faster = speed(seconds)
    for event in made.events():
        observed_at = _instant(event.pop("observed_at"))
        if observed_at >= parameters.scored_from:
            began = parameters.scored_from
            event |= {"id": f"{scope}-{event['id']}", "scope": scope}
            for key in ("starts_at", "ends_at"):
                if key in event:
                    event[key] = (_instant(event[key]) - began) / 1000 / faster
            yield (observed_at - began) / 1000 / faster, event


def _standing(scope: str, seconds: float) -> Iterator[tuple[float, dict[str, Any]]]:
    """Yield a fault that no trouble of seconds may hide: it must be paged, and resolved."""
    first, last = (share * seconds for share in _STANDING)
    event = {"name": "ServiceDown", "service": f"{scope}-ledger", "scope": scope, "severity": "critical"}
    event |= {"summary": "ServiceDown: no instance answers"}
    at, number = first, 0
    while at < last:
        yield at, {**event, "id": f"{scope}-standing-{number}", "status": "firing", "starts_at": first}
        at, number = at + 2.0, number + 1
    end = {"id": f"{scope}-standing-end", "status": "resolved", "starts_at": first, "ends_at": last}
    yield last, {**event, **end}


def _batches(
    timed: Sequence[tuple[float, dict[str, Any]]], chance: random.Random
) -> Iterator[tuple[float, tuple[dict[str, Any], ...]]]:
    """Yield single events, and such as come together as one; of any scopes."""
    held: list[dict[str, Any]] = []
    until = 0.0
    for at, event in timed:
        if held and at > until:
            yield until, tuple(held)
            held = []
        if held or chance.random() < _BATCHED / 10:
            until = until if held else at + _BATCH_SECONDS
            held.append(event)
        else:
            yield at, (event,)
    if held:
        yield until, tuple(held)


def _at_last(event: dict[str, Any], began_at: int) -> dict[str, Any]:
    moments = [key for key in ("starts_at", "ends_at") if key in event]
    return {**event, **{key: rfc3339(began_at + round(event[key] * 1000)) for key in moments}}


def _instant(text: str) -> int:
    return instant_of(datetime.fromisoformat(text))
