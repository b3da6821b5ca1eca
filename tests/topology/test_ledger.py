"""The ledger: what is declared is replaced, what is observed ages, and a source that fails loses nothing."""

from __future__ import annotations

import pytest

from correlator.errors import SourceError
from tests.topology.sources.payloads import edges
from tests.topology.test_merge import declared, observed
from topology.findings import Findings, FoundService
from topology.ledger import Ledger
from topology.merge import merge

HOUR = 3_600_000


def held(ledger: Ledger, source: str) -> set[str]:
    return edges(ledger.findings()[source])


def test_what_is_declared_is_what_was_declared_last() -> None:
    ledger = Ledger(lifetime_ms=HOUR)
    ledger.enter("catalog", declared("web api"), 0)
    ledger.enter("catalog", declared("web db"), 1)
    assert held(ledger, "catalog") == {"web -> db"}


def test_what_is_observed_stays_for_a_lifetime_after_it_was_seen_last() -> None:
    ledger = Ledger(lifetime_ms=HOUR)
    ledger.enter("mesh", observed("web nightly", services=[FoundService(name="nightly")]), 0)
    ledger.enter("mesh", observed("web api"), HOUR)
    assert held(ledger, "mesh") == {"web -> nightly", "web -> api"}
    assert [service.name for service in ledger.findings()["mesh"].services] == ["nightly"]
    ledger.enter("mesh", observed("web api"), HOUR + 1)
    assert held(ledger, "mesh") == {"web -> api"}
    assert ledger.findings()["mesh"].services == ()


def test_a_source_that_does_not_answer_keeps_what_it_saw() -> None:
    ledger = Ledger(lifetime_ms=HOUR)
    ledger.enter("mesh", observed("web api"), 0)
    ledger.enter("traces", observed("web db"), 50 * HOUR)
    assert held(ledger, "mesh") == {"web -> api"}
    assert (ledger.answered_at("mesh"), ledger.answered_at("nobody")) == (0, None)


def test_windows_overlap_and_increments_add_up() -> None:
    ledger = Ledger(lifetime_ms=HOUR)
    for calls in (5, 3):
        ledger.enter("mesh", observed("web api", calls=calls), 0)
        found = observed("web api", calls=calls)
        ledger.enter("traces", Findings(declared=False, is_increment=True, dependencies=found.dependencies), 0)
    calls_by_source = {name: found.dependencies[0].calls for name, found in ledger.findings().items()}
    assert calls_by_source == {"mesh": 5, "traces": 8}


def test_the_number_of_dependencies_is_bounded_and_the_latest_stay() -> None:
    ledger = Ledger(lifetime_ms=HOUR, max_dependencies=3)
    ledger.enter("mesh", observed("a b", "a c"), 0)
    ledger.enter("mesh", observed("x y", "x z"), 1)
    assert {"x -> y", "x -> z"} < held(ledger, "mesh")
    assert len(ledger.findings()["mesh"].dependencies) == 3


def test_a_restored_ledger_goes_on_as_the_old_one() -> None:
    ledger, other = Ledger(lifetime_ms=HOUR), Ledger(lifetime_ms=HOUR)
    ledger.enter("mesh", observed("web nightly"), 0)
    ledger.enter("catalog", declared("web api"), 0)
    other.restore(ledger.encode())
    for one in (ledger, other):
        one.enter("mesh", observed("web api"), HOUR + 1)
    assert other.findings() == ledger.findings()
    (edge,) = merge(other.findings()).provenance[:1]
    assert (edge.to, edge.last_seen_at) == ("api", HOUR + 1)
    with pytest.raises(SourceError):
        other.restore(b"{")


def test_sources_that_are_configured_no_more_are_forgotten() -> None:
    ledger = Ledger(lifetime_ms=HOUR)
    ledger.enter("mesh", observed("web api"), 0)
    ledger.enter("old", observed("web gone"), 0)
    ledger.keep_only({"mesh": None})
    assert set(ledger.findings()) == {"mesh"}
