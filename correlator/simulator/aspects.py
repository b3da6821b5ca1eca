"""What an alert rule can watch of a vertex; each aspect has a level of degradation in [0, 1]."""

from __future__ import annotations

from enum import StrEnum


class Aspect(StrEnum):
    LATENCY = "latency"
    TAIL = "tail latency"
    ERRORS = "errors"
    BUDGET = "error budget"
    CPU = "cpu"
    MEMORY = "memory"
    DISK = "disk"
    POOL = "connection pool"
    DOWN = "down"
    PROBE = "probe"
    LAG = "lag"
    TRAFFIC = "traffic drop"
    NETWORK = "network"
    CALL_LATENCY = "call latency"
    CALL_ERRORS = "call errors"
    CHANGE = "change"
