"""`python -m correlator.devkafka`: a broker in the foreground, or in the background until it is stopped."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from correlator.devkafka.cluster import FOLDER_PREFIX, Broker
from correlator.devkafka.errors import BrokerError
from correlator.devkafka.jars import cache_folder, fetch
from correlator.devkafka.java import find_java

_POLL_SECONDS = 0.05
_STOP_TIMEOUT_SECONDS = 30.0


@click.group()
def main() -> None:
    """Run a real Apache Kafka for development."""


def _properties(_context: click.Context, _parameter: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    if wrong := [value for value in values if "=" not in value]:
        raise click.BadParameter(f"{wrong[0]!r} is not key=value")
    return {key: value for key, _, value in (text.partition("=") for text in values)}


_port = click.option("--port", type=click.IntRange(1, 65_535), help="Port of the first node; a free one by default.")
_set = click.option(
    "--set", "properties", multiple=True, callback=_properties, metavar="KEY=VALUE", help="Broker property; repeatable."
)
_state_file = click.option(
    "--state-file", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Where the broker is noted."
)


@contextlib.contextmanager
def _errors_for_humans() -> Iterator[None]:
    # The default of SIGTERM ends us without our `finally`s: nodes and folders would stay.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except BrokerError as error:
        raise click.ClickException(str(error)) from error


@main.command("fetch")
def _fetch() -> None:
    """Bring Kafka and, where needed, Java into the cache; print what will run."""
    with _errors_for_humans():
        click.echo(f"{find_java()} with {len(fetch())} jars in {cache_folder(os.environ)}")


@main.command("run")
@click.option("--nodes", type=click.IntRange(1, 9), default=1, show_default=True)
@_port
@_set
def _run(nodes: int, port: int | None, properties: dict[str, str]) -> None:
    """Run in the foreground until Ctrl-C or SIGTERM; print the bootstrap servers first."""
    with _errors_for_humans(), Broker(nodes=nodes, port=port, properties=properties) as broker:
        try:
            click.echo(broker.bootstrap_servers)
            broker.wait()
        except KeyboardInterrupt:
            # A second signal must not cut the clean-up short.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)


@main.command("start")
@_state_file
@_port
@_set
def _start(state_file: Path, port: int | None, properties: dict[str, str]) -> None:
    """Start one node in the background, and note it in the state file for `stop`."""
    with _errors_for_humans():
        if state_file.exists():
            raise BrokerError(f"{state_file} exists: a broker may run; end it with `stop --state-file {state_file}`")
        broker = Broker(port=port, properties=properties, outlives_parent=True).start()
        try:
            port = int(broker.bootstrap_servers.rpartition(":")[2])
            state = {"pid": broker.pids[0], "port": port, "directory": str(broker.folder)}
            state_file.write_text(json.dumps({**state, "bootstrap_servers": broker.bootstrap_servers}) + "\n")
        except BaseException:
            broker.stop()
            raise
        click.echo(broker.bootstrap_servers)


@main.command("stop")
@_state_file
def _stop(state_file: Path) -> None:
    """End the broker that the state file notes, and remove its folder and the file."""
    with _errors_for_humans():
        try:
            state = json.loads(state_file.read_text())
            pid, folder = int(state["pid"]), Path(state["directory"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BrokerError(f"{state_file} notes no broker: {error!r}") from error
        _end_noted(pid, folder)
        state_file.unlink()


def _end_noted(pid: int, folder: Path) -> None:
    """End a node that is not our child, and remove its folder."""
    if not folder.name.startswith(FOLDER_PREFIX):
        raise BrokerError(f"{folder} is no folder of a broker; nothing was ended or removed")
    deadline = time.monotonic() + _STOP_TIMEOUT_SECONDS
    with contextlib.suppress(ProcessLookupError):
        if _runs(pid, folder):
            os.kill(pid, signal.SIGTERM)
        while _runs(pid, folder):
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(_POLL_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)


def _runs(pid: int, folder: Path) -> bool:
    """Tell whether the process is the node of this folder, not another that got the number after it."""
    if not Path("/proc/self").exists():
        os.kill(pid, 0)
        return True
    try:
        return bytes(folder) in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
