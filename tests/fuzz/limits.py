"""How long one input may take and how much memory, wherever it is run."""

from __future__ import annotations

import signal
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

CORPUS = Path(__file__).with_name("corpus")
#: Longer inputs find nothing more, and only take longer.
LONGEST_BYTES = 8_000
#: Of one input, a hundred times what the slowest takes.
HANG_SECONDS = 20
#: Of a fuzzer's whole process.
MOST_MEGABYTES = 1_000
#: What one input may take beyond what is there before it: two hundred times what a post of that length may hold.
MOST_BYTES = 32 << 20


class TooLong(AssertionError):
    """The time of an input is over."""


@contextmanager
def at_most(*, seconds: float, size: int) -> Iterator[None]:
    """Fail when the block takes more processor time, which a busy machine does not lengthen, or more memory.

    Raises:
        TooLong: in the midst of what takes too long.
        AssertionError: the block took too much memory.
    """

    def end(signum: int, frame: FrameType | None) -> None:
        raise TooLong(f"it takes longer than {seconds:g} s")

    known = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, known)
    assert peak <= size, f"it took {peak} bytes of memory, more than {size}"
