"""Records of the topic of windows: the newest of a key counts, and what is none silences nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from correlator.pager.connection import Outage
from correlator.pager.metrics import PagerMetrics
from correlator.pager.windowbook import WindowBook
from correlator.pager.windowtopic import WindowTopic

GOOD: dict[str, Any] = {
    "id": "upgrade",
    "author": "ann",
    "comment": "new version",
    "weekdays": ["sat"],
    "daily_from": "22:00",
    "daily_to": "02:00",
    "services": ["payments-db"],
}


def topic() -> WindowTopic:
    return WindowTopic({}, "windows", Outage(lambda: 0.0))


def test_the_newest_record_of_a_key_counts_and_one_without_value_takes_the_window_back() -> None:
    planned = topic()
    planned.apply(b"upgrade", json.dumps(GOOD).encode())
    planned.apply(b"upgrade", json.dumps(GOOD | {"comment": "later"}).encode())
    assert [window.comment for window in planned.windows.values()] == ["later"]
    planned.apply(b"upgrade", None)
    planned.apply(b"unknown", None)
    assert planned.windows == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"upgrade", b"{"),
        (b"upgrade", b"\xff"),
        (b"upgrade", b"[]"),
        (b"upgrade", b"{}"),
        (b"upgrade", json.dumps(GOOD | {"services": ["*"]}).encode()),
        (b"other", json.dumps(GOOD).encode()),
        (None, json.dumps(GOOD).encode()),
        (b"upgrade", b"[" * 100_000),
    ],
)
async def test_what_is_no_window_silences_nothing_and_takes_the_place_of_what_was_there(
    key: bytes | None, value: bytes
) -> None:
    planned = topic()
    planned.apply(b"upgrade", json.dumps(GOOD).encode())
    planned.apply(b"other", json.dumps(GOOD | {"id": "other"}).encode())
    name = (key or b"").decode()
    planned.apply(key, value)
    assert name not in planned.windows
    assert list(planned.invalid) == [name]
    metrics = PagerMetrics(CollectorRegistry())
    book = WindowBook([], None, metrics, planned)
    await book.refresh(0.0)
    assert metrics.registry.get_sample_value("correlator_windows", {"state": "invalid"}) == 1
    assert set(book.windows()) == set(planned.windows.values())
    planned.apply(key, None)
    assert planned.invalid == {}
