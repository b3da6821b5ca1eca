"""Packed records of the log: the same events in the same order, in the same partition as unpacked."""

from __future__ import annotations

from aiokafka.partitioner import DefaultPartitioner

from correlator.domain import AlertEvent, Status
from correlator.formats import log
from correlator.shell.bulk import slices
from correlator.shell.parcels import PARCEL_BYTES, Parcels


def alerts(number: int, summary: str = "") -> log.Alerts:
    event = AlertEvent(
        id=f"e{number}",
        status=Status.FIRING,
        name="Down",
        service="s",
        fingerprint="f",
        starts_at=number,
        observed_at=number,
        summary=summary,
    )
    return log.Alerts(at=number, events=[event])


def test_one_record_alone_stays_what_it_is_under_its_key() -> None:
    parcels = Parcels([0])
    parcels.add("shop", log.encode(alerts(1)), 1)
    (parcel,) = parcels.take()
    assert (parcel.key, parcel.at, log.decode(parcel.value)) == (b"shop", 1, alerts(1))


def test_order_within_a_partition_is_kept_over_scopes_and_sizes() -> None:
    parcels = Parcels([0])
    added = [alerts(number, "x" * (20_000 * (number % 3))) for number in range(40)]
    for one in added:
        parcels.add(f"scope-{one.at % 5}", log.encode(one), one.at)
    packed = parcels.take()
    assert [part for parcel in packed for part in log.parts(log.decode(parcel.value))] == added
    assert 1 < len(packed) < len(added)
    assert all(len(parcel.value) < PARCEL_BYTES + 1000 for parcel in packed)
    assert [parcel.at for parcel in packed] == sorted(parcel.at for parcel in packed)
    assert parcels.take() == []


def test_what_is_larger_than_a_parcel_goes_alone() -> None:
    parcels = Parcels([0])
    for number, size in enumerate((10, 2 * PARCEL_BYTES, 10)):
        parcels.add("shop", log.encode(alerts(number, "x" * size)), number)
    assert [len(log.parts(log.decode(parcel.value))) for parcel in parcels.take()] == [1, 1, 1]


def test_a_scope_lies_where_its_key_would_put_it() -> None:
    partitions = [0, 1, 2, 3]
    parcels = Parcels(partitions)
    scopes = [f"scope-{number}" for number in range(20)]
    for number, scope in enumerate(scopes):
        parcels.add(scope, log.encode(alerts(number)), number)
    expected = dict.fromkeys(partitions, 0)
    for scope in scopes:
        expected[DefaultPartitioner()(scope.encode(), partitions, partitions)] += 1
    packed = {parcel.partition: len(log.parts(log.decode(parcel.value))) for parcel in parcels.take()}
    assert packed == {partition: count for partition, count in expected.items() if count}


def test_a_key_is_told_only_of_a_parcel_of_one_scope() -> None:
    parcels = Parcels([0])
    parcels.add("a", log.encode(alerts(1)), 1)
    parcels.add("a", log.encode(alerts(2)), 2)
    assert [parcel.key for parcel in parcels.take()] == [b"a"]
    parcels.add("a", log.encode(alerts(1)), 1)
    parcels.add("b", log.encode(alerts(2)), 2)
    assert [parcel.key for parcel in parcels.take()] == [None]


def test_slices_of_a_bulk_make_up_the_bulk() -> None:
    bulk = list(range(1201))
    pieces = list(slices(bulk))
    assert [one for piece in pieces for one in piece] == bulk
    assert len(pieces) > 1
    assert list(slices([])) == []
