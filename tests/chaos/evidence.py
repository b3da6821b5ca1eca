"""What a run left behind: the topics, the calls, the replays of the log, and how far everybody has read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from correlator.config import Config
from correlator.replay import LogReplay
from correlator.shell.dump import line
from correlator.shell.kafka import all_records, partitions_of, reader
from correlator.sinks import Sinks
from tests.chaos import verdicts
from tests.chaos.endpoint import Call, Endpoint
from tests.chaos.verdicts import Place, Published, Span
from topology.sources import file as topology_file

_POLL_SECONDS = 0.5
TARGETS = ("pd", "hook")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that the verdicts need."""

    sent: Mapping[Place, Sequence[str]]
    rubbish: Sequence[Place]
    letters: Sequence[Place]
    log: Sequence[Mapping[str, Any]]
    published: Sequence[Published]
    replayed: Mapping[int, Sequence[bytes]]
    fates: Sequence[str]
    calls: Sequence[Call]
    troubles: Sequence[Span]
    lags: Mapping[str, int]

    @property
    def incidents(self) -> int:
        return len({json.loads(record.value)["incident_id"] for record in self.published})

    @property
    def repeats(self) -> int:
        """How many incident events were published again, by those who did something over."""
        return len(self.published) - len(verdicts.without_repeats(self.published))

    def judge(self) -> dict[str, list[str]]:
        """Return what is wrong, by promise; every list is empty when all promises were kept."""
        heard = verdicts.pagerduty_of(self.calls)
        return {
            "log identical": [
                *verdicts.differing_repeats(self.published),
                *verdicts.differs_from_replay(self.published, self.replayed),
            ],
            "lost": [
                *verdicts.not_logged_once(self.sent, self.log),
                *verdicts.without_fate(self.sent, self.fates),
                *verdicts.not_set_aside(self.rubbish, self.letters),
                *verdicts.unpaged(self.published, heard, self.troubles),
                *verdicts.webhook_missed(self.published, self.calls),
            ],
            "doubled": [
                *verdicts.with_several_fates(self.sent, self.fates),
                *verdicts.doubled(heard, self.published),
            ],
            "unresolved": [*verdicts.unresolved(heard), *verdicts.never_over(self.published)],
            "stuck": verdicts.stuck(self.lags),
        }


async def wait_over(config: Config, endpoint: Endpoint, *, timeout_seconds: float) -> list[str]:
    """Return when every incident is over and everybody was told; else, after the time-out, what is not."""
    problems = ["nothing was asked"]
    try:
        async with asyncio.timeout(timeout_seconds):
            while problems:
                await asyncio.sleep(_POLL_SECONDS * 2)
                try:
                    published = await _published(config)
                    behind = await _behind(config, await _ends(config))
                except (KafkaError, TimeoutError):
                    continue
                problems = verdicts.never_over(published) or verdicts.unresolved(verdicts.pagerduty_of(endpoint.calls))
                problems = problems or verdicts.webhook_missed(published, endpoint.calls)
                # The log never ends, as time is in it: only its ingest side can be read to the end.
                problems = problems or [name for name, lag in behind.items() if lag and not name.endswith("events")]
    except TimeoutError:
        return [f"not over after {timeout_seconds:g} s: {problem}" for problem in problems[:20]]
    return []


async def lags(config: Config, *, timeout_seconds: float) -> dict[str, int]:
    """Return how many of the records that are there now nobody has committed, once it is none or the time is up."""
    ends = await _ends(config)
    behind = await _behind(config, ends)
    try:
        async with asyncio.timeout(timeout_seconds):
            while any(behind.values()):
                await asyncio.sleep(_POLL_SECONDS)
                behind = await _behind(config, ends)
    except TimeoutError:
        pass
    return behind


async def collect(
    config: Config,
    topology: Path,
    folder: Path,
    calls: Sequence[Call],
    troubles: Sequence[Span],
    lags: Mapping[str, int],
) -> Evidence:
    """Read every topic and replay the log; the log and the calls are kept in the folder, too."""
    kafka = config.kafka
    messages = await _all(config, kafka.alerts_topic)
    sent, rubbish = _ids(messages)
    records = await _all(config, kafka.events_topic)
    # For whoever looks into it: `correlator replay --log` takes it.
    (folder / "log.jsonl").write_bytes(b"".join(line(record) + b"\n" for record in records))
    (folder / "calls.jsonl").write_text("".join(f"{json.dumps(asdict(call))}\n" for call in calls))
    letters = [dict(record.headers) for record in await _all(config, kafka.rejected_topic)]
    replayed, fates = {}, []
    for number in range(kafka.partitions):
        of_partition = [line(record) for record in records if record.partition == number]
        incidents, assigned = await asyncio.to_thread(_replay, config, topology, of_partition)
        replayed[number] = incidents
        fates += assigned
    return Evidence(
        sent=sent,
        rubbish=rubbish,
        letters=[(int(letter["partition"]), int(letter["offset"])) for letter in letters],
        log=[json.loads(record.value) for record in records],
        published=await _published(config),
        replayed=replayed,
        fates=fates,
        calls=list(calls),
        troubles=list(troubles),
        lags=lags,
    )


def _ids(messages: Sequence[ConsumerRecord]) -> tuple[dict[Place, list[str]], list[Place]]:
    """Return the ids of the events of every message, and the messages that hold none."""
    sent: dict[Place, list[str]] = {}
    rubbish: list[Place] = []
    for message in messages:
        place = (message.partition, message.offset)
        try:
            document = json.loads(message.value)
        except ValueError:
            rubbish.append(place)
            continue
        sent[place] = [event["id"] for event in (document if isinstance(document, list) else [document])]
    return sent, rubbish


def _replay(config: Config, topology: Path, lines: Sequence[bytes]) -> tuple[list[bytes], list[str]]:
    """Return the incident events of a partition of the log, and the id of every event at its disposition."""
    incidents, assignments = BytesIO(), BytesIO()
    run = LogReplay(config, [topology_file.load(topology)], Sinks(incidents, assignments))
    for number, text in enumerate(lines, start=1):
        run.feed(number, text)
    run.finish()
    fates = [json.loads(text)["event_id"] for text in assignments.getvalue().splitlines()]
    return incidents.getvalue().splitlines(), fates


async def _all(config: Config, topic: str) -> list[ConsumerRecord]:
    found = [record async for record in all_records(config.kafka, topic)]
    return sorted(found, key=lambda record: (record.partition, record.offset))


async def _published(config: Config) -> list[Published]:
    records = await _all(config, config.kafka.incidents_topic)
    return [Published(partition=record.partition, value=record.value) for record in records]


def _groups(config: Config) -> dict[str, tuple[str, str]]:
    kafka = config.kafka
    worker = config.worker.app_id
    groups = {f"{worker} of {topic}": (worker, topic) for topic in (kafka.alerts_topic, kafka.events_topic)}
    for target in TARGETS:
        group = f"{config.pager.group_id}.{target}"
        groups[f"{group} of {kafka.incidents_topic}"] = (group, kafka.incidents_topic)
    return groups


async def _ends(config: Config) -> dict[str, dict[TopicPartition, int]]:
    ends = {}
    async with reader(config.kafka) as consumer:
        for name, (_, topic) in _groups(config).items():
            ends[name] = await consumer.end_offsets(await partitions_of(consumer, topic))
    return ends


async def _behind(config: Config, ends: Mapping[str, Mapping[TopicPartition, int]]) -> dict[str, int]:
    behind = {}
    for name, (group, _) in _groups(config).items():
        async with reader(config.kafka, group_id=group) as consumer:
            behind[name] = sum(
                [max(0, end - (await consumer.committed(place) or 0)) for place, end in ends[name].items()]
            )
    return behind
