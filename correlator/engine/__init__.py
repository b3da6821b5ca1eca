"""The engine: which alerts belong together, and which service is the cause. Pure: no I/O, no clock, no randomness."""

from correlator.engine.engine import Engine

__all__ = ["Engine"]
