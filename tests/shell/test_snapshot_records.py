"""The newest whole snapshot is found among the records of a topic, whatever else lies there."""

from __future__ import annotations

import itertools

import msgspec

from correlator.engine import snapshot as codec
from correlator.engine.snapshot import Snapshot
from correlator.engine.state import State
from correlator.shell.snapshots import PART_BYTES, Manifest, Record, newest, to_records


def blob(offset: int) -> bytes:
    return codec.encode(Snapshot(offset=offset, mark="m", state=State(), deliveries={}))


def cut(partition: int, slot: int, data: bytes, size: int) -> list[Record]:
    return list(to_records(partition, slot, data, part_bytes=size))


def offset(read: list[Record]) -> int | None:
    found = newest(0, read)
    return None if found is None else found.snapshot.offset


def test_a_small_snapshot_is_one_record_and_a_large_one_ends_with_its_manifest() -> None:
    data = blob(7)
    assert cut(3, 0, data, PART_BYTES) == [(b"3", data)]
    pieces = cut(3, 1, data, 10)
    assert len(pieces) == -(-len(data) // 10) + 1
    assert [key for key, _ in pieces] == [b"3/1/%d" % number for number in range(len(pieces) - 1)] + [b"3"]


def test_the_highest_offset_wins_over_the_last_record() -> None:
    stale = cut(0, 0, blob(5), PART_BYTES)
    fresh = cut(0, 0, blob(9), PART_BYTES)
    assert offset([*fresh, *stale]) == 9


def test_a_snapshot_in_parts_counts_only_when_it_is_whole() -> None:
    old, new = cut(0, 0, blob(5), 10), cut(0, 1, blob(9), 10)
    for length in range(len(new)):
        assert offset([*old, *new[:length]]) == 5
    assert offset([*old, *new]) == 9


def test_the_parts_of_the_one_before_are_not_overwritten_by_the_next() -> None:
    """As compaction may leave it: of each key only the last value."""
    old, new = cut(0, 0, blob(5), 10), cut(0, 1, blob(9), 10)
    for length in range(len(new)):
        left = dict(itertools.chain(old, new[:length]))
        assert offset(list(left.items())) == 5


def test_parts_mixed_from_two_snapshots_are_noticed() -> None:
    one, other = cut(0, 0, blob(5), 10), cut(0, 0, blob(9), 10)
    assert offset([one[0], other[1], *one[2:]]) is None


def test_what_is_damaged_is_passed_over() -> None:
    good = cut(0, 0, blob(5), PART_BYTES)
    bad = [(b"0", blob(9)[:-4]), (b"0", b"{}"), (b"0", b"\xff"), (b"0", b"")]
    assert offset([*good, *bad]) == 5
    assert offset(bad) is None


def test_a_damaged_manifest_costs_neither_memory_nor_the_snapshot_before_it() -> None:
    endless = msgspec.json.encode(Manifest(slot=1, parts=2**60, digest="x"))
    deep = b'{"slot":' + b"[" * 5000 + b"]" * 5000 + b"}"
    assert offset([*cut(0, 0, blob(5), 10), (b"0", endless), (b"0", deep)]) == 5
