"""The engine under test: the installed command, run as a user would run it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.quality.baselines.groups import Outcome
from benchmarks.quality.stream import Stream
from correlator.config import EngineConfig
from correlator.scoring.inputs import read_assignments, read_incidents


class CommandFailed(Exception):
    """A command of the correlator ended with an error; its own words are in the message."""


def correlator_command() -> str:
    """Return the `correlator` of this environment, else the one on the path."""
    beside = Path(sys.executable).with_name("correlator")
    return str(beside) if beside.exists() else shutil.which("correlator") or "correlator"


def replay_command(correlator: str, stream: Stream, folder: Path, settings: Sequence[str]) -> list[str]:
    """Return the command line that replays a stream with its outputs in `folder`."""
    command = [correlator, "replay"]
    command += ["--alerts", str(stream.alerts_path), "--topology", str(stream.topology_path)]
    command += ["--incidents", str(folder / "incidents.jsonl"), "--assignments", str(folder / "assignments.jsonl")]
    if stream.window_seconds != EngineConfig().correlation_window_seconds:
        settings = [f"correlation_window_seconds={stream.window_seconds:.0f}", *settings]
    return [*command, *(part for setting in settings for part in ("--set", setting))]


def replay(correlator: str, stream: Stream, folder: Path, settings: Sequence[str]) -> Outcome:
    """Replay a stream and read what came out.

    Raises:
        CommandFailed: the replay ended with an error.
    """
    run(replay_command(correlator, stream, folder, settings))
    return Outcome(
        assignments=read_assignments(folder / "assignments.jsonl"), steps=read_incidents(folder / "incidents.jsonl")
    )


def simulate(correlator: str, preset: str, seed: int, folder: Path, settings: Sequence[str] = ()) -> None:
    """Write a simulated stream into `folder`; `settings` are KEY=VALUE of the simulation.

    Raises:
        CommandFailed: the simulation ended with an error.
    """
    command = [correlator, "simulate", "--preset", preset, "--seed", str(seed), "--out", str(folder)]
    run([*command, *(part for setting in settings for part in ("--set", setting))])


def run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    except subprocess.CalledProcessError as error:
        raise CommandFailed(f"{' '.join(command)}: exit {error.returncode}\n{error.stderr.strip()}") from error
    except OSError as error:
        raise CommandFailed(f"{command[0]}: {error}") from error
