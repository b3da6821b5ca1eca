"""Run a real Apache Kafka for development, tests, demo and benchmarks: no Docker, no root, nothing left behind.

`jars` brings the pinned jars into a cache, `java` finds what runs them, `node` is one process, `Broker` of `cluster`
starts, ends, kills, pauses and restarts one or several of them, `listeners` are where and how clients reach them. Every
node is broker and KRaft controller at once; all data lie in a temporary folder.
"""

from correlator.devkafka.cluster import Broker
from correlator.devkafka.errors import BrokerError, Unavailable
from correlator.devkafka.listeners import Listener, Security
from correlator.devkafka.ports import answers, free_ports

__all__ = ["Broker", "BrokerError", "Listener", "Security", "Unavailable", "answers", "free_ports"]
