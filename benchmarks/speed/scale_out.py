"""How much faster are two workers than one?

python -m benchmarks.speed.scale_out [--alerts N] [--seed N] [--record]

The same backlog, of sixty-four scopes over four partitions, for one worker and then for two: scopes spread by their
hash, so of few of them one worker may get most. All of it shares this machine with the broker, so on two cores the
ratio stays below two.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.speed import workloads
from benchmarks.speed.record import Figure, parser, show
from benchmarks.speed.stage import Rate, Stage, batches
from correlator.devkafka import Broker

_SERVICES = 1000
_ALERTS = 5000
_PARTITIONS = 4
_SCOPES = 64
_BATCH = 20


def main() -> None:
    made = parser("scale_out", __doc__)
    made.add_argument("--alerts", type=int, default=300_000)
    options = made.parse_args()
    graph = workloads.graph(_SERVICES, seed=options.seed)
    messages = list(batches(_scoped(options.alerts), _BATCH))
    figures: list[Figure] = []
    rates: list[Rate] = []
    with tempfile.TemporaryDirectory(prefix="correlator-speed-") as name, Broker() as broker:
        for count in (1, 2):
            stage = Stage(broker, Path(name), f"workers{count}", graph, partitions=_PARTITIONS)
            with stage.workers(count) as workers:
                stage.wait_ready(workers)
                stage.produce(messages)
                rates.append(stage.rate(workers, options.alerts, after=options.alerts // 20))
            beside = f"{rates[-1].a_second / rates[0].a_second:.2f} times one" if count > 1 else ""
            figures.append(Figure(f"{count} worker{'s' * (count > 1)}", f"{rates[-1].a_second:,.0f} alerts/s", beside))
    show("scale_out", figures, options)


def _scoped(count: int) -> Iterator[bytes]:
    """Yield repeats in scopes, a message's worth of one scope after the other; an alert keeps its scope."""
    for number, line in enumerate(workloads.repeats(count, among=_ALERTS, services=_SERVICES)):
        scope = json.dumps({"scope": f"scope-{number % _ALERTS // _BATCH % _SCOPES}"}).encode()
        yield line[:-1] + b"," + scope[1:]


if __name__ == "__main__":
    main()
