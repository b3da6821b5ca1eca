"""Fuzzing guided by coverage: whatever bytes come, every reader returns or refuses, and the engine keeps its laws.

`targets` are functions of bytes; `campaign` looks for inputs that make them fail (`make fuzz`), and what it found worth
keeping lies in `corpus`, one folder a target, and is replayed as an ordinary test.
"""
