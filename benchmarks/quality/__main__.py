"""Score the engine, and every baseline beside it, on labelled streams.

python -m benchmarks.quality [--streams DIR] [--stream NAME ...] [--simulate PRESET [--drawn] --seeds FIRST LAST]
                             [--baselines] [--set key=value ...] [--no-engine] [--check] [--record] [--json OUT]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.quality.baselines import outcomes
from benchmarks.quality.drawn import drawn_settings
from benchmarks.quality.judging import ENGINE, RESULTS, ROOT, judge, provenance
from benchmarks.quality.replay import CommandFailed, correlator_command, replay, simulate
from benchmarks.quality.report import Provenance, StreamResult, as_document, as_markdown, as_record, means_as_markdown
from benchmarks.quality.stream import Stream, read_stream, stream_folders
from benchmarks.quality.tolerances import DEFAULT_PATH, read_tolerances, regressions
from benchmarks.quality.windows import naive_accuracies
from correlator.errors import ConfigError
from correlator.scoring import Score, figures

#: Where the labelled streams lie beside a checkout; they are read in place and are no part of it.
STREAMS = ROOT.parent / "shared" / "data"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; exit 0 if all is well, 1 on a regression or a failed run, 2 on a bad input."""
    options = _parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="correlator-quality-") as folder:
            results = [_judge(stream, options, Path(folder)) for stream in _streams(options, Path(folder))]
        if options.drawn:
            print(means_as_markdown(results))
        _write(results, options, provenance("benchmarks.quality", sys.argv[1:] if arguments is None else arguments))
        return _check(results, options.tolerances) if options.check else 0
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except CommandFailed as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--streams", type=Path, default=STREAMS, help="folder of labelled streams (default: %(default)s)"
    )
    parser.add_argument("--stream", action="append", default=[], metavar="NAME", help="only this stream; repeatable")
    parser.add_argument("--simulate", metavar="PRESET", help="simulated streams of this preset instead")
    parser.add_argument("--drawn", action="store_true", help="each seed draws the size and all else of its system")
    parser.add_argument("--seeds", nargs=2, type=int, default=(100, 102), metavar=("FIRST", "LAST"))
    parser.add_argument("--baselines", action="store_true", help="score every baseline too")
    parser.add_argument("--no-engine", action="store_true", help="leave the engine out")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the engine")
    parser.add_argument("--correlator", default=correlator_command(), metavar="COMMAND", help="default: %(default)s")
    parser.add_argument("--check", action="store_true", help="exit 1 if a figure of the engine is beyond its tolerance")
    parser.add_argument("--tolerances", type=Path, default=DEFAULT_PATH, metavar="FILE")
    parser.add_argument("--record", action="store_true", help="write a dated result beside this benchmark")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all figures as JSON")
    return parser


def _streams(options: argparse.Namespace, folder: Path) -> Iterator[Stream]:
    if options.simulate:
        first, last = options.seeds
        for seed in range(first, last + 1):
            target = folder / f"{_simulated(options)}-{seed}"
            settings = drawn_settings(seed) if options.drawn else []
            simulate(options.correlator, options.simulate, seed, target, settings)
            yield read_stream(target)
        return
    folders = {path.name: path for path in stream_folders(options.streams)}
    wanted = options.stream or list(folders)
    missing = [name for name in wanted if name not in folders] if folders else ["of any name"]
    if missing:
        raise ConfigError(str(options.streams), [f"no labelled stream {name} here" for name in missing])
    for name in wanted:
        yield read_stream(folders[name])


def _simulated(options: argparse.Namespace) -> str:
    return f"{options.simulate}-drawn" if options.drawn else options.simulate


def _judge(stream: Stream, options: argparse.Namespace, folder: Path) -> StreamResult:
    methods: dict[str, Score] = {}
    if not options.no_engine:
        outputs = folder / "outputs" / stream.name
        outputs.mkdir(parents=True)
        methods[ENGINE] = judge(stream, replay(options.correlator, stream, outputs, options.set))
    if options.baselines:
        methods |= {name: judge(stream, outcome) for name, outcome in outcomes(stream)}
    result = StreamResult(
        name=stream.name, window_seconds=stream.window_seconds, methods=methods, naive=naive_accuracies(stream)
    )
    print(as_markdown(result), flush=True)
    return result


def _write(results: Sequence[StreamResult], options: argparse.Namespace, made: Provenance) -> None:
    if options.json:
        options.json.write_bytes(as_document(results, made))
    if options.record:
        RESULTS.mkdir(exist_ok=True)
        name = f"{made.date[:10]}-{_simulated(options) if options.simulate else 'streams'}-{made.commit}"
        (RESULTS / f"{name}.json").write_bytes(as_document(results, made))
        (RESULTS / f"{name}.md").write_text(as_record(results, made, drawn=options.drawn), encoding="utf-8")


def _check(results: Sequence[StreamResult], path: Path) -> int:
    tolerances = read_tolerances(path)
    found = [
        sentence
        for result in results
        if ENGINE in result.methods
        for sentence in regressions(result.name, figures(result.methods[ENGINE]), tolerances)
    ]
    for sentence in found:
        print(sentence, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
