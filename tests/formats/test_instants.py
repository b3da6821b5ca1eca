"""Instants in the spellings of the field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.errors import InputError
from correlator.formats.instants import EARLIEST, LATEST, counted, told, written

AT = 1_714_557_600_000


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-05-01T10:00:00Z", AT),
        ("2024-05-01T10:00:00.093+0000", AT + 93),  # Amazon: no colon
        ("2024-05-01T10:00:00.1234567Z", AT + 123),  # Azure: seven digits
        ("2024-05-01T10:00:00.123456789+00:00", AT + 123),
        ("2024-05-01 12:00:00+02:00", AT),
        ("2024-05-01T12:00:00.157076+02:00", AT + 157),
        ("2024-05-01T10:00:00", AT),  # without a zone: UTC
        (" 2024-05-01T10:00:00Z ", AT),
        ("20240501T100000Z", AT),
    ],
)
def test_dates_are_read_as_they_are_written(text: str, instant: int) -> None:
    assert written(text, "at") == told(text, "at") == instant


@pytest.mark.parametrize("number", [AT / 1000, AT, AT * 1000, AT * 1_000_000])
def test_the_unit_of_a_number_shows_in_its_size(number: float) -> None:
    assert counted(number, "at") == told(str(number), "at") == AT


def test_units_never_overlap() -> None:
    for instant in (EARLIEST, LATEST - 1000):
        assert {counted(instant * factor, "at") for factor in (1e-3, 1, 1000, 1_000_000)} == {instant}


@pytest.mark.parametrize("value", ["yesterday", "", "nan", "inf", "1999-12-31", "0001-01-01T00:00:00Z", -1, 0, 1e30])
def test_what_is_no_instant_is_refused_with_its_place(value: str | float) -> None:
    with pytest.raises(InputError) as caught:
        told(value, "alerts[3].since")
    assert caught.value.reason == "bad_timestamp" and "alerts[3].since" in caught.value.detail


@given(st.text() | st.floats() | st.integers())
def test_nothing_makes_it_fail_otherwise(value: str | float) -> None:
    try:
        assert EARLIEST <= told(value, "at") < LATEST
    except InputError as error:
        assert error.reason == "bad_timestamp"
