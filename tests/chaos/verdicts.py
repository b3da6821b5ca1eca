"""What must hold after any chaos: pure functions from what was recorded to what is wrong with it, in words."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from correlator.domain import instant_of
from tests.chaos.endpoint import PAGERDUTY_PATH, WEBHOOK_PATH, Call

Place = tuple[int, int]  # partition and offset of the alerts topic


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Some time, in milliseconds since the epoch."""

    begin: int
    end: int

    def meets(self, other: Span) -> bool:
        return self.begin <= other.end and other.begin <= self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A record of the incidents topic."""

    partition: int
    value: bytes


# -- (a) what was published is what a replay of the log gives ---------------------------------------------------------


def differing_repeats(published: Iterable[Published]) -> list[str]:
    """Say which repeats of (incident_id, revision) are not the same byte for byte."""
    seen: dict[tuple[str, int], bytes] = {}
    wrong = []
    for record in published:
        key = _key(record.value)
        if seen.setdefault(key, record.value) != record.value:
            wrong.append(f"{key[0]} revision {key[1]} was published twice and differs")
    return wrong


def differs_from_replay(published: Sequence[Published], replayed: Mapping[int, Sequence[bytes]]) -> list[str]:
    """Say where what was published, repeats dropped, is not what the replay of each partition of the log gives.

    Events of one partition of the log lie in several of `incidents`, among those of others; within each they must lie
    in the order of the replay.
    """
    home = {_key(value): number for number, values in replayed.items() for value in values}
    lanes: dict[tuple[int, int], list[bytes]] = defaultdict(list)
    where: dict[str, int] = {}
    wrong = []
    for record in without_repeats(published):
        key = _key(record.value)
        where[key[0]] = record.partition
        if key in home:
            lanes[home[key], record.partition].append(record.value)
        else:
            wrong.append(f"{key[0]} revision {key[1]} was published, the replay does not give it")
    for number, values in replayed.items():
        expected: dict[int, list[bytes]] = defaultdict(list)
        for value in values:
            identity, revision = _key(value)
            if identity in where:
                expected[where[identity]].append(value)
            else:
                wrong.append(f"{identity} revision {revision} was not published")
        for partition in {place for lane, place in lanes if lane == number} | expected.keys():
            wrong += _difference(lanes[number, partition], expected[partition], f"log {number}, incidents {partition}")
    return wrong


def without_repeats(published: Iterable[Published]) -> list[Published]:
    """Drop repeated (incident_id, revision), as consumers do."""
    first: dict[tuple[str, int], Published] = {}
    for record in published:
        first.setdefault(_key(record.value), record)
    return list(first.values())


def _difference(actual: Sequence[bytes], expected: Sequence[bytes], where: str) -> list[str]:
    if actual == expected:
        return []
    missing = [_key(value) for value in expected if value not in set(actual)]
    if missing:
        return [f"{where}: {len(missing)} events of the replay were not published so, the first: {missing[0]}"]
    return [f"{where}: published in another order than the replay's"]


# -- (b) every alert is in the log once, and has one fate -------------------------------------------------------------


def not_logged_once(sent: Mapping[Place, Sequence[str]], log: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say which messages of the alerts topic are not in the log exactly once, forwards repeated by a recovery dropped.

    Args:
        sent: ids of the events of every message that holds any.
        log: the records of `correlator-events`.
    """
    parts: dict[tuple[int, int, str], list[str]] = {}
    wrong = []
    for record in (part for whole in log for part in whole.get("records", [whole])):
        if record["type"] == "alerts":
            source = record["source"]
            key = (source["partition"], source["offset"], source["part"])
            ids = [event["id"] for event in record["events"]]
            if parts.setdefault(key, ids) != ids:
                wrong.append(f"message {key[:2]} was forwarded twice and differs")
    logged: dict[Place, list[str]] = defaultdict(list)
    for (partition, offset, _), ids in parts.items():
        logged[partition, offset] += ids
    for place, expected in sent.items():
        if Counter(logged.pop(place, [])) != Counter(expected):
            wrong.append(f"message {place} with {len(expected)} events is not in the log as it was sent")
    return wrong + [f"message {place} in the log was never sent" for place in logged]


def without_fate(sent: Mapping[Place, Sequence[str]], fates: Iterable[str]) -> list[str]:
    """Say which events have fewer dispositions than they were sent times; `fates` are the ids at their dispositions."""
    expected, actual = _sent_ids(sent), Counter(fates)
    return [
        f"{identity}: sent {times} times, {actual[identity]} dispositions"
        for identity, times in expected.items()
        if actual[identity] < times
    ]


def with_several_fates(sent: Mapping[Place, Sequence[str]], fates: Iterable[str]) -> list[str]:
    """Say which events have more dispositions than they were sent times: a forward repeated was taken for news."""
    expected = _sent_ids(sent)
    return [
        f"{identity}: sent {expected[identity]} times, {times} dispositions"
        for identity, times in Counter(fates).items()
        if times > expected[identity]
    ]


def _sent_ids(sent: Mapping[Place, Sequence[str]]) -> Counter[str]:
    return Counter(identity for ids in sent.values() for identity in ids)


def not_set_aside(rubbish: Iterable[Place], letters: Iterable[Place]) -> list[str]:
    """Say which unusable messages are no dead letters, and which dead letters were no such messages."""
    expected, actual = set(rubbish), set(letters)
    return [
        *(f"rubbish {place} was not set aside" for place in sorted(expected - actual)),
        *(f"message {place} was set aside without need" for place in sorted(actual - expected)),
    ]


# -- (c) each page once, and its resolve ------------------------------------------------------------------------------


def pagerduty_of(calls: Iterable[Call]) -> dict[str, list[str]]:
    """Return what PagerDuty took of each dedup_key, in order."""
    heard: dict[str, list[str]] = defaultdict(list)
    for call in calls:
        if call.taken and call.path == PAGERDUTY_PATH:
            heard[call.body["dedup_key"]].append(call.body["event_action"])
    return dict(heard)


def doubled(heard: Mapping[str, Sequence[str]], published: Iterable[Published]) -> list[str]:
    """Say which incidents were opened too often: a trigger that finds its dedup_key closed pages a human.

    It may do so once, and once more each time that the incident was published as reopened.
    """
    allowed: Counter[str] = Counter()
    for record in without_repeats(published):
        event = json.loads(record.value)
        allowed[event["incident_id"]] += event["action"] == "reopened"
    wrong = []
    for identity, actions in heard.items():
        openings, is_open = 0, False
        for action in actions:
            openings += action == "trigger" and not is_open
            is_open = action != "resolve" and (is_open or action == "trigger")
        if openings > 1 + allowed[identity]:
            wrong.append(f"{identity} was paged {openings} times: {', '.join(actions)}")
    return wrong


def unresolved(heard: Mapping[str, Sequence[str]]) -> list[str]:
    """Say which pages stay open, now that everything is over."""
    return [
        f"{identity} was paged and never resolved" for identity, actions in heard.items() if actions[-1] != "resolve"
    ]


def unpaged(published: Iterable[Published], heard: Mapping[str, Sequence[str]], troubles: Sequence[Span]) -> list[str]:
    """Say which pages were lost: published, and never triggered.

    An incident that ended while the pager, its target, Kafka or the workers were in trouble need not be paged any more.
    """
    pages: dict[str, int] = {}
    ends: dict[str, int] = {}
    for record in without_repeats(published):
        event = json.loads(record.value)
        identity = event["incident_id"]
        if event["page"]:
            pages.setdefault(identity, _instant(event["published_at"]))
        if event["status"] == "resolved":
            ends.setdefault(identity, _instant(event["published_at"]))
    wrong = []
    for identity, at in pages.items():
        if "trigger" not in heard.get(identity, ()):
            end = ends.get(identity)
            if end is None or not any(trouble.meets(Span(begin=at, end=end)) for trouble in troubles):
                wrong.append(f"{identity} pages and was never triggered")
    return wrong


def webhook_missed(published: Iterable[Published], calls: Iterable[Call]) -> list[str]:
    """Say what the webhook, which hears everything, did not hear, or heard in another order."""
    expected: dict[str, list[int]] = defaultdict(list)
    for record in without_repeats(published):
        identity, revision = _key(record.value)
        expected[identity].append(revision)
    actual: dict[str, list[int]] = defaultdict(list)
    for call in calls:
        if call.taken and call.path == WEBHOOK_PATH:
            actual[call.body["incident_id"]].append(call.body["revision"])
    return [
        f"{identity}: the webhook heard revisions {actual[identity]}, not {revisions}"
        for identity, revisions in expected.items()
        if list(dict.fromkeys(actual[identity])) != revisions
    ]


def never_over(published: Iterable[Published]) -> list[str]:
    """Say which incidents are open at the end, although everything in the stream is resolved."""
    last: dict[str, str] = {}
    for record in without_repeats(published):
        event = json.loads(record.value)
        last[event["incident_id"]] = event["status"]
    return [f"{identity} is {status} at the end" for identity, status in last.items() if status != "resolved"]


# -- (d) nothing is stuck ---------------------------------------------------------------------------------------------


def stuck(lags: Mapping[str, int]) -> list[str]:
    """Say which groups have not committed what was there when everything was over."""
    return [f"{name}: {lag} records are not committed" for name, lag in lags.items() if lag]


def _key(value: bytes) -> tuple[str, int]:
    event = json.loads(value)
    return event["incident_id"], event["revision"]


def _instant(text: str) -> int:
    return instant_of(datetime.fromisoformat(text))
