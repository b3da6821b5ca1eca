"""A real Kafka for every test of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from correlator.devkafka import Broker
from tests.brokers import started


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in this folder, so that no test there forgets it."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def kafka() -> Iterator[Broker]:
    """One broker for all tests of a session: take topics and groups of your own, and do not kill it."""
    with started(Broker()) as broker:
        yield broker
