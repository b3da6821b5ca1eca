"""What a report reads is what a replay told of."""

from __future__ import annotations

import io
import json

from correlator.config import Config
from correlator.replay import Replay
from correlator.report import reading
from correlator.sinks import Sinks
from topology.graph import ServiceGraph

SECRET = "ghp_" + "a1B2" * 9


def line(number: int, at: str, **more: object) -> bytes:
    alert = {"id": f"alert-{number}", "status": "firing", "name": "Down", "service": "db", "starts_at": at, **more}
    return json.dumps(alert).encode()


def test_every_assignment_finds_its_alert_also_of_what_was_refused_or_hides_a_secret() -> None:
    lines = [
        line(1, "2026-03-02T00:00:00Z"),
        line(2, "2029-03-02T00:00:00Z"),  # more than a year ahead of all before it
        line(3, "2026-03-02T00:01:00Z", id=f"of-{SECRET}"),
        line(4, "yesterday", id=f"bad-{SECRET}"),
        b"no document",
        line(5, "2026-03-02T00:02:00Z"),
    ]
    written = io.BytesIO()
    replay = Replay(Config(), ServiceGraph.empty(), Sinks(assignments=written))
    for number, data in enumerate(lines, start=1):
        replay.feed(number, data)
    replay.finish()
    assignments = written.getvalue().splitlines()
    fates = list(reading.fates(assignments, "fates", reading.alerts(lines, Config(), ServiceGraph.empty())))
    assert len(fates) == len(lines)
    assert [fate.at is None for fate in fates] == [False, True, False, True, True, False]
    assert SECRET.encode() not in written.getvalue()
