"""A pager that was suspended past its session says nothing of what another has delivered meanwhile."""

from __future__ import annotations

import asyncio
import signal

from correlator.config import Config
from correlator.devkafka import Broker
from tests.integration.test_pager import configured, create_topic, fresh, pager, pager_process, pagerduty, publish
from tests.pager.incidents import paged, resolved
from tests.pager.recorder import Failure, Recorder

#: Several, for it is chance which of them would be sent before the pager hears that its session is over.
WORD = "inc-stuck"
NAMES = [f"{WORD}-{number}" for number in range(8)]


async def test_pages_that_waited_for_their_retry_are_not_sent_after_another_pager_resolved_them(kafka: Broker) -> None:
    topic, group, target = fresh("incidents"), fresh("pager"), fresh("pd")
    later = [f"inc-later-{number:03d}" for number in range(12)]
    await create_topic(kafka, topic, partitions=4)
    async with Recorder() as recorder, asyncio.timeout(120):
        targets = [pagerduty(recorder, target)]
        recorder.fail_always(WORD, Failure(status=500))
        async with pager_process(patient(configured(kafka, topic, group, targets))) as zombie:
            await publish(kafka, topic, [paged(name) for name in NAMES])
            await recorder.wait_for_calls(len(NAMES))
            zombie.send_signal(signal.SIGSTOP)
            recorder.fail_always(WORD, None)
            async with pager(configured(kafka, topic, group, targets)):
                # Once the session of the first is over.
                await until_spoken(recorder, "trigger", NAMES)
                await publish(kafka, topic, [resolved(name, 2) for name in NAMES])
                await until_spoken(recorder, "resolve", NAMES)
                zombie.send_signal(signal.SIGCONT)
                await publish(kafka, topic, [paged(name) for name in later])
                await until_spoken(recorder, "trigger", later)
    for name in NAMES:
        assert [verb for verb, spoken in recorder.spoken() if spoken == name] == ["trigger", "resolve"]
    assert sorted(name for _, name in recorder.spoken() if name not in NAMES) == later


def patient(config: Config) -> Config:
    """Let seconds pass between two attempts: what is on its way when the process is suspended cannot be taken back."""
    pager = config.pager.model_copy(update={"backoff_min_seconds": 3.0, "backoff_max_seconds": 4.0})
    return config.model_copy(update={"pager": pager})


async def until_spoken(recorder: Recorder, verb: str, names: list[str]) -> None:
    while not {(verb, name) for name in names} <= set(recorder.spoken()):
        await asyncio.sleep(0.05)
