"""Which series there are, by the registries of worker and pager, and which ones an expression names."""

from __future__ import annotations

import functools
import re

from prometheus_client import CollectorRegistry

from correlator.pager.metrics import PagerMetrics
from correlator.shell.metrics import Metrics

_SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
_NAME = re.compile(r"(?<![\w:\"$])((?:[a-z_]+:)?(?:correlator|faust|process)_[a-z0-9_:]+|correlator:[a-z0-9_:]+)")


@functools.cache
def exported() -> frozenset[str]:
    """Return the names of all series that worker and pager export."""
    names = set()
    for make in (Metrics, PagerMetrics):
        make(registry := CollectorRegistry())
        for family in registry.collect():
            names |= {family.name + suffix for suffix in _SUFFIXES[family.type]}
    return frozenset(names)


def named(expression: str) -> set[str]:
    """Return the metrics that an expression asks for; `up` is Prometheus' own."""
    return set(_NAME.findall(re.sub(r"\"[^\"]*\"", '""', expression)))
