"""Asking a cluster for what it has, while it does not know its own brokers."""

from __future__ import annotations

from typing import Any

from aiokafka import TopicPartition

from correlator.shell.kafka import partitions_of


class Cluster:
    def __init__(self, *, brokers: set[int], topics: set[str]) -> None:
        self._brokers, self._topics = brokers, topics

    def brokers(self) -> set[int]:
        return self._brokers

    def topics(self) -> set[str]:
        return self._topics


class Consumer:
    """Stands for Kafka's client: each time it is asked, the next answer."""

    def __init__(self, *answers: Cluster) -> None:
        self._client: Any = self
        self._answers = list(answers)

    async def fetch_all_metadata(self) -> Cluster:
        return self._answers.pop(0)

    async def add_topic(self, topic: str) -> None:
        pass

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {1, 0}


async def test_a_cluster_without_brokers_is_asked_again_for_its_topics() -> None:
    consumer: Any = Consumer(Cluster(brokers=set(), topics=set()), Cluster(brokers={1}, topics={"log"}))
    assert await partitions_of(consumer, "log") == [TopicPartition("log", 0), TopicPartition("log", 1)]


async def test_a_topic_that_does_not_exist_has_no_partitions() -> None:
    consumer: Any = Consumer(Cluster(brokers={1}, topics={"log"}))
    assert await partitions_of(consumer, "other") == []
