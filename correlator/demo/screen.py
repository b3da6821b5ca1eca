"""The terminal: what is written goes out at once, and a line of progress stays below it."""

from __future__ import annotations

import threading
from io import StringIO
from typing import TextIO

_CLEARED = "\r\033[K"


# A StringIO by type only: the pager wants a text stream.
class Screen(StringIO):
    """Writes to `out`, with progress only where that is a terminal."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self._out = out
        self._shown = ""
        # The pager writes from a thread of its own.
        self._lock = threading.Lock()

    def isatty(self) -> bool:
        return self._out.isatty()

    def write(self, text: str) -> int:
        with self._lock:
            self._out.write(f"{_CLEARED}{text}{self._shown}" if self._shown else text)
            self._out.flush()
        return len(text)

    def progress(self, text: str) -> None:
        """Show a line in place of the last one; an empty one takes it away."""
        with self._lock:
            if self.isatty() and text != self._shown:
                self._out.write(f"{_CLEARED}{text}")
                self._out.flush()
                self._shown = text
