"""The contract of replay: a line for every line, in order, the same bytes every time, in bounded memory."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.config import Config, load
from correlator.domain import Disposition, IncidentEvent, rfc3339
from correlator.engine.decisions import Decision, Reason, Verdict
from correlator.replay import Replay
from correlator.sinks import Assignments, Sinks, Summary
from tests.engine.drive import Run, broken_laws, graph_of
from tests.engine.histories import History, histories
from topology.graph import ServiceGraph
from topology.sources import file as topology_file

SHARED = Path(__file__).parents[2] / "shared"
FIELDS = {"event_id", "fingerprint", "disposition", "reason", "incident_id"}
GRAPH = graph_of({"web": ["api"], "api": ["db"]})


class Result:
    """What one replay wrote."""

    def __init__(self, incidents: bytes, assignments: bytes, rejected: bytes, summary: Summary) -> None:
        self.written = (incidents, assignments, rejected)
        self.published = [msgspec.json.decode(line, type=IncidentEvent) for line in incidents.splitlines()]
        self.assignments: list[dict[str, Any]] = [json.loads(line) for line in assignments.splitlines()]
        self.rejected: list[dict[str, Any]] = [json.loads(line) for line in rejected.splitlines()]
        self.summary = summary


def replay(lines: list[bytes], graph: ServiceGraph = GRAPH, config: Config | None = None) -> Result:
    incidents, assignments, rejected = io.BytesIO(), io.BytesIO(), io.BytesIO()
    run = Replay(config or Config(), graph, Sinks(incidents, assignments), rejected=rejected)
    for number, data in enumerate(lines, start=1):
        run.feed(number, data)
    summary = run.finish()
    return Result(incidents.getvalue(), assignments.getvalue(), rejected.getvalue(), summary)


def line(service: str, minute: float, status: str = "firing", *, started: float | None = None, **more: Any) -> bytes:
    begin = minute if started is None else started
    event = {"status": status, "name": f"{service}Down", "service": service, "severity": "critical",
             "starts_at": clock(begin), "observed_at": clock(minute), **more}  # fmt: skip
    if status == "resolved":
        event["ends_at"] = clock(minute)
    return json.dumps({key: value for key, value in event.items() if value is not ...}).encode()


def clock(minute: float) -> str:
    seconds = round(minute * 60)
    return f"2024-05-01T{10 + seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}Z"


# -- assignments ---------------------------------------------------------------------------------------------------


def test_every_line_has_one_assignment_in_the_order_of_the_lines() -> None:
    lines = [
        line("db", 0),
        line("db", 1, started=0),
        b"nonsense",
        line("api", 0.2, id="mine"),
        line("web", 2, severity="info"),
        line("db", 8, "resolved", started=0),
        line("db", 9, "resolved", started=0),
        line("db", 10, started=0),
    ]
    result = replay(lines)
    assert [one["event_id"] for one in result.assignments] == [
        "line-1", "line-2", "line-3", "mine", "line-5", "line-6", "line-7", "line-8",
    ]  # fmt: skip
    assert all(one.keys() == FIELDS for one in result.assignments)
    assert [one["disposition"] for one in result.assignments] == [
        "opened", "duplicate", "rejected", "attached", "attached", "resolved", "duplicate", "stale",
    ]  # fmt: skip
    ids = {one["incident_id"] for one in result.assignments if one["disposition"] in ("opened", "attached")}
    assert ids == {result.published[0].incident_id}
    assert result.assignments[2]["incident_id"] is None and result.assignments[2]["fingerprint"] is None


def test_exactly_one_event_of_an_incident_opens_it() -> None:
    result = replay([line(name, minute / 10) for minute, name in enumerate(["web", "api", "db"] * 4)])
    for history in Run(result.published).histories.values():
        opening = [one for one in result.assignments
                   if one["incident_id"] == history[0].incident_id and one["disposition"] == "opened"]  # fmt: skip
        assert len(opening) == 1


def test_the_incident_of_an_assignment_is_the_final_one_when_two_became_one() -> None:
    graph = graph_of({"payments": ["db"], "gateway": ["payments"], "search": ["db"], "portal": ["search"]})
    lines = [
        line("payments", 0),
        line("gateway", 0.1),
        line("search", 6.83),
        line("portal", 6.92),
        line("db", 7.5, started=3.5),
    ]
    result = replay([one.replace(b"Down", b"ErrorRate") if b'"db"' not in one else one for one in lines], graph)
    merged = [one for one in result.published if one.action == "merged"]
    assert len(merged) == 1
    assert {one["incident_id"] for one in result.assignments} == {merged[0].merged_into}


@settings(max_examples=25, deadline=None)
@given(histories())
def test_received_is_the_sum_of_dispositions(history: History) -> None:
    result = replay([_wire(event) for event in history.events], history.graph)
    assert result.summary.events == len(history.events) == sum(result.summary.dispositions.values())
    assert [one["event_id"] for one in result.assignments] == [event.id for event in history.events]
    counted = dict.fromkeys(Disposition, 0)
    for one in result.assignments:
        counted[Disposition(one["disposition"])] += 1
    assert counted == result.summary.dispositions
    assert result.summary.pages == sum(one.page for one in result.published)
    assert result.summary.incidents == sum(one.action == "opened" for one in result.published)


def _wire(event: Any) -> bytes:
    tree = msgspec.to_builtins(event)
    for key in ("starts_at", "ends_at", "observed_at"):
        if tree.get(key) is not None:
            tree[key] = rfc3339(tree[key])
    return msgspec.json.encode(tree)


# -- time ----------------------------------------------------------------------------------------------------------


def test_without_an_arrival_time_the_start_is_the_arrival() -> None:
    with_arrival = replay([line("db", 0), line("api", 1)])
    without = replay([line("db", 0, observed_at=...), line("api", 1, observed_at=...)])
    assert without.written == with_arrival.written


def test_time_never_goes_back() -> None:
    result = replay([line("db", 10, started=9), line("api", 2, started=1), line("web", 11)])
    assert result.assignments[0]["disposition"] == "opened"
    assert min(one.published_at for one in result.published) >= clock(10).replace("Z", ".000Z")


def test_after_the_last_line_time_goes_on_until_nothing_is_pending() -> None:
    result = replay([line("db", 0)])
    assert [one.action for one in result.published] == ["opened", "resolved"]


def test_a_broken_clock_years_ahead_is_refused_and_does_not_drag_the_others_along() -> None:
    lines = [line("db", 0), line("api", 1, observed_at="2031-01-01T00:00:00Z", starts_at="2031-01-01T00:00:00Z"),
             line("api", 1)]  # fmt: skip
    result = replay(lines)
    assert result.rejected[0]["reason"] == "bad_timestamp"
    assert result.published[-1].published_at < "2024-05-02"


# -- bad input -----------------------------------------------------------------------------------------------------


def test_a_rejected_line_is_kept_with_its_number_its_reason_and_its_bytes() -> None:
    bad = [b"nonsense", b"\xff\xfe{}", b'{"status":"firing"}', line("db", 0, starts_at="0001-01-01T00:00:00Z")]
    result = replay([line("db", 0), *bad])
    assert [(one["line"], one["reason"]) for one in result.rejected] == [
        (2, "not_json"), (3, "not_json"), (4, "missing_field"), (5, "bad_timestamp"),
    ]  # fmt: skip
    assert result.rejected[0]["text"] == "nonsense" and result.rejected[0]["base64"] is None
    assert result.rejected[1]["text"] is None and result.rejected[1]["base64"] == "//57fQ=="
    assert all(one["detail"] for one in result.rejected)
    assert result.summary.rejected == 4 == result.summary.dispositions["rejected"]


def test_a_line_beyond_the_bound_is_rejected_and_the_next_is_read() -> None:
    config = load(overrides=["worker.max_event_bytes=2000"])
    result = replay([line("db", 0, summary="x" * 3000), line("db", 0)], config=config)
    assert [one["disposition"] for one in result.assignments] == ["rejected", "opened"]
    assert result.rejected[0]["reason"] == "too_large"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=40), st.just(line("db", 0)), st.just(line("api", 1))), max_size=12))
def test_no_bytes_stop_a_replay(lines: list[bytes]) -> None:
    result = replay(lines)
    assert len(result.assignments) == len(lines)


# -- the same bytes ------------------------------------------------------------------------------------------------


def test_the_same_input_gives_the_same_bytes() -> None:
    lines = [line(["web", "api", "db", "other"][number % 4], number / 3, id=f"e{number}") for number in range(60)]
    assert replay(lines).written == replay(lines).written
    assert replay(lines).published != []


# -- memory --------------------------------------------------------------------------------------------------------


def _decision(number: int, node: int) -> Decision:
    waits = node != 0
    return Decision(
        event_id=f"e{number}",
        fingerprint="f",
        disposition=None if waits else Disposition.DUPLICATE,
        reason=Reason.NEW_TROUBLE if waits else Reason.REPEAT,
        scope="s",
        node=node,
    )


def _verdict(node: int) -> Verdict:
    return Verdict(
        node=node,
        scope="s",
        incident_id="i" * 8,
        disposition=Disposition.ATTACHED,
        reason=Reason.EXPLAINED,
        opening_event=None,
    )


def test_lines_that_wait_beyond_memory_come_out_in_order() -> None:
    sink = io.BytesIO()
    assignments = Assignments(sink)
    count = 65_000
    for number in range(count):
        assignments.decision(_decision(number, node=1 + number % 3 if number % 10 == 0 else 0))
    assert sink.getvalue() == b""
    assignments.verdict(_verdict(2))
    assignments.verdict(_verdict(3))
    assert sink.getvalue() == b""  # the first line still waits
    assignments.verdict(_verdict(1))
    assignments.decision(_decision(count, node=0))
    assignments.close(sealed=True)
    written = [json.loads(one)["event_id"] for one in sink.getvalue().splitlines()]
    assert written == [f"e{number}" for number in range(count + 1)]
    assert sum(assignments.counts.values()) == count + 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=60))
def test_lines_come_out_in_order_however_verdicts_come(drawn: list[tuple[int, bool]]) -> None:
    sink = io.BytesIO()
    assignments = Assignments(sink)
    generation = dict.fromkeys(range(1, 4), 0)
    for number, (choice, seal) in enumerate(drawn):
        assignments.decision(_decision(number, node=choice and 10 * generation[choice] + choice))
        if choice and seal:
            assignments.verdict(_verdict(10 * generation[choice] + choice))
            generation[choice] += 1
    for choice in generation:
        assignments.verdict(_verdict(10 * generation[choice] + choice))
    assignments.close(sealed=True)
    assert [json.loads(one)["event_id"] for one in sink.getvalue().splitlines()] == [
        f"e{number}" for number in range(len(drawn))
    ]


def test_an_event_without_a_fate_at_the_end_is_an_error_of_ours() -> None:
    assignments = Assignments(io.BytesIO())
    assignments.decision(_decision(1, node=1))
    with pytest.raises(AssertionError, match="no verdict"):
        assignments.close(sealed=True)


# -- the shared streams --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "settings_"),
    [
        ("online-boutique", []),
        ("train-ticket", []),
        ("petshop-low", ["correlation_window_seconds=900"]),
        ("petshop-high", ["correlation_window_seconds=900"]),
    ],
)
def test_a_labelled_stream_is_replayed_to_its_end(name: str, settings_: list[str]) -> None:
    folder = SHARED / "data" / name
    if not folder.exists():
        pytest.skip(f"the shared data are not beside the repository, in {SHARED}")
    lines = (folder / "alerts.jsonl").read_bytes().splitlines()
    graph = topology_file.load(folder / "topology.json")
    result = replay(lines, graph, load(overrides=settings_))
    assert [one["event_id"] for one in result.assignments] == [json.loads(one)["id"] for one in lines]
    assert result.summary.rejected == 0 and result.summary.pages > 0
    assert broken_laws(Run(result.published)) == []
    schema = SHARED / "contracts" / "incident-event.schema.json"
    validator = jsonschema.Draft202012Validator(json.loads(schema.read_text()))
    for one in result.written[0].splitlines():
        assert [error.message for error in validator.iter_errors(json.loads(one))] == []
