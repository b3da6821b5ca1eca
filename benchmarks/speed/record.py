"""How a result is told: a table, with the command, seed, commit and machine that gave it."""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

RESULTS = Path(__file__).with_name("results")
ROOT = Path(__file__).resolve().parents[2]


class Figure(msgspec.Struct, frozen=True):
    """One line of a result; `beside` says what it is to the yardstick of the same run."""

    what: str
    value: str
    beside: str = ""


def parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark takes."""
    made = argparse.ArgumentParser(prog=f"python -m benchmarks.speed.{module}", description=description)
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--record", action="store_true", help="keep the result in benchmarks/speed/results")
    return made


def show(module: str, figures: Sequence[Figure], options: argparse.Namespace) -> None:
    """Print a result, and keep it where that was asked for."""
    text = as_markdown(module, figures, sys.argv[1:])
    print(text)
    if options.record:
        RESULTS.mkdir(exist_ok=True)
        file = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-{module}-{commit()}.md"
        file.write_text(text, encoding="utf-8")


def as_markdown(module: str, figures: Sequence[Figure], arguments: Sequence[str]) -> str:
    lines = [
        f"# Speed: {module}, {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "",
        f"Command `{shlex.join(['python', '-m', f'benchmarks.speed.{module}', *arguments])}`, commit `{commit()}`.",
        f"Machine: {machine()}.",
        "",
        "| what | figure | beside |",
        "| --- | ---: | --- |",
        *(f"| {figure.what} | {figure.value} | {figure.beside} |" for figure in figures),
        "",
    ]
    return "\n".join(lines)


def machine() -> str:
    """Return processor, cores, Python and what else the machine was doing, which is part of every figure."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} cores, CPython {platform.python_version()}, load {load:.1f} at the end"


def commit() -> str:
    """Return the commit of this checkout, marked where the tree differs from it."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
