"""Records of the event log are read as they were written; anything else is refused."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.domain import Feedback, FeedbackAction, FeedbackSource
from correlator.errors import LogError
from correlator.formats import log
from tests.engine.drive import event

_DEEP = b'{"type":"tick","at":1,"x":' + b"[" * 5000 + b"]" * 5000 + b"}"

RECORDS: list[log.Record] = [
    log.Tick(at=5),
    log.TopologyVersion(at=5, version="abc"),
    log.ModelVersion(at=5, version="abc", document=msgspec.Raw(b'{"coefficients":{"weight":1.0}}')),
    log.WarmStart(at=5, scope="shop", version="abc", learned=b"\x00\xff"),
    log.Said(
        at=5,
        feedback=Feedback(
            incident_id="0123456789abcdef0123",
            action=FeedbackAction.SPLIT,
            at="2026-11-20T10:00:00.000Z",
            source=FeedbackSource.HTTP,
            id="d1",
            services=["db"],
        ),
    ),
    log.Alerts(at=5, events=[]),
    log.Alerts(
        at=5,
        events=[event("db", "Down", 3, summary='quotes " and \u2028 \x00'), event("api", "Slow", 4, ends=9)],
        source=log.Source(partition=3, offset=2**50, part="0", floor=7),
    ),
]


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_comes_back_as_it_was(record: log.Record) -> None:
    assert log.decode(log.encode(record)) == record


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"null", b'{"type":"tick"}', b'{"type":"rumour","at":1}', b"\xff", b"[", _DEEP]
)
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(LogError):
        log.decode(data)


@pytest.mark.parametrize(("old", "new"), [('"version":1', '"version":2'), ("2026-11-20T10", "soon"), ("split", "mix")])
def test_feedback_of_another_version_or_said_at_no_time_is_no_record(old: str, new: str) -> None:
    said = next(record for record in RECORDS if isinstance(record, log.Said))
    data = log.encode(said).decode()
    assert old in data
    with pytest.raises(LogError):
        log.decode(data.replace(old, new).encode())


@given(st.binary(max_size=60))
def test_no_bytes_make_it_fail_otherwise(data: bytes) -> None:
    with contextlib.suppress(LogError):
        assert log.encode(log.decode(data))
