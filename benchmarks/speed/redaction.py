"""What redaction costs of reading, naming and encoding alerts: `python -m benchmarks.speed.redaction`.

The batches of `benchmarks.speed.formats` become records of the log, with the default rules and without any: when all
repeats, and when every text is new. The figure to compare with is the same run without rules.
"""

from __future__ import annotations

import argparse
import json

from benchmarks.speed.formats import BATCH, batch, seconds_per_batch
from correlator.config import Config
from correlator.formats import log
from correlator.formats.naming import Namer
from correlator.formats.reading import Formats
from correlator.formats.redaction import Redaction, redaction_of
from tests.formats.examples import AT, EXAMPLES
from topology.graph import ServiceGraph

#: Batches whose texts differ; enough that a memory of texts is of no use.
_VARIANTS = 100
NAMES = ("canonical", "alertmanager", "prometheus")


class _Ingest:
    """Reads and names batches one after the other."""

    def __init__(self, messages: list[bytes], redaction: Redaction) -> None:
        self._messages = messages
        self._formats = Formats()
        self._namer = Namer(Config().naming, ServiceGraph.empty(), redaction)
        self._next = 0

    def __call__(self) -> None:
        data = self._messages[self._next]
        self._next = (self._next + 1) % len(self._messages)
        contents = self._formats.read(data, arrived_at=AT)
        is_clean = self._namer.are_clean(contents.events)
        events = [
            self._namer.name(alert, event_id="e", observed_at=AT + 60_000, is_clean=is_clean)
            for alert in contents.alerts
        ]
        log.encode(log.Alerts(at=AT, events=events))


def messages(name: str, variants: int) -> list[bytes]:
    """Return batches of a format's example, each with texts of its own."""
    data = json.loads(batch(EXAMPLES[name]))
    return [json.dumps(_numbered(data, number)).encode() for number in range(variants)]


def _numbered(value: object, number: int, key: str = "") -> object:
    if isinstance(value, dict):
        return {name: _numbered(inner, number, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_numbered(inner, number) for inner in value]
    return f"{value}, now {number}%" if key in ("summary", "description") and isinstance(value, str) else value


def measure(name: str, variants: int) -> tuple[float, float]:
    """Return alerts a core second without rules and with the default ones."""
    some = messages(name, variants)
    without, default = _Ingest(some, Redaction(())), _Ingest(some, redaction_of(Config()))
    least = [float("inf"), float("inf")]
    # In turns: what else runs on the machine changes within seconds.
    for _ in range(4):
        for place, work in enumerate((without, default)):
            least[place] = min(least[place], seconds_per_batch(work, repeats=2, least_seconds=0.05))
    return BATCH / least[0], BATCH / least[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formats", nargs="*", default=NAMES, help=f"names of formats, by default {', '.join(NAMES)}")
    options = parser.parse_args()
    print("| format | texts | alerts/s without rules | with the default rules | cost |")
    print("|---|---|---|---|---|")
    for name in options.formats:
        for texts, variants in (("repeat", 1), ("all new", _VARIANTS)):
            without, default = measure(name, variants)
            print(f"| {name} | {texts} | {without:,.0f} | {default:,.0f} | {without / default - 1:+.1%} |", flush=True)


if __name__ == "__main__":
    main()
