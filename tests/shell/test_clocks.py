"""One wrong clock neither hurries the log's time ahead nor holds it still, and a replay decides the same."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.config import Config
from correlator.domain import AlertEvent, Severity, Status
from correlator.engine import snapshot as codec
from correlator.engine.clocks import TOLERANCE_MS
from correlator.engine.decisions import Output
from correlator.formats import log
from correlator.partition import Partition
from correlator.replay import LogReplay
from correlator.shell.dump import Line
from correlator.sinks import Sinks

START = 1_700_000_000_000
HOUR = 3_600_000
YEAR = 365 * 24 * HOUR

#: What a worker wrote, and when a broker did.
Written = tuple[log.Record, int]


def ticks(*written: tuple[float, float]) -> list[Written]:
    """Return ticks by a worker's and a broker's clock, in seconds after the start."""
    return [(log.Tick(at=START + round(at * 1000)), START + round(by * 1000)) for at, by in written]


def alert(at: float, by: float, *, fingerprint: str = "f") -> Written:
    instant = START + round(at * 1000)
    event = AlertEvent(
        id=f"e{at}",
        status=Status.FIRING,
        name="ServiceDown",
        service="shop",
        fingerprint=fingerprint,
        starts_at=instant,
        observed_at=instant,
        severity=Severity.CRITICAL,
    )
    return log.Alerts(at=instant, events=[event]), START + round(by * 1000)


def applied(partition: Partition, written: Sequence[Written]) -> list[Output]:
    said: list[Output] = []
    for offset, (record, by) in enumerate(written, start=partition.offset + 1):
        said += partition.apply(record, {}, written_at=by)
        partition.advance(offset, log.encode(record))
    return said


def now(*written: Written) -> float:
    """Return the engine's time after all that, in seconds after the start."""
    partition = Partition(Config(), {})
    applied(partition, written)
    return (partition.engine.now - START) / 1000


def steady(first: int, last: int, *, off: float = 0) -> list[Written]:
    """Return a tick a second by a worker whose clock is off by so many seconds."""
    return ticks(*((second + off, second) for second in range(first, last)))


def test_clocks_that_agree_are_the_workers() -> None:
    assert now(*ticks((0, 0.2), (1, 1.3), (59, 2))) == 59


@pytest.mark.parametrize("off", [61, 3600, YEAR / 1000])
def test_a_worker_that_is_ahead_gets_time_no_further_than_a_minute(off: float) -> None:
    assert now(*steady(0, 100), *steady(100, 160, off=off)) <= 159 + TOLERANCE_MS / 1000
    assert now(*steady(0, 10, off=off)) <= 9 + TOLERANCE_MS / 1000


def test_after_a_worker_that_is_ahead_time_goes_on_at_once_with_one_that_is_right() -> None:
    wrong = [*steady(0, 10), *steady(10, 12, off=YEAR / 1000)]
    assert now(*wrong, *steady(12, 100)) == now(*steady(0, 12, off=60), *steady(12, 100)) == 99


@pytest.mark.parametrize("off", [61, 3600, YEAR / 1000])
def test_a_worker_that_is_behind_does_not_hold_time_still(off: float) -> None:
    assert now(*steady(0, 100), *steady(100, 200, off=-off)) == 199


def test_a_worker_that_is_behind_moves_time_on_that_only_alerts_have_brought_so_far() -> None:
    """A partition's first ticks may be of a worker that is wrong, and those of another that is right bring alerts."""
    assert now(alert(10, 10), *steady(11, 100, off=-86_400)) == 98
    assert now(*steady(0, 10), alert(3600, 3600), *steady(3601, 3700, off=-86_400)) >= 3698
    both = [
        record
        for second in range(10, 100)
        for record in (alert(second, second), *steady(second, second + 1, off=-86_400))
    ]
    assert 98 <= now(*steady(0, 10), *both) <= 99 + 1


@pytest.mark.parametrize("off", [-YEAR / 1000, -3600, 3600, YEAR / 1000])
def test_brokers_whose_clock_jumps_change_time_by_no_more_than_a_minute(off: float) -> None:
    jumped = [(record, by + round(off * 1000)) for record, by in steady(100, 200)]
    assert 139 <= now(*steady(0, 100), *jumped) <= 199 + 60


def test_a_clock_that_jumps_forth_and_back_leaves_time_where_it_belongs() -> None:
    told = [*steady(0, 10), *steady(10, 11, off=7200), *steady(11, 12, off=-7200), *steady(12, 13, off=7200)]
    assert 12 <= now(*told) <= 13 + 60
    assert now(*told, *steady(13, 100)) == 99


def test_ticks_that_wait_out_an_outage_and_those_of_a_worker_that_was_suspended_do_no_harm() -> None:
    late = ticks(*((second, 7200) for second in range(100, 130)))
    assert now(*steady(0, 100), *late, *steady(7201, 7203)) == 7202
    suspended = ticks((50, 7203.5))
    assert now(*steady(0, 100), *steady(7200, 7203), *suspended, *steady(7204, 7206)) == 7205


def test_two_workers_that_tick_at_once_hurry_nothing() -> None:
    both = [tick for second in range(10, 100) for tick in ticks((second + 7200, second), (second, second + 0.5))]
    assert 99 <= now(*steady(0, 10), *both) <= 100 + 60


def test_an_alert_of_a_worker_that_is_ahead_arrived_no_later_than_it_was_written() -> None:
    partition = Partition(Config(), {})
    applied(partition, [*steady(0, 10), alert(YEAR / 1000, 10)])
    assert partition.engine.now == START + 10_000 + TOLERANCE_MS
    (scope,) = partition.engine.state.scopes.values()
    (known,) = scope.nodes.values()
    assert known.last_new_at <= partition.engine.now
    assert partition.disbelieved == {"ahead": 1}


def test_an_alert_that_waited_in_kafka_keeps_its_time() -> None:
    partition = Partition(Config(), {})
    applied(partition, [alert(0, 7200)])
    assert partition.engine.now == START
    assert not partition.disbelieved


def test_a_page_goes_out_although_the_only_worker_is_a_day_behind() -> None:
    partition = Partition(Config(), {})
    said = applied(partition, [*steady(0, 10), alert(10, 10), *steady(11, 120, off=-86_400)])
    assert [getattr(output, "action", None) for output in said].count("opened") == 1


clocks = st.lists(
    st.tuples(st.sampled_from([0, 0, 0, 61, -61, 3600, -86_400, YEAR // 1000]), st.integers(0, 90), st.booleans()),
    min_size=1,
    max_size=40,
)


def history(drawn: list[tuple[int, int, bool]]) -> list[Written]:
    by, made = 0, []
    for off, pause, is_alert in drawn:
        by += pause
        made += [alert(by + off, by, fingerprint=f"f{by % 3}")] if is_alert else ticks((by + off, by))
    return made


@given(clocks)
@settings(max_examples=80, deadline=None)
def test_time_never_goes_back_nor_further_ahead_of_the_brokers_than_a_minute(
    drawn: list[tuple[int, int, bool]],
) -> None:
    partition = Partition(Config(), {})
    last = 0
    for written in history(drawn):
        applied(partition, [written])
        assert last <= partition.engine.now <= written[1] + TOLERANCE_MS
        last = partition.engine.now


@given(clocks, st.data())
@settings(max_examples=50, deadline=None)
def test_a_restart_and_a_replay_see_the_same_time(drawn: list[tuple[int, int, bool]], data: st.DataObject) -> None:
    written = history(drawn)
    whole = Partition(Config(), {})
    said = applied(whole, written)
    cut = data.draw(st.integers(0, len(written)))
    first = Partition(Config(), {})
    before = applied(first, written[:cut])
    second = Partition(
        Config(),
        {whole.engine.state.topology: whole.engine._graph},
        snapshot=codec.decode(codec.encode(first.snapshot())),
    )
    assert before + applied(second, written[cut:]) == said
    assert codec.encode(second.snapshot()) == codec.encode(whole.snapshot())
    out = BytesIO()
    replay = LogReplay(Config(), [], Sinks(out))
    for offset, (record, by) in enumerate(written):
        dumped = Line(
            partition=0, offset=offset, timestamp=by, key=None, headers={}, value=msgspec.Raw(log.encode(record))
        )
        replay.feed(offset + 1, msgspec.json.encode(dumped))
    replay.finish()
    published = [
        msgspec.json.encode(output) for output in said if hasattr(output, "incident_id") and hasattr(output, "revision")
    ]
    assert out.getvalue().splitlines() == published
