"""A real broker for the time of a test, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from correlator.devkafka import Broker, Unavailable


@contextmanager
def started(broker: Broker) -> Iterator[Broker]:
    """Run the broker within the block; skip the test where it cannot run."""
    try:
        broker.start()
    except Unavailable as error:
        pytest.skip(str(error))
    try:
        yield broker
    finally:
        broker.stop()
