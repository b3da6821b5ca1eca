"""The web port with an intake, and a Kafka that keeps what it is told or fails as asked."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry

from correlator.config import Config
from correlator.devkafka import free_ports
from correlator.secrets import secrets_of
from correlator.shell.http.feedback import FeedbackIntake
from correlator.shell.http.gate import gate_of
from correlator.shell.http.intake import Intake
from correlator.shell.http.metrics import HttpMetrics
from correlator.shell.http.pagerduty import AlertKeys
from correlator.shell.http.refusal import unavailable
from correlator.shell.http.signed import signed_of
from correlator.shell.http.sns import Download, signatures_of
from correlator.shell.web import application, serving

NOW = 1_795_405_200_000


@dataclass(slots=True)
class Sent:
    """One record."""

    value: bytes
    key: bytes
    headers: dict[str, str]
    at: int
    topic: str | None = None


@dataclass(slots=True)
class Recorder:
    """An outbox that keeps records, once `gate` is open."""

    sent: list[Sent] = field(default_factory=list)
    gate: asyncio.Event | None = None
    is_away: bool = False

    async def send(
        self,
        value: bytes,
        *,
        key: bytes,
        headers: Mapping[str, str],
        at: int,
        settled: Callable[[], None],
        topic: str | None = None,
    ) -> None:
        try:
            if self.is_away:
                raise unavailable("kafka", "Kafka is not connected")
            self.sent.append(Sent(value, key, dict(headers), at, topic))
            if self.gate is not None:
                await self.gate.wait()
        finally:
            settled()


class Server:
    """A client of the web port under test."""

    def __init__(self, url: str, session: aiohttp.ClientSession, outbox: Recorder, registry: CollectorRegistry) -> None:
        self.url = url
        self.outbox = outbox
        self.session = session
        self._registry = registry

    @property
    def sent(self) -> list[Sent]:
        return self.outbox.sent

    async def post(
        self, path: str, data: Any = None, *, json: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Return status, body (JSON decoded; None if empty) and headers."""
        async with self.session.post(self.url + path, data=data, json=json, headers=headers) as answer:
            body = await answer.json() if answer.content_type == "application/json" else await answer.read() or None
            return answer.status, body, answer.headers

    def metric(self, name: str, **labels: str) -> float:
        return self._registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def served(
    config: Config | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    clock: Callable[[], float] = lambda: 0.0,
    tls: ssl.SSLContext | None = None,
    alert_keys: AlertKeys | None = None,
    download: Callable[[str], Awaitable[bytes]] | None = None,
) -> AsyncIterator[Server]:
    """Serve a configuration on a free port."""
    config = config or Config()
    registry, outbox = CollectorRegistry(), Recorder()
    metrics = HttpMetrics(registry)
    numbers = itertools.count(1)
    intake = Intake(
        config,
        gate=gate_of(config.http, environ or {}, clock),
        outbox=outbox,
        metrics=metrics,
        signatures=signatures_of(config.http, download or Download(), clock),
        signed=signed_of(config.http, environ or {}),
        now=lambda: NOW,
        new_key=lambda: f"key-{next(numbers)}",
    )
    secret = config.feedback.pagerduty_secret_env
    heard = FeedbackIntake(
        config,
        gate=gate_of(config.http, environ or {}, clock),
        outbox=outbox,
        metrics=metrics,
        secrets=secrets_of("feedback.pagerduty_secret", secret, None, environ or {}),
        alert_keys=alert_keys,
        now=lambda: NOW,
        new_id=lambda: f"id-{next(numbers)}",
    )
    app = application(
        registry, why_not_ready=lambda: "", observe=intake.observe, routes=[*intake.routes(), *heard.routes()]
    )
    (port,) = free_ports(1)
    scheme = "https" if tls else "http"
    async with serving(app, "127.0.0.1", port, tls=tls), aiohttp.ClientSession() as session:
        yield Server(f"{scheme}://127.0.0.1:{port}", session, outbox, registry)
