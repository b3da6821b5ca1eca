"""The canonical parser: what it takes, what it refuses and by which reason; it never fails in another way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.domain import Edge, Severity, Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert
from correlator.formats.canonical import parse
from correlator.formats.instants import EARLIEST, LATEST

REASONS = {"not_utf8", "not_json", "missing_field", "wrong_type", "wrong_value", "bad_timestamp"}
LEAST = {"status": "firing", "name": "HighLatency", "starts_at": "2024-05-01T10:00:00Z"}
AT = 1_714_557_600_000


def line(**changes: Any) -> bytes:
    return json.dumps({key: value for key, value in {**LEAST, **changes}.items() if value is not ...}).encode()


def parsed(**changes: Any) -> ParsedAlert:
    return parse(line(**changes))


def test_the_least_event_is_taken_and_says_no_more_than_it_does() -> None:
    alert = parsed()
    assert (alert.status, alert.name, alert.starts_at) == (Status.FIRING, "HighLatency", AT)
    assert (alert.id, alert.service, alert.entity, alert.severity, alert.ends_at, alert.observed_at) == (None,) * 6
    assert (alert.fingerprint, alert.scope, alert.edge, alert.labels, alert.summary) == (None, None, None, {}, "")


def test_the_whole_event_is_taken() -> None:
    alert = parsed(
        id="m-1", source="grafana", status="resolved", service="cart", entity="cart-7d9c6b5f4-x2x9z", severity="error",
        ends_at="2024-05-01T10:05:00Z", observed_at="2024-05-01T10:05:01.250Z", fingerprint="f", scope="eu",
        edge={"caller": "web", "callee": "cart"}, labels={"a": "b"}, annotations={"summary": "no"}, summary="slow",
        value=1.5, threshold=1, url="http://runbook",
    )  # fmt: skip
    assert alert.status is Status.RESOLVED and alert.severity is Severity.ERROR
    assert (alert.ends_at, alert.observed_at) == (AT + 300_000, AT + 301_250)
    assert alert.edge == Edge(caller="web", callee="cart")
    assert (alert.id, alert.source, alert.scope, alert.summary) == ("m-1", "grafana", "eu", "slow")


def test_unknown_fields_are_ignored_so_that_senders_may_run_ahead() -> None:
    assert parsed(priority=3, nested={"x": [1, {}]}, Status="resolved") == parsed()


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-05-01T10:00:00Z", AT),
        ("2024-05-01T12:00:00+02:00", AT),
        ("2024-05-01T10:00:00.123456789Z", AT + 123),
        ("2024-05-01T10:00:00.1234567Z", AT + 123),
        ("2024-05-01T10:00:00", AT),  # without a zone: UTC
        ("2024-05-01T10:00:00.001Z", AT + 1),
    ],
)
def test_instants_are_read_in_the_spellings_of_the_field(text: str, instant: int) -> None:
    assert parsed(starts_at=text).starts_at == instant


@pytest.mark.parametrize("never", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", None, ...])
def test_an_end_that_means_not_ended_is_no_end(never: Any) -> None:
    assert parsed(ends_at=never).ends_at is None


def test_the_summary_comes_from_the_annotations_where_there_is_none() -> None:
    assert parsed(annotations={"summary": "s", "description": "d"}).summary == "s"
    assert parsed(annotations={"description": "d"}).summary == "d"
    assert parsed(summary="own", annotations={"summary": "s"}).summary == "own"


@pytest.mark.parametrize(
    ("entity", "edge"),
    [
        ("web->cart", Edge(caller="web", callee="cart")),
        (" web  ->  cart ", Edge(caller="web", callee="cart")),
        ("GET /a b -> cart", Edge(caller="GET /a b", callee="cart")),
        ("web->", None),
        ("->cart", None),
        ("web-cart", None),
        ("->", None),
        ("a->b->c", None),
        (None, None),
    ],
)
def test_an_entity_that_is_a_call_gives_the_edge(entity: str | None, edge: Edge | None) -> None:
    assert parsed(entity=entity).edge == edge


def test_a_stated_edge_outranks_the_entity() -> None:
    assert parsed(entity="a->b", edge={"caller": "x", "callee": "y"}).edge == Edge(caller="x", callee="y")


@pytest.mark.parametrize("key", ["service", "entity", "fingerprint", "scope"])
def test_an_empty_name_is_no_name(key: str) -> None:
    assert getattr(parsed(**{key: ""}), key) is None


DEEP = b'{"status":"firing","name":"n","starts_at":"2024-05-01T10:00:00Z","x":'

REFUSED: list[tuple[str, bytes]] = [
    ("not_utf8", line().replace(b"High", b"\xff\xfe")),
    ("not_json", b""),
    ("not_json", b"\x00"),
    ("not_json", b"{"),
    ("not_json", b"status=firing"),
    ("not_json", line() + b"}"),
    ("not_json", line()[:-1]),
    ("not_json", DEEP + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    ("not_json", DEEP + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}"),
    ("not_json", line().replace(b"High", b"\x00")),
    ("wrong_type", b"null"),
    ("wrong_type", b"[]"),
    ("wrong_type", b'"firing"'),
    ("wrong_type", b"17"),
    ("missing_field", b"{}"),
    ("missing_field", line(name=...)),
    ("missing_field", line(status=...)),
    ("missing_field", line(starts_at=...)),
    ("missing_field", line(edge={"caller": "a"})),
    ("wrong_type", line(name=3)),
    ("wrong_type", line(name=None)),
    ("wrong_type", line(labels=["a"])),
    ("wrong_type", line(labels={"a": 1})),
    ("wrong_type", line(value="high")),
    ("wrong_type", line(edge="a->b")),
    ("wrong_value", line(status="pending")),
    ("wrong_value", line(status="FIRING")),
    ("wrong_value", line(severity="catastrophic")),
    ("wrong_value", line(name="")),
    ("wrong_value", line(name=" \t")),
    ("wrong_value", line(name="a\x00b")),
    ("wrong_value", line(service="a\x00b")),
    ("wrong_value", line(fingerprint="\x00")),
    ("wrong_value", line(scope="\x00")),
    ("bad_timestamp", line(starts_at="yesterday")),
    ("bad_timestamp", line(starts_at="")),
    ("bad_timestamp", line(starts_at="2024-13-01T00:00:00Z")),
    ("bad_timestamp", line(starts_at="1999-12-31T23:59:59Z")),
    ("bad_timestamp", line(starts_at="0001-01-01T00:00:00Z")),
    ("bad_timestamp", line(starts_at="0001-01-01T00:00:00+14:00")),
    ("bad_timestamp", line(starts_at="2100-01-01T00:00:00Z")),
    ("bad_timestamp", line(starts_at="9999-12-31T23:59:59-12:00")),
    ("bad_timestamp", line(observed_at="1970-01-01T00:00:00Z")),
    ("bad_timestamp", line(starts_at="2024-05-03T10:00:00Z", observed_at="2024-05-01T10:00:00Z")),
    ("bad_timestamp", line(ends_at="tomorrow")),
]


@pytest.mark.parametrize(("reason", "data"), REFUSED, ids=[f"{reason}:{data[:60]!r}" for reason, data in REFUSED])
def test_what_cannot_be_used_is_refused_with_its_reason(reason: str, data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        parse(data)
    assert caught.value.reason == reason
    assert caught.value.detail


def test_every_reason_is_in_the_table() -> None:
    assert {reason for reason, _ in REFUSED} == REASONS


def test_a_huge_line_is_read_like_any_other() -> None:
    assert len(parsed(summary="x" * 3_000_000).summary) == 3_000_000
    assert len(parsed(labels={f"k{number}": "v" for number in range(50_000)}).labels) == 50_000


# -- fuzz ----------------------------------------------------------------------------------------------------------

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
_fields = st.sampled_from([*LEAST, "ends_at", "observed_at", "service", "entity", "severity", "labels", "edge", "id"])


def _parse_or_refuse(data: bytes) -> ParsedAlert | None:
    try:
        alert = parse(data)
    except InputError as error:
        assert error.reason in REASONS
        return None
    assert EARLIEST <= alert.starts_at < LATEST
    assert alert.name.strip()
    return alert


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail_otherwise(data: bytes) -> None:
    _parse_or_refuse(data)


@given(_json)
def test_no_document_makes_it_fail_otherwise(document: Any) -> None:
    _parse_or_refuse(json.dumps(document).encode("utf-8", "surrogatepass"))


@given(_fields, _json)
def test_no_value_of_a_field_makes_it_fail_otherwise(field: str, value: Any) -> None:
    _parse_or_refuse(line(**{field: value}))


@given(st.datetimes())
def test_every_instant_is_read_or_refused(moment: Any) -> None:
    _parse_or_refuse(line(starts_at=moment.isoformat()))
    _parse_or_refuse(line(ends_at=moment.isoformat() + "+23:59"))


@given(st.integers(0, 200), st.binary(min_size=1, max_size=3))
def test_a_damaged_line_is_read_or_refused(place: int, damage: bytes) -> None:
    whole = line(service="cart", labels={"a": "b"}, edge={"caller": "x", "callee": "y"})
    _parse_or_refuse(whole[:place] + damage + whole[place + 1 :])
