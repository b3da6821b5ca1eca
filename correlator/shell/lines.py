"""Lines of a file, of standard input or of a compressed file, none longer than a bound."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import zstandard

from correlator.errors import ConfigError, CorrelatorError

_CHUNK = 1 << 20
#: A block of four bytes may stand for 128 KiB, so this much of a hostile file is 32 MiB of memory.
_PACKED = 1 << 10


def open_lines(name: str) -> IO[bytes]:
    """Open `name` for reading; `-` is standard input, `.gz` and `.zst` are read as such.

    Raises:
        ConfigError: it cannot be opened.
    """
    try:
        if name == "-":
            return sys.stdin.buffer
        if name.endswith(".gz"):
            return io.BufferedReader(gzip.GzipFile(name, "rb"), _CHUNK)
        if name.endswith(".zst"):
            return io.BufferedReader(_Zstandard(name), _CHUNK)
        return Path(name).open("rb")
    except OSError as error:
        raise ConfigError(name, [error.strerror or str(error)]) from error


def lines(stream: IO[bytes], longest: int) -> Iterator[tuple[bytes, int]]:
    """Yield each line without its end, and how many bytes were read so far.

    Of a line longer than `longest` only the first `longest` + 1 bytes are given and kept in memory.

    Raises:
        CorrelatorError: the input is damaged, or ends too early.
    """
    try:
        yield from _lines(stream, longest)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        name = getattr(stream, "name", "the input")
        raise CorrelatorError(f"{name}: cannot be read to its end: {error}") from error


def _lines(stream: IO[bytes], longest: int) -> Iterator[tuple[bytes, int]]:
    read = 0
    while piece := stream.readline(longest + 2):
        read += len(piece)
        line = piece
        while not piece.endswith(b"\n") and len(line) > longest:
            piece = stream.readline(_CHUNK)
            read += len(piece)
            if not piece:
                break
        yield line[: longest + 1].rstrip(b"\r\n"), read


class _Zstandard(io.RawIOBase):
    """Decompress frame after frame; the library's own reader takes a file that was cut off for a whole one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._file = Path(name).open("rb")  # noqa: SIM115 - closed with this reader
        self._frame: Any = None
        self._packed = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            packed = self._packed or self._file.read(_PACKED)
            if not packed:
                if self._frame is not None:
                    raise EOFError("it ends within a compressed frame")
                return 0
            self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
            self._ready = memoryview(self._frame.decompress(packed))
            self._packed = self._frame.unused_data
            if self._frame.eof:
                self._frame = None
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()
