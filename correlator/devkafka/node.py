"""One node: a Java process with a folder, a log, and signals."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from correlator.devkafka.errors import LOG_TAIL_LINES, BrokerError, tail
from correlator.devkafka.jars import cache_folder
from correlator.devkafka.listeners import Listener
from correlator.devkafka.ports import answers

STARTED = "Kafka Server started"
POLL_SECONDS = 0.05
_STOP_TIMEOUT_SECONDS = 30.0
_LOG_COMPLAINTS = 15
# Short start-up and small memory before throughput of long runs: the C1 compiler reaches its speed at once.
_JVM_OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto")
_LOG_OPTIONS = tuple(
    f"-Dorg.slf4j.simpleLogger.{key}={value}"
    for key, value in {"logFile": "System.out", "showDateTime": "true", "dateTimeFormat": "HH:mm:ss.SSS"}.items()
)
# Becomes the given program, tied to its parent: Linux kills it when the thread that started it is gone. In a program
# of its own, because code between fork and exec may deadlock in a parent that has threads.
_TIED_TO_PARENT = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What runs a node: a Java, Kafka's jars, an environment, the heap in MiB."""

    java: Path
    jars: tuple[Path, ...]
    environ: Mapping[str, str]
    heap_mebibytes: int
    outlives_parent: bool

    def command(self, *arguments: str) -> list[str]:
        class_path = os.pathsep.join(map(str, self.jars))
        archive = self.class_archive
        shared = [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []
        options = (f"-Xmx{self.heap_mebibytes}m", *_JVM_OPTIONS, *_LOG_OPTIONS, *shared)
        command = [str(self.java), *options, "-cp", class_path, *arguments]
        if sys.platform == "linux" and not self.outlives_parent:
            command = [sys.executable, "-I", "-S", "-c", _TIED_TO_PARENT, str(os.getpid()), *command]
        return command

    @property
    def class_archive(self) -> Path:
        """The cached archive of loaded classes, which halves the start; Java itself checks that it fits."""
        key = f"{self.java.resolve()} {self.java.stat().st_mtime_ns} {self.jars}"
        return cache_folder(self.environ) / f"classes-{hashlib.sha256(key.encode()).hexdigest()[:12]}.jsa"

    def keep_loaded_classes(self, learned: Path) -> None:
        """Put what a node learned into the cache, unless something is there."""
        archive = self.class_archive
        if learned.exists() and not archive.exists():
            with tempfile.TemporaryDirectory(prefix=".incoming-", dir=archive.parent) as incoming:
                shutil.copy(learned, incoming)
                (Path(incoming) / learned.name).rename(archive)


class Node:
    """One broker and controller."""

    def __init__(
        self, *, number: int, folder: Path, ports: Mapping[Listener, int], controller_port: int, runtime: Runtime
    ) -> None:
        self.number = number
        self.folder = folder
        self.ports = dict(ports)
        self.controller_port = controller_port
        self._runtime = runtime
        self._process: subprocess.Popen[bytes] | None = None
        #: Where in the log its present life begins.
        self._log_start = 0

    @property
    def settings(self) -> Path:
        return self.folder / "server.properties"

    @property
    def pid(self) -> int | None:
        """Its process, None while none runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Run a program of Kafka's in the node's folder, into its log."""
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._runtime.command(*arguments),
                env=dict(self._runtime.environ),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Out of the terminal's Ctrl-C: who started the broker ends it, in order.
                start_new_session=True,
            )

    def launch(self) -> None:
        """Start on the data that are there; `wait_started` returns when it answers."""
        self._log_start = self._log.stat().st_size
        learns = [] if self._runtime.class_archive.exists() else [f"-XX:ArchiveClassesAtExit={self._loaded_classes}"]
        self._process = self.spawn(*learns, "kafka.Kafka", str(self.settings))

    def wait_started(self, timeout_seconds: float) -> None:
        """Return when it answers.

        Raises:
            BrokerError: it ended, or does not answer in time.
        """
        assert self._process is not None
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self._process.wait(timeout=POLL_SECONDS)
                raise self.failure(f"it ended with status {status}")
            if STARTED in self._life and answers(self.ports[Listener.PLAINTEXT]):
                return
        raise self.failure(f"it does not answer after {timeout_seconds:g} s")

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ask_to_end(self) -> None:
        if self._process:
            self._process.terminate()
            # One that is paused would not hear it.
            self._process.send_signal(signal.SIGCONT)

    def wait_ended(self) -> None:
        """Return when it has ended; one that was asked to and takes too long is killed."""
        if self._process is None:
            return
        try:
            self._process.wait(timeout=_STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._runtime.keep_loaded_classes(self._loaded_classes)

    def signal(self, signum: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            raise BrokerError(f"node {self.number} does not run")
        self._process.send_signal(signum)

    def failure(self, what: str) -> BrokerError:
        """Tell it with the log's complaints too: they stand far above the end, which is an orderly shutdown's."""
        above = self._life.splitlines()[:-LOG_TAIL_LINES]
        complaints = [line for line in above if re.search(r"\bERROR\b|Exception", line)][:_LOG_COMPLAINTS]
        return BrokerError("\n".join([f"Kafka node {self.number}: {what}", *complaints, "...", tail(self._life)]))

    @property
    def _log(self) -> Path:
        return self.folder / "kafka.log"

    @property
    def _life(self) -> str:
        """What it has logged since it was started last."""
        return self._log.read_bytes()[self._log_start :].decode(errors="replace")

    @property
    def _loaded_classes(self) -> Path:
        return self.folder / "classes.jsa"
