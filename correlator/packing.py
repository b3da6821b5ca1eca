"""Zstandard for what is stored: packed, and unpacked without trust in the length that it claims."""

from __future__ import annotations

import zstandard

#: Of so many bytes at a time no more than some hundred megabytes can come.
_CHUNK_BYTES = 4096


def packed(data: bytes, *, level: int = 3) -> bytes:
    return zstandard.ZstdCompressor(level=level).compress(data)


def unpacked(data: bytes, *, most: int) -> bytes:
    """Return what was packed; the memory for it is taken as it comes, not as a damaged header asks.

    Args:
        most: how many bytes it may be.

    Raises:
        zstandard.ZstdError: it is damaged, cut off, or more than that.
    """
    reader = zstandard.ZstdDecompressor().decompressobj()
    parts, size = [], 0
    for place in range(0, len(data), _CHUNK_BYTES):
        part = reader.decompress(data[place : place + _CHUNK_BYTES])
        parts.append(part)
        size += len(part)
        if size > most:
            raise zstandard.ZstdError(f"more than {most} bytes")
        if reader.eof:
            return b"".join(parts)
    raise zstandard.ZstdError("it is cut off")
