"""How much hangs on a setting, and on the world: one thing at a time is varied, and all is scored again.

python -m benchmarks.quality.sweep [--simulate PRESET] [--seeds FIRST LAST] [--only WORDS ...] [--beside BASELINE ...]
                                   [--record]

A figure that hangs on a threshold shows a fit to its streams, not a property of the method. The variations of the
engine run on the streams of the unvaried world; those of the world have streams of their own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks.quality.baselines import outcomes
from benchmarks.quality.drawn import mean_over_systems
from benchmarks.quality.judging import ENGINE, RESULTS, judge, provenance
from benchmarks.quality.replay import CommandFailed, correlator_command, replay, simulate
from benchmarks.quality.report import Provenance, cell, table
from benchmarks.quality.stream import read_stream
from correlator.errors import ConfigError
from correlator.scoring import Score, figures


class Variation(msgspec.Struct, frozen=True):
    """One thing that is otherwise: settings of the simulation, or of the engine, KEY=VALUE."""

    what: str
    world: tuple[str, ...] = ()
    engine: tuple[str, ...] = ()


VARIATIONS = (
    Variation("nothing"),
    Variation("world: noise a quarter", ("noise.episodes_per_service_day=1",)),
    Variation("world: noise threefold", ("noise.episodes_per_service_day=12",)),
    Variation("world: no fault in company", ("faults.overlapping_share=0",)),
    Variation("world: seven of ten faults in company", ("faults.overlapping_share=0.7",)),
    Variation("world: half as many faults", ("faults.per_day=24",)),
    Variation(
        "world: no edge missing or invented", ("observation.missing_edge_share=0", "observation.invented_edge_share=0")
    ),
    Variation(
        "world: 30 % of edges missing, 10 % invented",
        ("observation.missing_edge_share=0.3", "observation.invented_edge_share=0.1"),
    ),
    Variation("world: no placement known", ("observation.unknown_placement_share=1",)),
    Variation("world: every rule there", ("monitoring.missing_rule_share=0", "monitoring.unmonitored_share=0")),
    Variation("world: two of three rules missing", ("monitoring.missing_rule_share=0.66",)),
    Variation("world: nothing mentioned", ("delivery.mention_share=0",)),
    Variation("world: every second mention wrong", ("delivery.wrong_mention_share=0.5",)),
    Variation("world: half the clocks 30 s off", ("delivery.skewed_source_share=0.5",)),
    Variation(
        "world: a tenth late, a fifth of resolves lost", ("delivery.late_share=0.1", "delivery.lost_resolve_share=0.2")
    ),
    Variation("engine: window 200 s", engine=("correlation_window_seconds=200",)),
    Variation("engine: window 800 s", engine=("correlation_window_seconds=800",)),
    Variation("engine: one hop", engine=("max_hops=1",)),
    Variation("engine: thresholds .60 and .75", engine=("page_probability_critical=0.6", "page_probability=0.75")),
    Variation("engine: thresholds .80 and .92", engine=("page_probability_critical=0.8", "page_probability=0.92")),
    Variation("engine: holds at most 20 s", engine=("hold_max_seconds=20",)),
    Variation("engine: holds at most 180 s", engine=("hold_max_seconds=180",)),
    Variation("engine: resolves after 120 s", engine=("resolve_after_seconds=120",)),
    Variation("engine: resolves after 900 s", engine=("resolve_after_seconds=900",)),
)

COLUMNS = (
    ("detected", "detected"),
    ("pages/case", "pages_per_case"),
    ("B3 F", "bcubed_f_score"),
    ("over", "over_merge"),
    ("backgr./day", "background_pages_per_day"),
    ("false suppr.", "false_suppression"),
    ("page s p50", "time_to_page_p50"),
    ("top-1 vis.", "top1_visible"),
    ("top-3 vis.", "top3_visible"),
    ("ECE", "ece_end"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sweep; exit 0 if all ran, 1 if a command failed, 2 on a bad input."""
    options = _parser().parse_args(arguments)
    rows: list[list[str]] = []
    try:
        for variation in _chosen(options.only):
            found = _rows(variation, options)
            print("\n".join(" ".join(row) for row in found), file=sys.stderr, flush=True)
            rows += found
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except CommandFailed as error:
        print(error, file=sys.stderr)
        return 1
    made = provenance("benchmarks.quality.sweep", sys.argv[1:] if arguments is None else arguments)
    text = as_markdown(rows, options.simulate, made)
    print(text)
    if options.record:
        path = RESULTS / f"{made.date[:10]}-{options.simulate}-sweep-{made.commit}.md"
        path.write_text(text, encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.sweep", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--simulate", default="day", metavar="PRESET", help="default: %(default)s")
    parser.add_argument("--seeds", nargs=2, type=int, default=(60, 62), metavar=("FIRST", "LAST"))
    parser.add_argument("--only", action="append", default=[], metavar="WORDS", help="variations whose name has them")
    parser.add_argument("--beside", action="append", default=[], metavar="BASELINE", help="score this one too")
    parser.add_argument("--correlator", default=correlator_command(), metavar="COMMAND", help="default: %(default)s")
    parser.add_argument("--record", action="store_true", help="write a dated result beside this benchmark")
    return parser


def _chosen(words: Sequence[str]) -> list[Variation]:
    chosen = [item for item in VARIATIONS if not words or any(word in item.what for word in words)]
    if not chosen:
        raise ConfigError("--only", [f"no variation is named {' or '.join(words)}"])
    return chosen


def _rows(variation: Variation, options: argparse.Namespace) -> list[list[str]]:
    """Return a row of means over all seeds for each method."""
    found: dict[str, list[Score]] = {}
    first, last = options.seeds
    for seed in range(first, last + 1):
        with tempfile.TemporaryDirectory(prefix="correlator-sweep-") as folder:
            for method, score in _scores(variation, options, seed, Path(folder)):
                found.setdefault(method, []).append(score)
    missing = [name for name in options.beside if name not in found]
    if missing and not variation.engine:
        raise ConfigError("--beside", [f"no baseline {missing[0]!r}"])
    return [
        [variation.what if method == ENGINE else f"{variation.what}; {method}", *_means(scores)]
        for method, scores in found.items()
    ]


def _scores(variation: Variation, options: argparse.Namespace, seed: int, folder: Path) -> Iterator[tuple[str, Score]]:
    simulate(options.correlator, options.simulate, seed, folder, variation.world)
    stream = read_stream(folder)
    yield ENGINE, judge(stream, replay(options.correlator, stream, folder, variation.engine))
    if options.beside and not variation.engine:
        yield from ((name, judge(stream, made)) for name, made in outcomes(stream) if name in options.beside)


def _means(scores: Sequence[Score]) -> list[str]:
    known = [figures(score) for score in scores]
    means = [mean_over_systems([values[figure] for values in known]) for _, figure in COLUMNS]
    return [cell(mean and mean[0]) for mean in means]


def as_markdown(rows: Sequence[Sequence[str]], preset: str, made: Provenance) -> str:
    """Write the table: what is varied, for whom but the engine, and the means of the figures."""
    head = [
        f"# Sensitivity on {preset}, {made.date}",
        "",
        f"Command `{made.command}`, commit `{made.commit}`. Means over seeds; figures are defined in docs/quality.md.",
        "",
    ]
    return "\n".join([*head, *table(["varied", *(heading for heading, _ in COLUMNS)], rows), ""])


if __name__ == "__main__":
    sys.exit(main())
