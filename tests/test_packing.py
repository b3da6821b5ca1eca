"""What is stored comes back as it was, and nothing that is damaged costs memory."""

from __future__ import annotations

import tracemalloc

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from correlator.packing import packed, unpacked

#: A frame of four bytes that claims to have three gigabytes.
_BRAGGART = b"\x28\xb5\x2f\xfd\xc0\x00" + (3 << 30).to_bytes(8, "little") + b"\x21\x00\x00abcd"


@given(st.binary(max_size=20_000))
def test_what_is_packed_comes_back(data: bytes) -> None:
    assert unpacked(packed(data), most=len(data)) == data


def test_what_is_large_comes_back() -> None:
    data = bytes(range(256)) * 40_000
    assert unpacked(packed(data, level=1), most=len(data)) == data


def test_a_length_that_is_only_claimed_takes_no_memory() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(zstandard.ZstdError):
            unpacked(_BRAGGART, most=4 << 30)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("data", [b"", b"no frame", packed(b"x" * 999)[:-2], packed(bytes(2_000_000))])
def test_what_is_damaged_cut_off_or_too_large_is_refused(data: bytes) -> None:
    with pytest.raises(zstandard.ZstdError):
        unpacked(data, most=1_000_000)
