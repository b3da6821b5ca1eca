"""How many posts a second one worker takes over HTTP, into a real Kafka: `python -m benchmarks.speed.http`.

Each client waits for an answer before it posts again, as Prometheus does. Clients, server and Kafka share the machine,
so the figures are what one machine does with all three; the time of a post is what a sender sees.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from itertools import count
from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry

from correlator.config import Config
from correlator.devkafka import Broker, free_ports
from correlator.shell import logs
from correlator.shell.http.intake import intake_of
from correlator.shell.http.metrics import HttpMetrics
from correlator.shell.http.outbox import Outbox
from correlator.shell.http.sns import Download
from correlator.shell.topics import verify
from correlator.shell.web import application, serving

#: (alerts a post, clients); 64 is the most that Prometheus posts at once.
CASES = ((1, 1), (1, 32), (64, 1), (64, 8), (500, 4))


def body(alerts: int) -> bytes:
    """Return a post of Prometheus' with so many alerts."""
    labels = {"alertname": "HighErrorRate", "namespace": "shop", "severity": "critical", "cluster": "eu-1"}
    return json.dumps(
        [
            {
                "labels": {**labels, "service": f"service-{number}", "pod": f"service-{number}-5d9c7b6f4-x2x{number}"},
                "annotations": {
                    "summary": "5 % of the requests fail",
                    "runbook_url": "https://runbooks.example/errors",
                },
                "startsAt": "2026-11-24T10:00:00.123Z",
                "endsAt": "2026-11-24T10:04:00.123Z",
                "generatorURL": "http://prometheus:9090/graph?g0.expr=errors",
            }
            for number in range(alerts)
        ]
    ).encode()


async def measure(url: str, alerts: int, clients: int, seconds: float) -> tuple[float, float, float]:
    """Return posts a second, and median and 99th percentile of their times in milliseconds."""
    data, times = body(alerts), list[float]()
    ends_at = time.perf_counter() + seconds

    async def client(session: aiohttp.ClientSession) -> None:
        while (began := time.perf_counter()) < ends_at:
            async with session.post(url, data=data) as answer:
                assert answer.status == 200, await answer.text()
            times.append(time.perf_counter() - began)

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    times.sort()
    return len(times) / seconds, 1000 * times[len(times) // 2], 1000 * times[len(times) * 99 // 100]


async def run(bootstrap_servers: str, seconds: float) -> None:
    (port,) = free_ports(1)
    config = Config.model_validate(
        {"kafka": {"bootstrap_servers": bootstrap_servers}, "http": {"client_requests_per_second": 0}}
    )
    await verify(config, create=True)
    registry, outbox, clock = CollectorRegistry(), Outbox(config), count(1_795_405_200_000)
    intake = intake_of(
        config,
        environ={},
        download=Download(),
        outbox=outbox,
        metrics=HttpMetrics(registry),
        now=lambda: next(clock),
    )
    nothing: Any = {"why_not_ready": lambda: "", "observe": lambda: None}
    url = f"http://127.0.0.1:{port}/api/v2/alerts"
    async with (
        serving(application(registry, routes=intake.routes(), **nothing), "127.0.0.1", port),
        outbox.running(),
    ):
        await _until_taken(url)
        print("alerts a post  clients  posts/s  alerts/s  median ms  99% ms")
        for alerts, clients in CASES:
            posts, median, high = await measure(url, alerts, clients, seconds)
            print(f"{alerts:13}  {clients:7}  {posts:7.0f}  {posts * alerts:8.0f}  {median:9.1f}  {high:6.1f}")


async def _until_taken(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.post(url, data=body(1)) as answer:
                if answer.status == 200:
                    return


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="of each case")
    options = parser.parse_args()
    logs.set_up()
    with Broker() as broker:
        asyncio.run(run(broker.bootstrap_servers, options.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
