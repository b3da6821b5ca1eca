"""Fitting what is learned: streams are replayed, the engine's own incidents become examples, models are fitted on them.

The only place where engine, scorer and models meet; what it writes is an input like any other.
"""
