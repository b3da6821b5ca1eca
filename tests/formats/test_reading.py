"""Reading a message: which format, what events in which order, with which ids; it never fails."""

from __future__ import annotations

import gc
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.domain import Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert
from correlator.formats.format import Document, Element, Enclosed, Format, Headers, Notice, Payload, Refusal, each
from correlator.formats.reading import Contents, Formats, arrival
from correlator.formats.table import FORMATS

AT = 1_714_557_600_000
CANONICAL: dict[str, Any] = {"status": "firing", "name": "HighLatency", "starts_at": "2024-05-01T10:00:00Z"}


def _read_acme(payload: Payload) -> list[Element]:
    def one(item: Any, at: str) -> Element:
        if item == "note":
            return Notice("note")
        if not isinstance(item, str):
            raise InputError("wrong_type", f"{at}: expected string")
        return ParsedAlert(status=Status.FIRING, name=item, starts_at=payload.arrival(), source="acme")

    return each(payload.document["acme"], one, at="acme")


def _read_envelope(payload: Payload) -> list[Element]:
    inner = Payload(msgspec.json.encode(payload.document["inside"]), arrived_at=payload.arrived_at)
    return [Enclosed(payload=inner, id=payload.document.get("id"), dress=_stamp)]


def _stamp(alert: ParsedAlert) -> dict[str, Any]:
    return {"scope": "stamped"}


def _has(key: str) -> Any:
    def recognises(document: Document, headers: Headers) -> bool:
        return key in document

    return recognises


ACME = Format(name="acme", recognises=_has("acme"), read=_read_acme)
ENVELOPE = Format(name="envelope", recognises=_has("inside"), read=_read_envelope)
LINES = Format(
    name="lines",
    recognises=lambda document, headers: False,
    read=lambda payload: [
        ParsedAlert(status=Status.FIRING, name=line.decode(), starts_at=AT) for line in payload.data.split()
    ],
    claims=lambda headers: headers.get("content-type") == "text/lines",
)


def read(document: Any, **headers: str) -> Contents:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Formats((LINES, ENVELOPE, ACME, *FORMATS)).read(data, names, arrived_at=AT)


def told(contents: Contents) -> list[str]:
    """Return the names of the alerts and the reasons of the refusals, in order."""
    return [one.event.reason if isinstance(one.event, InputError) else one.event.name for one in contents.events]


def test_the_first_format_that_recognises_a_document_reads_it() -> None:
    assert told(read({"acme": ["A", "B"]})) == ["A", "B"]
    assert read({"acme": ["A", "B"]}).formats == ["acme"]
    assert read(CANONICAL).formats == ["canonical"]


def test_an_array_is_a_batch_of_messages_each_of_its_own_format() -> None:
    contents = read([{"acme": ["A", 5, "B"]}, CANONICAL, {"inside": CANONICAL}])
    assert told(contents) == ["A", "wrong_type", "B", "HighLatency", "HighLatency"]
    assert contents.formats == ["acme", "canonical", "envelope", "canonical"]
    assert [one.id("t-0-9") for one in contents.events] == [f"t-0-9-{index}" for index in range(5)]


def test_a_bad_element_spoils_no_other_keeps_its_bytes_and_says_where_it_stands() -> None:
    contents = read([CANONICAL, {"acme": ["A", {"x": 1}]}, {"status": 1}])
    (first, first_error), (second, second_error) = [
        (one.data, one.event) for one in contents.events if isinstance(one.event, InputError)
    ]
    assert (first, second) == (b'{"x":1}', b'{"status": 1}')
    assert str(first_error) == "wrong_type: [1]: acme[1]: expected string"
    assert str(second_error) == (
        "wrong_type: [2]: of no known format; as a canonical event: status: expected string, got integer"
    )


def test_the_only_event_is_named_after_its_message_alone_and_a_senders_id_wins() -> None:
    assert [one.id("place") for one in read({"acme": ["note", "A"]}).events] == ["place"]
    assert [one.id("place") for one in read([{**CANONICAL, "id": "own"}, {}]).events] == ["own", "place-1"]


def test_what_is_no_alert_is_counted_by_its_word_and_is_no_event() -> None:
    contents = read([{"acme": ["note", "note"]}, {"acme": ["note", "A"]}])
    assert (told(contents), contents.notices) == (["A"], {("acme", "note"): 3})


def test_an_envelope_adds_what_it_says_and_its_id_where_the_message_inside_has_none() -> None:
    (one,) = read({"inside": CANONICAL, "id": "e1"}).events
    assert isinstance(one.event, ParsedAlert)
    assert (one.id("place"), one.event.scope) == ("e1", "stamped")
    assert [one.id("p") for one in read({"inside": {"acme": ["A", "B"]}, "id": "e1"}).events] == ["e1-0", "e1-1"]
    assert [one.id("p") for one in read({"inside": {**CANONICAL, "id": "own"}, "id": "e1"}).events] == ["own"]


def test_envelopes_within_envelopes_end_somewhere() -> None:
    document: Any = CANONICAL
    for _ in range(3):
        document = {"inside": document}
    assert told(read(document)) == ["HighLatency"]
    for _ in range(50):
        document = [{"inside": document}]
    assert told(read(document)) == ["wrong_value"]


def test_a_header_names_the_format_whatever_the_document_looks_like() -> None:
    document = {"inside": CANONICAL, "acme": ["A"]}
    assert told(read(document)) == ["HighLatency"]
    assert told(read(document, format="acme")) == ["A"]
    assert told(read([document, document], format="acme")) == ["A", "A"]
    assert told(read({"acme": ["A"]}, format="nonsense")) == ["unknown_format"]


def test_a_format_may_be_told_by_headers_alone_and_gets_the_bytes() -> None:
    assert told(read(b"[a\nb", content_type="text/lines")) == ["[a", "b"]
    assert told(read(b"[a\nb", format="lines")) == ["[a", "b"]
    assert told(read(b"[a\nb")) == ["not_json"]


def test_a_whole_canonical_event_is_one_whatever_else_it_holds() -> None:
    assert told(read({"acme": ["A"], **CANONICAL})) == ["HighLatency"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{}", "missing_field"),
        (b"17", "wrong_type"),
        (b"null", "wrong_type"),
        (b"{", "not_json"),
        (b"[1", "not_json"),
        (b'{"a": "\xff"}', "not_utf8"),
        (b"[" * 100_000, "not_json"),
        (b"[" * 100_000 + b"]" * 100_000, "not_json"),
    ],
)
def test_what_is_of_no_format_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    contents = read(data)
    assert told(contents) == [reason]
    assert set(contents.formats) <= {"unknown"}


def test_no_array_is_nested_deeper_than_messages_are() -> None:
    assert told(read(b"[" * 50 + b"]" * 50)) == ["wrong_value"]


def test_a_refusal_without_bytes_has_those_of_the_message() -> None:
    refuse = Format(
        name="no", recognises=_has("no"), read=lambda payload: [Refusal(error=InputError("wrong_value", "no"))]
    )
    (one,) = Formats((refuse,)).read(b'{"no":1}').events
    assert one.data == b'{"no":1}'


def test_a_message_arrives_no_earlier_than_anything_in_it_began() -> None:
    later = {**CANONICAL, "starts_at": "2024-05-01T10:00:05Z"}
    assert arrival(read([CANONICAL, later]).alerts) == AT + 5000
    assert arrival(read([{**later, "observed_at": "2024-05-01T10:00:01Z"}]).alerts) == AT + 1000
    assert arrival([]) is None


def test_what_tells_no_time_needs_an_arrival() -> None:
    contents = Formats((ACME,)).read(b'{"acme": ["A"]}')
    assert told(contents) == ["missing_field"]


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(data: bytes) -> None:
    assert isinstance(read(data), Contents)


def test_of_what_was_refused_nothing_is_left_in_memory() -> None:
    def refused() -> int:
        gc.collect()
        return sum(isinstance(known, InputError) for known in gc.get_objects())

    before = refused()
    for data in (b"{", b"[1, 2]", b'{"status": "firing"}', b'{"alerts": [{}], "version": "4", "groupKey": "g"}'):
        for _ in range(20):
            assert Formats().read(data).events
    assert refused() == before
