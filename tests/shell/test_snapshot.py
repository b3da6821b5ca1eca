"""A restored engine says what the original would have said; damage and foreign versions are told apart from state."""

from __future__ import annotations

import itertools
import struct

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator import rankers, warm
from correlator.config import Config
from correlator.domain import AlertEvent, Severity, Status
from correlator.engine import snapshot as codec
from correlator.engine.decisions import Output
from correlator.engine.snapshot import Snapshot
from correlator.engine.state import Background, ScopeWarmth, State, WarmStart
from correlator.errors import LogError, SnapshotError
from correlator.formats import log
from correlator.partition import Partition
from topology.graph import Dependency, Service, ServiceGraph, TopologyDocument

START = 1_700_000_000_000
NAMES = [f"s{number}" for number in range(5)]
GRAPH = ServiceGraph(
    TopologyDocument(
        services=tuple(Service(name=name) for name in NAMES),
        dependencies=tuple(Dependency(source=caller, to=callee) for callee, caller in itertools.pairwise(NAMES)),
    )
)
GRAPHS = {graph.version: graph for graph in (GRAPH, ServiceGraph.empty())}
WARM = WarmStart(
    scope="a", version="w1", learned=ScopeWarmth(until=START - 90_000_000, background=Background(seen=7), habits={})
)
MODELS = {rankers.version(ranker): rankers.document(ranker) for ranker in (rankers.chosen(rankers.SHIPPED), None)}

events = st.builds(
    lambda number, status, service, name, scope, age: AlertEvent(
        id=f"e{number}",
        status=status,
        name=name,
        service=service,
        fingerprint=f"{service}/{name}",
        starts_at=START - age * 1000,
        observed_at=START,
        scope=scope,
        severity=Severity.CRITICAL,
    ),
    st.integers(0, 10**6),
    st.sampled_from(Status),
    st.sampled_from(NAMES),
    st.sampled_from(["HighLatency", "ServiceDown", "ErrorRate"]),
    st.sampled_from(["a", "b"]),
    st.integers(0, 300),
)
steps = st.tuples(
    st.integers(0, 200),
    st.one_of(
        st.lists(events, min_size=1, max_size=6),
        st.none(),
        st.sampled_from(sorted([*GRAPHS, *MODELS, WARM.version])),
    ),
)


def records(drawn: list[tuple[int, list[AlertEvent] | str | None]]) -> list[log.Record]:
    """Turn drawn steps into a log; each waits some seconds after the one before."""
    at = START
    made: list[log.Record] = []
    for number, (pause, what) in enumerate(drawn):
        at += pause * 1000
        if what is None:
            made.append(log.Tick(at=at))
        elif isinstance(what, str) and what in MODELS:
            made.append(log.ModelVersion(at=at, version=what, document=msgspec.Raw(MODELS[what])))
        elif what == WARM.version:
            made.append(warm.record(WARM, at))
        elif isinstance(what, str):
            made.append(log.TopologyVersion(at=at, version=what))
        else:
            source = log.Source(partition=0, offset=number, part="", floor=max(0, number - 3))
            made.append(log.Alerts(at=at, events=what, source=source))
    return [*made, log.Tick(at=at + 3_600_000)]


def run(partition: Partition, part: list[log.Record], start: int) -> list[Output]:
    said: list[Output] = []
    for offset, record in enumerate(part, start=start):
        said += partition.apply(record, GRAPHS)
        partition.advance(offset, log.encode(record))
    return said


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, min_size=2, max_size=25), st.data())
def test_a_restored_engine_has_the_same_future(
    drawn: list[tuple[int, list[AlertEvent] | str | None]], data: st.DataObject
) -> None:
    history = records(drawn)
    cut = data.draw(st.integers(0, len(history)))
    original = Partition(Config(), GRAPHS)
    run(original, history[:cut], 0)
    restored = Partition(Config(), GRAPHS, snapshot=codec.decode(codec.encode(original.snapshot())))
    assert restored.offset == original.offset
    assert restored.model_version() == original.model_version()
    # What was forwarded twice comes again after the cut, and is known again by both.
    rest = [*history[max(0, cut - 3) : cut], *history[cut:]]
    assert run(restored, rest, cut) == run(original, rest, cut)
    assert codec.encode(restored.snapshot()) == codec.encode(original.snapshot())


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, min_size=2, max_size=25))
def test_packed_records_say_what_they_say_one_by_one(drawn: list[tuple[int, list[AlertEvent] | str | None]]) -> None:
    history = records(drawn)
    packed: list[log.Record] = []
    for is_alerts, some in itertools.groupby(history, lambda record: isinstance(record, log.Alerts)):
        together = list(some)
        packed += [log.decode(log.join([log.encode(one) for one in together]))] if is_alerts else together
    assert run(Partition(Config(), GRAPHS), packed, 0) == run(Partition(Config(), GRAPHS), history, 0)


def test_a_snapshot_that_bears_no_model_leaves_it_to_who_reads_it() -> None:
    kept = codec.decode(codec.encode(Partition(Config(), GRAPHS).snapshot()))
    assert kept.model == b""
    shipped = rankers.chosen(rankers.SHIPPED)
    restored = Partition(Config(), GRAPHS, ranker=shipped, snapshot=kept)
    assert restored.engine.ranker is shipped
    assert restored.model_version() == ""


def test_a_model_that_this_version_cannot_use_is_refused_and_the_one_before_stays() -> None:
    partition = Partition(Config(), GRAPHS)
    shipped = rankers.chosen(rankers.SHIPPED)
    run(partition, [log.ModelVersion(at=START, version="x", document=msgspec.Raw(rankers.document(shipped)))], 0)
    strange = msgspec.Raw(rankers.document(shipped).replace(b'"surprise"', b'"horoscope"'))
    with pytest.raises(LogError, match="horoscope"):
        run(partition, [log.ModelVersion(at=START, version="y", document=strange)], 1)
    assert partition.model_version() == partition.engine.ranker.version == rankers.version(shipped)


def test_a_warm_start_comes_back_from_the_log_as_it_was_and_damage_is_refused() -> None:
    record = warm.record(WARM, START)
    assert warm.of_record(record) == WARM
    partition = Partition(Config(), GRAPHS)
    assert partition.awaits(WARM)
    for damaged in (b"", b"no compressed data", record.learned[:-3], zstandard.compress(b"\x01")):
        with pytest.raises(LogError, match="warm start"):
            run(partition, [msgspec.structs.replace(record, learned=damaged)], 0)
    run(partition, [record], 1)
    assert not partition.awaits(WARM)
    assert partition.awaits(msgspec.structs.replace(WARM, version="w2"))


def test_the_offset_is_read_without_the_rest() -> None:
    data = codec.encode(Snapshot(offset=2**40, mark="", state=State(), deliveries={}))
    assert codec.offset(data) == 2**40
    assert codec.is_snapshot(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"CORS",
        b"{}",
        struct.pack(">4sBq", b"CORS", 1, 5),
        struct.pack(">4sBq", b"CORS", 1, 5) + b"no compressed data",
        struct.pack(">4sBq", b"CORS", 99, 5) + b"a later version",
    ],
)
def test_what_is_no_snapshot_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(SnapshotError):
        codec.decode(data)


def test_a_truncated_snapshot_is_refused() -> None:
    data = codec.encode(Snapshot(offset=1, mark="", state=State(), deliveries={}))
    with pytest.raises(SnapshotError):
        codec.decode(data[:-3])
