"""Lines of a file, of standard input or of a compressed file, none longer than a bound."""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import zstandard

from correlator.errors import ConfigError

_CHUNK = 1 << 20


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
            return io.BufferedReader(zstandard.open(name, "rb"), _CHUNK)
        return Path(name).open("rb")
    except OSError as error:
        raise ConfigError(name, [error.strerror or str(error)]) from error


def lines(stream: IO[bytes], longest: int) -> Iterator[tuple[bytes, int]]:
    """Yield each line without its end, and how many bytes were read so far.

    Of a line longer than `longest` only the first `longest` + 1 bytes are given and kept in memory.
    """
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
