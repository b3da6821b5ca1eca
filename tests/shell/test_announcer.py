"""What a worker is configured with, before it is announced."""

from __future__ import annotations

import hashlib

import pytest

from correlator.config import load
from correlator.engine.state import Background, Rate, ScopeWarmth
from correlator.engine.warmth import warmth_of
from correlator.errors import ConfigError
from correlator.shell.announcer import check_size


def test_a_warm_start_larger_than_a_record_is_refused_with_the_setting_to_raise() -> None:
    # Such as nothing packs well.
    names = {hashlib.sha256(str(number).encode()).hexdigest(): Rate(at=number) for number in range(5000)}
    learned = {
        "small": ScopeWarmth(until=9, background=Background(), habits={}),
        "large": ScopeWarmth(until=9, background=Background(names=names), habits={}),
    }
    small, large = load(overrides=["worker.max_event_bytes=1024"]), load()
    check_size(warmth_of(learned), large)
    with pytest.raises(ConfigError, match=r"scopes.large: \d+ bytes.*worker.max_event_bytes") as refused:
        check_size(warmth_of(learned), small)
    assert len(refused.value.problems) == 1
