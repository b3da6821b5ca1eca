from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.pager.exchange import (
    LONGEST_RETRY_AFTER_SECONDS,
    Backoff,
    Reply,
    RetryReason,
    detail,
    retry,
    retry_after,
)

#: Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
MOMENT = 784_111_777.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 30.0),
        ("Sun, 06 Nov 1994 08:40:00 GMT", 0.0),
        ("999999999", LONGEST_RETRY_AFTER_SECONDS),
        ("soon", None),
        ("-5", None),
        ("Sun, 06 Nov 99999999999999999999 08:49:37 GMT", None),
        ("", None),
    ],
)
def test_retry_after_reads_seconds_and_dates_and_is_bounded(header: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": header}, now=MOMENT - 30) == seconds


@pytest.mark.parametrize(
    ("status", "reason", "everyone"),
    [
        (429, RetryReason.RATE_LIMITED, True),
        (500, RetryReason.SERVER_ERROR, False),
        (302, RetryReason.UNEXPECTED_STATUS, False),
    ],
)
def test_what_holds_back_everything_is_a_rate_limit(status: int, reason: RetryReason, everyone: bool) -> None:
    verdict = retry(Reply(status=status), now=MOMENT)
    assert (verdict.reason, verdict.all) == (reason, everyone)


def test_an_overloaded_server_that_names_a_time_holds_back_everything() -> None:
    verdict = retry(Reply(status=503, headers={"retry-after": "9"}), now=MOMENT)
    assert (verdict.after_seconds, verdict.all) == (9.0, True)


@given(st.floats(0.01, 100), st.floats(0.01, 1000), st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_stays_between_its_bounds(least: float, most: float, attempt: int, fraction: float) -> None:
    delay = Backoff(min_seconds=least, max_seconds=most).delay(attempt, fraction)
    assert min(least, most) <= delay <= most


def test_backoff_doubles_its_range_until_the_bound() -> None:
    backoff = Backoff(min_seconds=1, max_seconds=10)
    assert [backoff.delay(attempt, 0.5) for attempt in (1, 2, 3, 4, 5)] == [1.5, 2.5, 4.5, 5.5, 5.5]


def test_a_quoted_reply_holds_no_secret_and_is_bounded() -> None:
    text = detail(Reply(status=400, body=b"key hunter2 is wrong " + b"x" * 10_000), ("hunter2",))
    assert text.startswith("HTTP 400: key *** is wrong")
    assert len(text) < 400
