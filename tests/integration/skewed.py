"""The program under a clock that is wrong: `python -m tests.integration.skewed SECONDS ARGUMENTS OF correlator`.

The operating system's clock is everybody's, so the one that this process reads is moved before anything reads it.
"""

from __future__ import annotations

import sys
import time


def main() -> None:
    off = int(sys.argv.pop(1))
    nanoseconds = time.time_ns
    time.time_ns = lambda: nanoseconds() + off * 1_000_000_000
    time.time = lambda: time.time_ns() / 1e9
    # Whoever imports a function of a module keeps the one that stood there then.
    from correlator.cli import main as run

    run()


if __name__ == "__main__":
    main()
