"""The process as a whole where there is no Kafka."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest
import structlog
from aiohttp.test_utils import unused_port

from correlator.config import Config
from correlator.errors import ConfigError
from correlator.pager.process import run


def configured(kafka_port: int, web_port: int) -> Config:
    return Config.model_validate(
        {
            "kafka": {"bootstrap_servers": f"127.0.0.1:{kafka_port}"},
            "pager": {"web_port": web_port, "targets": [{"type": "pagerduty", "name": "pd"}]},
        }
    )


async def test_a_pager_without_its_secret_does_not_start() -> None:
    with pytest.raises(ConfigError, match="PAGERDUTY_ROUTING_KEY"):
        await run(configured(1, 0), environ={}, stop=asyncio.Event())


async def test_a_pager_without_kafka_waits_says_so_lives_is_not_ready_and_stops_when_told() -> None:
    stop = asyncio.Event()
    web_port = unused_port()
    # Bound but not listening: nobody else gets the port, and connections are refused.
    with socket.socket() as closed, structlog.testing.capture_logs() as logs:
        closed.bind(("127.0.0.1", 0))
        pager = asyncio.create_task(
            run(
                configured(closed.getsockname()[1], web_port),
                environ={"PAGERDUTY_ROUTING_KEY": "k" * 32},
                stop=stop,
            )
        )
        async with asyncio.timeout(20), aiohttp.ClientSession() as session:
            while not any(entry["log_level"] == "warning" for entry in logs):
                await asyncio.sleep(0.01)
            assert (await session.get(f"http://127.0.0.1:{web_port}/health")).status == 200
            reply = await session.get(f"http://127.0.0.1:{web_port}/ready")
            assert (reply.status, await reply.json()) == (503, {"ready": False, "targets": {"pd": False}})
            stop.set()
            await pager
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["Kafka does not serve, waiting"]
    assert logs[-1]["event"] == "pager stopped"
