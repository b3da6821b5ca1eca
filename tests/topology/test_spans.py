"""Pairs of spans: order and batches mean nothing, memory is bounded, halves do not wait for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.topology.sources.payloads import edges
from topology.spans import Span, SpanKind, SpanPairs

LATER = 10**12


def call(trace: int) -> list[Span]:
    """Return a trace: web calls api, which calls a database and sends to a consumer."""
    key = f"{trace:032x}"
    return [
        Span(id=key + "1", parent="", service="web", kind=SpanKind.CLIENT, peer="api-address"),
        Span(id=key + "2", parent=key + "1", service="api", kind=SpanKind.SERVER),
        Span(id=key + "3", parent=key + "2", service="api", kind=SpanKind.CLIENT, peer="db"),
        Span(id=key + "4", parent=key + "2", service="api", kind=SpanKind.PRODUCER, peer="orders"),
        Span(id=key + "5", parent=key + "4", service="mail", kind=SpanKind.CONSUMER, peer="orders"),
    ]


CALLS = {"web -> api", "api -> db", "mail -> api (consumes)"}
ALL = [span for trace in range(3) for span in call(trace)]


@given(order=st.permutations(range(len(ALL))), cut=st.integers(0, len(ALL)), again=st.booleans())
def test_order_batches_and_repeats_mean_nothing(order: list[int], cut: int, again: bool) -> None:
    pairs = SpanPairs()
    shuffled = [ALL[place] for place in order]
    pairs.add(shuffled[:cut], now=0)
    pairs.add(shuffled[:cut] * again + shuffled[cut:], now=10)
    findings = pairs.harvest(LATER)
    assert edges(findings) == CALLS
    assert {edge.calls for edge in findings.dependencies} == {3}
    assert len(pairs) == 0 and not pairs._waiting


def test_a_half_waits_for_its_time_and_then_tells_what_it_called() -> None:
    pairs = SpanPairs(half_life_ms=100)
    client, server, *_ = call(1)
    pairs.add([client], now=0)
    assert edges(pairs.harvest(99)) == set()
    assert edges(pairs.harvest(100)) == {"web -> api-address"}
    pairs.add([server], now=101)
    assert edges(pairs.harvest(LATER)) == set()


def test_a_harvest_is_told_once() -> None:
    pairs = SpanPairs()
    pairs.add(call(1), now=0)
    assert edges(pairs.harvest(0)) == {"web -> api", "mail -> api (consumes)"}
    assert edges(pairs.harvest(LATER)) == {"api -> db"}
    assert edges(pairs.harvest(LATER)) == set()


def test_memory_is_bounded_in_halves_and_in_edges() -> None:
    pairs = SpanPairs(max_halves=50, max_edges=20)
    for number in range(1000):
        waits = Span(id=f"s{number}", parent=f"p{number}", service=f"svc-{number}", kind=SpanKind.SERVER)
        calls = Span(id=f"c{number}", parent="", service="web", kind=SpanKind.CLIENT, peer=f"user-{number}")
        pairs.add([waits, calls], now=number)
    assert len(pairs) == 50
    assert len(pairs._waiting) <= 50
    assert len(pairs.harvest(LATER).dependencies) == 20
    assert pairs.dropped == 1000 - 20


def test_a_missing_client_span_still_shows_the_call() -> None:
    pairs = SpanPairs()
    pairs.add([Span(id="1", parent="", service="web", kind=SpanKind.INTERNAL)], now=0)
    pairs.add([Span(id="2", parent="1", service="api", kind=SpanKind.SERVER)], now=0)
    assert edges(pairs.harvest(0)) == {"web -> api"}


def test_calls_within_a_service_are_none() -> None:
    pairs = SpanPairs()
    pairs.add([Span(id="1", parent="", service="web", kind=SpanKind.CLIENT)], now=0)
    pairs.add([Span(id="2", parent="1", service="web", kind=SpanKind.SERVER)], now=0)
    assert edges(pairs.harvest(LATER)) == set()
