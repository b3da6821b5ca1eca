"""One fuzzer in a process of its own: `child.py PROGRAM TARGET [ARGUMENT OF LIBFUZZER ...]`.

PROGRAM is what libFuzzer starts for its own children. What is fuzzed is instrumented when it is imported, so nothing
of it may be imported before.
"""

from __future__ import annotations

import logging
import sys

import atheris
import structlog

from tests.fuzz.mutations import mutated


def main() -> None:
    # What is logged of bad input is much, and not of interest here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with atheris.instrument_imports(include=["correlator", "topology"]):
        from tests.fuzz.targets import TARGETS
    _, program, name, *arguments = sys.argv
    atheris.Setup([program, *arguments], TARGETS[name], custom_mutator=_mutate)
    atheris.Fuzz()


def _mutate(data: bytes, most: int, seed: int) -> bytes:
    return mutated(data, most, seed, atheris.Mutate)


if __name__ == "__main__":
    main()
