"""`correlator demo` as a user runs it: it tells the truth, and leaves nothing, however it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import pytest

from correlator.devkafka import Broker
from tests.integration.workers import chain_topology, storm

COMMAND = (sys.executable, "-m", "correlator")
TIMEOUT_SECONDS = 120


@pytest.fixture
def room(tmp_path: Path, kafka: Broker) -> Path:
    """The only place where temporary files may be made; `kafka` tells whether a broker can run here at all."""
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


def environment(room: Path, **changes: str) -> Mapping[str, str]:
    return {**os.environ, "TMPDIR": str(room), **changes}


def demo(room: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "demo", *arguments]
    return subprocess.run(
        command, env=environment(room, **changes), capture_output=True, text=True, timeout=TIMEOUT_SECONDS
    )


def left_behind(room: Path) -> list[str]:
    """Return files, and on Linux processes, that a demo did not end."""
    mentions = [entry for entry in Path("/proc").glob("[0-9]*/cmdline") if str(room).encode() in _read(entry)]
    return [str(path) for path in (*room.iterdir(), *mentions)]


def _read(entry: Path) -> bytes:
    try:
        return entry.read_bytes()
    except OSError:
        return b""


def test_the_simulated_storm_ends_with_figures_and_truth_and_its_files_replay_the_same(room: Path) -> None:
    done = demo(room, "--speed", "0", "--keep")
    assert done.returncode == 0, done.stderr
    (folder,) = room.glob("correlator-demo-*")
    assert left_behind(room) == [str(folder)]
    files = [f"{folder}/{name}" for name in ("alerts.jsonl", "topology.json")]
    options = ["--alerts", files[0], "--topology", files[1], "--summary", "json"]
    replayed = subprocess.run([*COMMAND, "replay", *options], check=True, capture_output=True, text=True)
    summary = json.loads(replayed.stdout)
    figures = dict(line.split(None, 1) for line in done.stdout.splitlines() if line.startswith("  "))
    assert figures["incidents"] == str(summary["incidents"])
    assert figures["pages"] == str(summary["pages"]) == str(done.stdout.count(" PAGE "))
    assert figures["events"].split()[0] == str(summary["events"])
    truth = json.loads((folder / "truth.json").read_text())
    table = done.stdout.partition("The truth beside it")[2]
    assert all(case["roots"][0] in table for case in truth["cases"])


def test_a_recorded_stream_is_shown_and_nothing_stays(room: Path, tmp_path: Path) -> None:
    alerts = tmp_path / "storm.jsonl"
    alerts.write_bytes(b"\n".join(storm(faults=2)) + b"\nno alert at all\n")
    options = ["--alerts", str(alerts), "--topology", str(chain_topology(tmp_path)), "--speed", "0"]
    done = demo(room, *options, "--set", "resolve_after_seconds=60")
    assert done.returncode == 0, done.stderr
    assert "s1: ServiceDown (root cause of" in done.stdout
    assert "1 rejected" in done.stdout
    assert "byte for byte" in done.stdout
    assert left_behind(room) == []


@pytest.mark.parametrize(("moment", "signum"), [("Starting Kafka", signal.SIGTERM), ("Ctrl-C ends it", signal.SIGINT)])
def test_whoever_ends_it_at_any_moment_finds_nothing_left(room: Path, moment: str, signum: signal.Signals) -> None:
    command = [*COMMAND, "demo"]
    with subprocess.Popen(
        command,
        env=environment(room),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stdout is not None
        assert any(moment in line for line in _lines(running.stdout))
        running.send_signal(signum)
        _, errors = running.communicate(timeout=TIMEOUT_SECONDS)
    assert running.returncode == 130, errors
    assert "Traceback" not in errors
    assert left_behind(room) == []


def _lines(stream: IO[str]) -> Iterator[str]:
    while line := stream.readline():
        yield line


def test_a_worker_that_cannot_run_ends_it_with_what_the_worker_said(room: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = demo(room, "--set", f"worker.web_port={port}")
    assert done.returncode == 1
    assert done.stderr.startswith("error: the worker ended with status 2")
    assert f"127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr
    assert left_behind(room) == []


def test_without_java_it_says_what_to_install(room: Path, tmp_path: Path) -> None:
    nothing = {"PATH": str(tmp_path / "empty"), "CORRELATOR_CACHE": str(tmp_path / "cache"), "JAVA_HOME": ""}
    done = demo(room, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path), **nothing)
    assert done.returncode == 1
    assert done.stderr.startswith("error: Kafka needs Java 17 or newer: install one")
    assert "Traceback" not in done.stderr
    assert left_behind(room) == []


@pytest.mark.parametrize("arguments", [["--topology", "t.json"], ["--set", "no_such_key=1"]])
def test_what_makes_no_sense_is_refused_before_anything_starts(room: Path, arguments: list[str]) -> None:
    done = demo(room, *arguments)
    assert done.returncode == 2
    assert "Starting" not in done.stdout
    assert left_behind(room) == []
