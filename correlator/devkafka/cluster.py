"""`Broker`: a Kafka of one or several nodes, started, killed, paused and restarted, all together or one by one."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, Self

from correlator.devkafka.errors import BrokerError
from correlator.devkafka.jars import fetch
from correlator.devkafka.java import find_java
from correlator.devkafka.listeners import Listener, Security, addresses
from correlator.devkafka.node import POLL_SECONDS, Node, Runtime
from correlator.devkafka.ports import free_ports

FOLDER_PREFIX = "correlator-kafka-"
#: One alone may serve a benchmark; several have to fit beside each other.
_HEAP_MEBIBYTES = 512
_HEAP_MEBIBYTES_OF_MANY = 320


class Broker:
    """A Kafka of one or more nodes on free ports of 127.0.0.1, its data in a folder that `stop` removes.

    Of three nodes every topic has three copies, two of which acknowledge. The nodes die with the thread that started
    them (Linux), unless `outlives_parent`. Start it from the main thread or from one that lives as long as the broker
    shall.
    """

    def __init__(
        self,
        *,
        nodes: int = 1,
        port: int | None = None,
        properties: Mapping[str, str] | None = None,
        security: Security | None = None,
        environ: Mapping[str, str] = os.environ,
        find_ports: Callable[[int], list[int]] | None = None,
        start_timeout_seconds: float = 60,
        outlives_parent: bool = False,
    ) -> None:
        self._count = nodes
        self._port = port
        self._properties = dict(properties or {})
        self._security = security or Security()
        self._environ = dict(environ)
        self._find_ports = find_ports or free_ports
        self._start_timeout_seconds = start_timeout_seconds
        self._outlives_parent = outlives_parent
        self._nodes: list[Node] = []
        self._folder: Path | None = None

    @property
    def bootstrap_servers(self) -> str:
        return self.address(Listener.PLAINTEXT)

    def address(self, listener: Listener) -> str:
        """Return the bootstrap servers of a listener."""
        return addresses([node.ports for node in self._nodes], listener)

    @property
    def folder(self) -> Path:
        if self._folder is None:
            raise BrokerError("the broker is not started")
        return self._folder

    @property
    def pids(self) -> list[int]:
        """The processes that run, in the order of their nodes."""
        return [node.pid for node in self._nodes if node.pid is not None]

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
        runtime = Runtime(
            java=find_java(self._environ),
            jars=fetch(self._environ),
            environ=self._environ,
            heap_mebibytes=_HEAP_MEBIBYTES if self._count == 1 else _HEAP_MEBIBYTES_OF_MANY,
            outlives_parent=self._outlives_parent,
        )
        for attempt in range(3):
            try:
                self._lay_out(runtime)
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
        _end(self._nodes)
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
                if node.pid is None:
                    raise node.failure("it ended")
            time.sleep(POLL_SECONDS * 4)

    def kill(self, node: int | None = None) -> None:
        """End all nodes, or one, with SIGKILL: nothing is flushed, nobody is told."""
        for chosen in self._chosen(node):
            chosen.kill()

    def end(self, node: int | None = None) -> None:
        """End all nodes, or one, in order; the data stay for `restart`."""
        _end(self._chosen(node))

    def restart(self, node: int | None = None) -> None:
        """Start all nodes, or one, again on the same data and ports; what still runs is ended in order first."""
        _end(self._chosen(node))
        self._launch(self._chosen(node))

    def pause(self, node: int | None = None) -> None:
        """Suspend all nodes, or one, as a machine does that swaps or is moved: connections stay, nothing answers."""
        for chosen in self._chosen(node):
            chosen.signal(signal.SIGSTOP)

    def resume(self, node: int | None = None) -> None:
        """Let go on what was paused."""
        for chosen in self._chosen(node):
            chosen.signal(signal.SIGCONT)

    def _chosen(self, number: int | None) -> list[Node]:
        if not (chosen := [node for node in self._nodes if number in (None, node.number)]):
            raise BrokerError("the broker is not started" if number is None else f"no node {number} is started")
        return chosen

    def _lay_out(self, runtime: Runtime) -> None:
        """Choose ports, write the settings, and format the storage of every node."""
        self._folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
        offered = self._security.listeners
        ports = iter(self._find_ports((2 + len(offered)) * self._count))
        self._nodes = [_new_node(number, self._folder, ports, offered, runtime) for number in range(1, self._count + 1)]
        if self._port:
            self._nodes[0].ports[Listener.PLAINTEXT] = self._port
        voters = ",".join(f"{node.number}@127.0.0.1:{node.controller_port}" for node in self._nodes)
        for node in self._nodes:
            node.folder.mkdir()
            settings = node_properties(node, nodes=self._count, voters=voters)
            settings |= {**self._security.properties(), **self._properties}
            node.settings.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
        formats = ["kafka.tools.StorageTool", "format", "-t", new_cluster_id(), *self._security.format_arguments, "-c"]
        runs = [(node, node.spawn(*formats, str(node.settings))) for node in self._nodes]
        for node, run in runs:
            if run.wait():
                raise node.failure(f"its storage could not be formatted (status {run.returncode})")

    def _launch(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            node.launch()
        for node in nodes:
            node.wait_started(self._start_timeout_seconds)


def _new_node(number: int, folder: Path, ports: Iterator[int], offered: Sequence[Listener], runtime: Runtime) -> Node:
    plain, controller_port = next(ports), next(ports)
    return Node(
        number=number,
        folder=folder / f"node-{number}",
        ports={Listener.PLAINTEXT: plain, **{listener: next(ports) for listener in offered}},
        controller_port=controller_port,
        runtime=runtime,
    )


def _end(nodes: Sequence[Node]) -> None:
    """Ask the nodes to end, all at once, and wait for each."""
    for node in nodes:
        node.ask_to_end()
    for node in nodes:
        node.wait_ended()


def node_properties(node: Node, *, nodes: int, voters: str) -> dict[str, str]:
    """Return the settings of a node: durable as production's, small and quick where only size and patience differ."""
    copies = min(nodes, 3)
    listeners = [f"{listener}://127.0.0.1:{port}" for listener, port in node.ports.items()]
    return {
        "process.roles": "broker,controller",
        "node.id": f"{node.number}",
        "controller.quorum.voters": voters,
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": ",".join([*(f"{name}:{name}" for name in Listener), "CONTROLLER:PLAINTEXT"]),
        "listeners": ",".join([*listeners, f"CONTROLLER://127.0.0.1:{node.controller_port}"]),
        "advertised.listeners": ",".join(listeners),
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
        # Tests have no time for the least session that production allows, 6 s.
        "group.min.session.timeout.ms": "1000",
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
