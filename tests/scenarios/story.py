"""Stories: a timeline in plain words, and the incidents it must come to.

One line is one event, at minutes:seconds of the story:

    00:05 payments-db fires PostgresDown critical
    00:35 payments-db repeats PostgresDown                 a firing sent again
    20:00 payments-db ends PostgresDown
    00:05 web->cart fires CallErrors error                 an alert on a call, without a service of its own
    00:07 db fires PostgresDown critical (started 00:01; in eu; replica b; lease 09:00) "its summary"

An item may also be `{times: 20, every: "02:00", lines: [...]}`: the lines again and again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from correlator.domain import rfc3339

START = 1_700_000_000_000

_LINE = re.compile(
    r"^(?P<at>\d+:\d\d) (?P<who>\S+) (?P<verb>fires|repeats|ends) (?P<alert>\S+)(?: (?P<severity>[a-z]+))?"
    r"(?: \((?P<details>[^)]*)\))?(?: \"(?P<summary>.*)\")?$"
)


class Story(NamedTuple):
    """One scenario file, read."""

    title: str
    topology: dict[str, Any]
    settings: list[str]
    lines: list[bytes]
    expect: dict[str, Any]
    not_yet: str  # why the engine does not tell this story yet; empty where it does


def read(path: Path) -> Story:
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    unknown = tree.keys() - {"story", "depends", "owners", "aliases", "settings", "timeline", "expect", "not_yet"}
    assert not unknown, f"{path.name}: unknown keys {unknown}"
    events = sorted(_events(tree["timeline"], 0), key=lambda event: event["observed_at"])
    return Story(
        title=tree["story"],
        topology=_topology(tree.get("depends", {}), tree.get("owners", {}), tree.get("aliases", {})),
        settings=[f"{key}={value}" for key, value in tree.get("settings", {}).items()],
        lines=[json.dumps(event).encode() for event in _numbered(events)],
        expect=tree["expect"],
        not_yet=tree.get("not_yet", ""),
    )


def seconds(clock: str) -> int:
    minutes, rest = clock.split(":")
    return 60 * int(minutes) + int(rest)


def _topology(depends: dict[str, list[str]], owners: dict[str, str], aliases: dict[str, list[str]]) -> dict[str, Any]:
    names = dict.fromkeys([*depends, *(callee for callees in depends.values() for callee in callees)])
    services = [
        {"name": name}
        | ({"owner": owners[name]} if name in owners else {})
        | ({"aliases": aliases[name]} if name in aliases else {})
        for name in names
    ]
    edges = [{"from": caller, "to": callee} for caller, callees in depends.items() for callee in callees]
    return {"services": services, "dependencies": edges}


def _events(timeline: list[Any], offset: int) -> Iterator[dict[str, Any]]:
    starts: dict[tuple[str, str, str], int] = {}
    for item in timeline:
        if isinstance(item, str):
            yield _event(item, offset, starts)
            continue
        for turn in range(item["times"]):
            yield from _events(item["lines"], offset + turn * seconds(item["every"]))


def _event(line: str, offset: int, starts: dict[tuple[str, str, str], int]) -> dict[str, Any]:
    match = _LINE.match(line)
    assert match, f"not a line of a story: {line!r}"
    at = offset + seconds(match["at"])
    details = dict(detail.strip().split(" ", 1) for detail in (match["details"] or "").split(";") if detail.strip())
    identity = (match["who"], match["alert"], details.get("in", ""))
    if "started" in details:
        starts[identity] = offset + seconds(details["started"])
    elif match["verb"] == "fires":
        starts[identity] = at
    event: dict[str, Any] = {
        "status": "resolved" if match["verb"] == "ends" else "firing",
        "name": match["alert"],
        "starts_at": _clock(starts[identity]),
        "observed_at": _clock(at),
        "severity": match["severity"] or "unknown",
        "summary": match["summary"] or "",
    }
    event["entity" if "->" in match["who"] else "service"] = match["who"]
    if event["status"] == "resolved":
        event["ends_at"] = _clock(at)
    if "lease" in details:
        event["ends_at"] = _clock(offset + seconds(details["lease"]))
    if "in" in details:
        event["scope"] = details["in"]
    if "replica" in details:
        event["labels"] = {"replica": details["replica"]}
    return event


def _numbered(events: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for number, event in enumerate(events, start=1):
        yield {"id": f"e{number}", **event}


def _clock(second: int) -> str:
    return rfc3339(START + 1000 * second)
