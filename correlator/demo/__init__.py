"""Show all of it on this machine: Kafka, worker, pager and a storm; then what it came to; then leave nothing behind.

    storm -> [player] -> alerts -> [worker] -> incidents -> [pager] -> this terminal

Everything is the real thing, only the clock is the storm's. At the end the same storm is replayed without Kafka: what
was published must be what the replay gives, byte for byte.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

from correlator.config import load
from correlator.demo import report, show, stream
from correlator.demo.screen import Screen
from correlator.devkafka import Broker

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(
    *,
    alerts: Path | None = None,
    topology: Path | None = None,
    truth: Path | None = None,
    overrides: Sequence[str] = (),
    speed: float | None = None,
    seed: int = 1,
    keep: bool = False,
    out: TextIO | None = None,
) -> None:
    """Play a stream through everything and show what comes of it.

    Args:
        alerts: a recorded stream; a simulated storm by default.
        truth: the labelled cases of the recorded stream, to be set beside what was named.
        speed: seconds of the stream in a second; by default it takes less than a minute, 0 is as fast as it goes.
        keep: leave the files there, to be looked at.

    Raises:
        CorrelatorError: something is missing on this machine, or failed.
        KeyboardInterrupt: the user or a signal ended it; all is cleaned up.
    """
    screen = Screen(out or sys.stdout)
    # What is wrong with the settings is told before anything is started.
    load(None, overrides)
    with _interruptible() as deafen, _folder(keep, screen) as folder:
        if alerts is None:
            played = stream.simulated(seed, folder)
        else:
            played = stream.recorded(alerts.resolve(), topology.resolve() if topology else None, truth)
        screen.write(f"{played.title}\nStarting Kafka, the worker and the pager ...\n")
        with ExitStack() as running:
            broker = running.enter_context(Broker())
            running.callback(deafen)
            file = folder / "correlator.toml"
            file.write_text(show.settings(broker.bootstrap_servers, played.topology), encoding="utf-8")
            config = load(file, overrides)
            worker = show.Worker(
                config_file=file, overrides=tuple(overrides), log=folder / "worker.log", before_end=deafen
            )
            running.enter_context(show.logging_to(folder / "pager.log"))
            published = asyncio.run(show.run(config, worker, played, screen, speed=speed))
            screen.write(report.of(config, played, published, folder))


@contextmanager
def _interruptible() -> Iterator[Callable[[], None]]:
    """Take every signal that ends us for a Ctrl-C; lend what makes us deaf to them, for a clean-up to be whole."""

    def as_ctrl_c(_: int, frame: FrameType | None) -> None:
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):
            handler(signal.SIGINT, frame)

    def deafen() -> None:
        for signum in _SIGNALS:
            signal.signal(signum, signal.SIG_IGN)

    before = {signum: signal.signal(signum, as_ctrl_c) for signum in _SIGNALS}
    # By this very handler asyncio knows that it may take the signal over.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield deafen
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextmanager
def _folder(keep: bool, screen: Screen) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="correlator-demo-"))
    try:
        yield folder
    finally:
        if keep:
            screen.write(f"\nThe files are in {folder}: configuration, stream, results and logs.\n")
        else:
            shutil.rmtree(folder)
