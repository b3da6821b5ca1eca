"""The body of a post: never more than its limit in memory, however small it came."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

from correlator.shell.http.refusal import Refused, too_large, unavailable

#: What a request costs beside its body: so their number is bounded too.
_REQUEST_BYTES = 8 * 1024
_GZIP = 31  # zlib's window bits for the format of gzip


class Budget:
    """Bytes of posts that are being read or not acknowledged by Kafka yet, bounded over all clients."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.taken = 0

    def share(self) -> Share:
        """Return a part of it for one request.

        Raises:
            Refused: 503, nothing is left.
        """
        share = Share(self)
        share.grow(_REQUEST_BYTES)
        return share

    def take(self, count: int) -> None:
        if self.taken + count > self._limit:
            raise unavailable("in_flight", f"{self.taken} bytes are in flight, more than {self._limit} may not be")
        self.taken += count

    def give(self, count: int) -> None:
        self.taken -= count


class Share:
    """The bytes of one request."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held = 0

    def grow(self, count: int) -> None:
        self._budget.take(count)
        self._held += count

    def release(self) -> None:
        """Give everything back, once."""
        self._budget.give(self._held)
        self._held = 0


async def read_body(
    chunks: AsyncIterator[bytes],
    *,
    encoding: str,
    length: int | None,
    limit: int,
    share: Share,
    timeout_seconds: float,
) -> bytes:
    """Return the body, inflated.

    Args:
        encoding: the header `Content-Encoding`.
        length: what the sender says the body's length is.
        limit: bytes, of what comes and of what it becomes.

    Raises:
        Refused: 400, 408, 413, 415 or 503.
    """
    unpack = _unpacker(encoding, limit)
    if length is not None and length > limit:
        raise too_large(f"{length} bytes, more than {limit}")
    body = bytearray()
    came = 0
    try:
        async with asyncio.timeout(timeout_seconds):
            async for chunk in chunks:
                came += len(chunk)
                if came > limit:
                    raise too_large(f"more than {limit} bytes")
                part = unpack.feed(chunk, limit + 1 - len(body))
                share.grow(len(part))
                body += part
                if len(body) > limit:
                    raise too_large(f"more than {limit} bytes when inflated")
    except TimeoutError:
        raise Refused(408, "slow", f"the body was not sent within {timeout_seconds:g} s") from None
    unpack.end()
    return bytes(body)


class _Plain:
    def feed(self, chunk: bytes, room: int) -> bytes:
        return chunk

    def end(self) -> None:
        """Nothing can be missing."""


class _Gzip:
    """Inflates, one member after the other, no further than there is room for."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)

    def feed(self, chunk: bytes, room: int) -> bytes:
        out = bytearray()
        try:
            while chunk and len(out) < room:
                if self._member.eof:
                    self._member = zlib.decompressobj(_GZIP)
                out += self._member.decompress(chunk, room - len(out))
                chunk = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        except zlib.error as error:
            raise Refused(400, "not_gzip", f"the body is no gzip: {error}") from None
        return bytes(out)

    def end(self) -> None:
        if not self._member.eof:
            raise Refused(400, "not_gzip", "the gzip body ends too early")


def _unpacker(encoding: str, limit: int) -> _Plain | _Gzip:
    match encoding.strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip" | "x-gzip":
            return _Gzip()
        case other:
            raise Refused(
                415, "encoding", f"Content-Encoding {other[:40]!r} is not known", headers={"Accept-Encoding": "gzip"}
            )
