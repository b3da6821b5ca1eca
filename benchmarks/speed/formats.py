"""How many alerts a second a core reads, from bytes to checked alerts.

python -m benchmarks.speed.formats [--rounds N] [--least N] [--record] [FORMAT ...]

Batches of 100 alerts are made of one message of each format (`tests/formats/examples.py`): one message of 100 alerts
where the format has such, else an array. The services differ, so that no two alerts are the same. The figure to compare
with is `json.loads` of the same bytes, in the same run. All formats are measured in turn, in several rounds, and of
each the least time counts: a neighbour on the machine can be busy for a minute, and only ever adds.
"""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from benchmarks.speed.record import Figure, parser, show
from correlator.errors import InputError
from correlator.formats import labelled
from correlator.formats.reading import Formats
from tests.formats.examples import AT, EXAMPLES

BATCH = 100
#: How many are read until what was learned of them is forgotten: new alerts have most of their labels in common.
_BATCHES = 100
#: What makes one alert another, in one format or several.
_IDENTITY = frozenset(
    {"service", "app", "dedup_key", "ruleName", "name", "value", "summary"}
    # of vendors
    | {"AlarmArn", "originAlertId", "alert_id", "alias", "host", "stringValue", "trigger_id", "NOTIFY_HOSTNAME"}
)
#: Where a message of several alerts has them.
_LISTS = ("alerts", "resourceLogs")


def batch(document: Any, first: int = 0) -> bytes:
    """Return a message of `BATCH` alerts that are like those of a document, and differ from each other."""
    numbers = range(first, first + BATCH)
    for key in _LISTS:
        if isinstance(inner := document.get(key), list):
            return json.dumps({**document, key: [_varied(inner[i % len(inner)], i) for i in numbers]}).encode()
    return json.dumps([_varied(document, number) for number in numbers]).encode()


def _varied(value: Any, number: int, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _varied(copy.copy(inner), number, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_varied(inner, number) for inner in value]
    return f"{value}-{number}" if key in _IDENTITY and isinstance(value, str) else value


def seconds_per_batch(work: Callable[[], object], *, repeats: int = 60, least_seconds: float = 0.01) -> float:
    """Return the least time of one call, of this process' own: what else ran on the machine only ever adds.

    Many short runs rather than few long ones: a neighbour seldom leaves the caches alone for long.
    """
    calls = 1
    while (taken := _time(work, calls)) < least_seconds:
        calls = max(2 * calls, round(calls * least_seconds / max(taken, 1e-6)))
    return min(taken, *(_time(work, calls) for _ in range(repeats))) / calls


def _time(work: Callable[[], object], calls: int) -> float:
    began = time.process_time()
    for _ in range(calls):
        work()
    return time.process_time() - began


class Times(NamedTuple):
    """Seconds that a batch takes: when its alerts repeat, when all are new, and in `json.loads`; and its bytes."""

    repeated: float
    anew: float
    plain: float
    size: float


def measure(name: str, document: Any) -> Times:
    """Return the least times of many short runs."""
    data = batch(document)
    formats = Formats()
    contents = formats.read(data, arrived_at=AT)
    if len(contents.alerts) != BATCH or any(isinstance(one.event, InputError) for one in contents.events):
        raise SystemExit(f"{name}: {len(contents.alerts)} alerts, not {BATCH}")

    def never_seen() -> Iterator[bytes]:
        batches = [batch(document, number * BATCH) for number in range(_BATCHES)]
        while True:
            labelled.forget()
            yield from batches

    unseen = never_seen()

    return Times(
        repeated=seconds_per_batch(lambda: formats.read(data, arrived_at=AT)),
        anew=seconds_per_batch(lambda: formats.read(next(unseen), arrived_at=AT)),
        plain=seconds_per_batch(lambda: json.loads(data)),
        size=len(data),
    )


def in_rounds(names: Sequence[str], rounds: int) -> dict[str, Times]:
    """Return the least times of each format over all rounds."""
    found: dict[str, Times] = {}
    for name in [name for _ in range(rounds) for name in names]:
        times = measure(name, EXAMPLES[name])
        found[name] = Times(*map(min, found.get(name, times), times))
    return found


def main() -> None:
    taken = parser("formats", __doc__)
    taken.add_argument("formats", nargs="*", default=list(EXAMPLES), help="names of formats; all by default")
    taken.add_argument("--rounds", type=int, default=3, help="how often each is measured")
    taken.add_argument("--least", type=float, default=0, help="fail where fewer alerts a second are read")
    options = taken.parse_args()
    figures, slow = [], []
    for name, times in in_rounds(options.formats, options.rounds).items():
        rates = f"{BATCH / times.repeated:,.0f} alerts/s repeated, {BATCH / times.anew:,.0f} all new"
        ratio = f"{times.repeated / times.plain:.2f} json.loads, {times.size / BATCH:.0f} B"
        figures.append(Figure(name, rates, ratio))
        if BATCH / max(times.repeated, times.anew) < options.least:
            slow.append(name)
    show("formats", figures, options)
    if slow:
        sys.exit(f"below {options.least:,.0f} alerts/s: {', '.join(slow)}")


if __name__ == "__main__":
    main()
