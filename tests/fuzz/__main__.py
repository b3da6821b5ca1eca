"""Look for inputs that make a reader or the engine fail, one target after the other.

python -m tests.fuzz [TARGET ...] [--seconds N] [--keep]

What it finds is written to `.fuzz/found`, what it learned to `.fuzz/TARGET`, with which the next run goes on. `--keep`
replaces the folders of `corpus` by the fewest inputs that reach the same code.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.limits import CORPUS, HANG_SECONDS, LONGEST_BYTES, MOST_MEGABYTES
from tests.fuzz.seeds import seeds, words
from tests.fuzz.targets import TARGETS

_ROOT = Path(__file__).parents[2]
_WORK = _ROOT / ".fuzz"
#: What only takes longer when it is longer.
_LENGTHS = {"engine": 200, "replayed": 4000}
_STATUS = re.compile(r"^#(\d+)\s+\S+\s+cov: (\d+) ft: (\d+) corp: (\d+)/", re.MULTILINE)


class Outcome(NamedTuple):
    """What came of one target."""

    runs: int
    edges: int
    features: int
    inputs: int
    found: list[Path]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all unless given")
    parser.add_argument("--seconds", type=int, default=60, help="of each target")
    parser.add_argument("--keep", action="store_true", help="replace the corpus by the least that reaches the same")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.targets) - TARGETS.keys()):
        parser.error(f"no target: {', '.join(unknown)}")
    if importlib.util.find_spec("atheris") is None:
        parser.error("atheris is not installed here, see the dependency group `fuzz` of pyproject.toml")
    found = 0
    print(f"{'target':<18}{'runs':>10}{'edges':>8}{'features':>10}{'inputs':>8}  found")
    for name in options.targets or TARGETS:
        outcome = fuzz(name, options.seconds)
        found += len(outcome.found)
        says = " ".join(str(path.relative_to(_ROOT)) for path in outcome.found) or "nothing"
        figures = f"{outcome.runs:>10}{outcome.edges:>8}{outcome.features:>10}{outcome.inputs:>8}"
        print(f"{name:<18}{figures}  {says}", flush=True)
        if options.keep:
            keep(name)
    return 1 if found else 0


def fuzz(name: str, seconds: int) -> Outcome:
    """Fuzz one target; it stops at the first input that fails."""
    work, findings = _WORK / name, _WORK / "found"
    for folder in (work, findings, CORPUS / name):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (work / f"seed-{number}").write_bytes(seed)
    before = set(findings.iterdir())
    length = _LENGTHS.get(name, LONGEST_BYTES)
    (_WORK / "words").write_text("\n".join(map(_quoted, words())) + "\n", encoding="ascii")
    said = _child(
        name,
        [
            f"-max_total_time={seconds}",
            f"-max_len={length}",
            f"-timeout={HANG_SECONDS}",
            f"-rss_limit_mb={MOST_MEGABYTES}",
            f"-artifact_prefix={findings}/{name}-",
            f"-dict={_WORK / 'words'}",
            str(work),
            str(CORPUS / name),
        ],
        log=_WORK / f"{name}.log",
    )
    reached = _STATUS.findall(said) or [("0", "0", "0", "0")]
    runs, edges, features, inputs = map(int, reached[-1])
    new = sorted(set(findings.iterdir()) - before)
    if not new and "Done " not in said:
        raise SystemExit(f"the fuzzer of {name} ended too early, see {_WORK / name}.log")
    return Outcome(runs, edges, features, inputs, new)


def keep(name: str) -> None:
    """Replace the corpus of a target by the fewest inputs that reach what all together reach."""
    with tempfile.TemporaryDirectory(prefix="correlator-fuzz-") as folder:
        said = _child(
            name,
            ["-set_cover_merge=1", f"-max_len={LONGEST_BYTES}", folder, str(CORPUS / name), str(_WORK / name)],
            log=_WORK / f"{name}.merge.log",
        )
        if not list(Path(folder).iterdir()):
            raise SystemExit(f"nothing was kept of {name}: {said[-300:]}")
        shutil.rmtree(CORPUS / name)
        shutil.copytree(folder, CORPUS / name)


def _child(name: str, arguments: list[str], *, log: Path) -> str:
    """Run libFuzzer for a target and return what it said.

    To merge, it starts itself again by the name of its program: so that is a script which does this very thing.
    """
    with tempfile.TemporaryDirectory(prefix="correlator-fuzz-") as folder:
        program = Path(folder) / name
        program.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -m tests.fuzz.child "$0" {name} "$@"\n', encoding="utf-8"
        )
        program.chmod(0o700)
        with log.open("wb") as sink:
            subprocess.run(
                [program, *arguments], cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, check=False
            )
    return log.read_text(encoding="utf-8", errors="replace")


def _quoted(word: bytes) -> str:
    """Write a word as libFuzzer's dictionaries have it."""
    return (
        '"' + "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in word) + '"'
    )


if __name__ == "__main__":
    sys.exit(main())
