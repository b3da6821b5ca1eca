"""Where the course of events comes from: a file of raw alerts, a dump of the log, or the log in Kafka."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import IO

import msgspec

from correlator import warm
from correlator.config import Config, KafkaConfig
from correlator.domain import IncidentEvent
from correlator.engine.warmth import Warmth
from correlator.errors import ConfigError, CorrelatorError, LogError
from correlator.explain.course import Step
from correlator.formats import log
from correlator.replay import Arrivals, DumpedRecord, Refusal
from correlator.shell.dump import dump
from correlator.shell.lines import lines
from correlator.shell.topologies import published
from topology.graph import ServiceGraph, TopologyDocument

_dumped = msgspec.json.Decoder(DumpedRecord)
_MAX_LOG_LINE = 64_000_000


def from_alerts(
    config: Config, graph: ServiceGraph, source: IO[bytes], *, warmth: Warmth | None = None
) -> Iterator[Step]:
    """Yield what a replay of raw alerts applies; what it refuses is left out."""
    arrivals = Arrivals(config, graph, lambda notices: None)
    first = True
    for number, (line, _) in enumerate(lines(source, arrivals.max_line_bytes), start=1):
        for read in arrivals.read(number, line) if line.strip() else ():
            if isinstance(read, Refusal):
                continue
            event = read.event
            if first:
                yield Step(0, log.TopologyVersion(at=event.observed_at, version=graph.version))
                for start in warmth.starts() if warmth is not None else ():
                    yield Step(0, warm.record(start, event.observed_at))
                first = False
            yield Step(0, log.Alerts(at=event.observed_at, events=[event]))


def from_dump(source: IO[bytes]) -> Iterator[Step]:
    """Yield the records of a dump of the log.

    Raises:
        LogError: a line is no record.
    """
    yield from from_lines(line for line, _ in lines(source, _MAX_LOG_LINE))


def from_lines(dumped: Iterable[bytes]) -> Iterator[Step]:
    for number, line in enumerate(dumped, start=1):
        if not line.strip():
            continue
        try:
            record = _dumped.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LogError(f"line {number}: {error}") from None
        try:
            parts = log.parts(log.decode(bytes(record.value)))
        except LogError:
            continue  # the workers passed over it too
        for part in parts:
            yield Step(record.partition, part, record.timestamp)


class InKafka(msgspec.Struct, frozen=True):
    """What Kafka holds: the log, the versions of the graph, and the incident as it was last published."""

    log: list[bytes]
    graphs: Mapping[str, ServiceGraph]
    incidents: dict[str, IncidentEvent]


async def from_kafka(kafka: KafkaConfig) -> InKafka:
    """Read the topics as they are now.

    Raises:
        CorrelatorError: Kafka does not answer or lacks a topic.
    """
    found = await published(kafka)
    graphs = [ServiceGraph(msgspec.json.decode(document, type=TopologyDocument)) for _, document in found.values()]
    return InKafka(
        [line async for line in dump(kafka, kafka.events_topic)],
        {graph.version: graph for graph in [*graphs, ServiceGraph.empty()]},
        _incidents([line async for line in dump(kafka, kafka.incidents_topic)]),
    )


class _Published(msgspec.Struct):
    value: IncidentEvent | None


def _incidents(dumped: Iterable[bytes]) -> dict[str, IncidentEvent]:
    decoder = msgspec.json.Decoder(_Published)
    found = {}
    for line in dumped:
        try:
            event = decoder.decode(line).value
        except msgspec.DecodeError as error:
            raise CorrelatorError(f"a record of the incidents cannot be read: {error}") from None
        if event is not None:
            found[f"{event.incident_id}/{event.revision}"] = event
    return found


def written(name: str, source: IO[bytes]) -> dict[str, IncidentEvent]:
    """Read the incident events that a replay wrote, by incident and revision.

    Raises:
        ConfigError: a line is none.
    """
    found = {}
    for number, (line, _) in enumerate(lines(source, _MAX_LOG_LINE), start=1):
        try:
            event = msgspec.json.decode(line, type=IncidentEvent)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(name, [f"line {number}: {error}"]) from None
        found[f"{event.incident_id}/{event.revision}"] = event
    return found
