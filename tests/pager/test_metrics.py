"""docs/metrics.md lists every metric of the pager and no other."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from correlator.pager.mark import HoldReason, Verb
from correlator.pager.metrics import PagerMetrics

TEXT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8").partition("## The pager")[2]


def test_the_table_is_that_of_the_registry() -> None:
    found = set()
    for metric in vars(PagerMetrics(CollectorRegistry())).values():
        if isinstance(metric, MetricWrapperBase):
            name = metric._name + ("_total" if metric._type == "counter" else "")
            labels = f"{{{', '.join(metric._labelnames)}}}" if metric._labelnames else ""
            found.add((name + labels, metric._type, metric._documentation))
    assert set(re.findall(r"^\| `(correlator_.*?)` \| (\w+) \| (.*) \|$", TEXT, flags=re.MULTILINE)) == found


def test_the_values_of_labels_are_those_that_occur() -> None:
    for value in (*Verb, *HoldReason):
        assert f"`{value.value}`" in TEXT
