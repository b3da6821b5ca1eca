"""The worker's HTTP: /health for liveness, /ready for readiness, /metrics for Prometheus; `shell.http` takes alerts.

A server of its own rather than Faust's, which starts only after the first assignment of partitions: a worker that
waits for Kafka must answer too, or it is restarted for nothing.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from correlator.errors import ConfigError

_log = structlog.get_logger("correlator.worker")


def application(
    registry: CollectorRegistry,
    *,
    why_not_ready: Callable[[], str],
    observe: Callable[[], None],
    routes: Iterable[web.RouteDef] = (),
) -> web.Application:
    """Return the application.

    Args:
        why_not_ready: says what the worker waits for; empty while it does its work.
        observe: brings the gauges up to date before a scrape.
        routes: what else is served.
    """

    async def metrics(request: web.Request) -> web.Response:
        observe()
        encoder, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encoder(registry), headers={"Content-Type": content_type})

    async def health(request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready(request: web.Request) -> web.Response:
        reason = why_not_ready()
        return web.json_response({"ready": not reason, "reason": reason}, status=503 if reason else 200)

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/health", health), web.get("/ready", ready), *routes])
    return app


@asynccontextmanager
async def serving(
    app: web.Application, host: str, port: int, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Serve until the end of the block.

    Raises:
        ConfigError: the address cannot be had.
    """
    # Bodies are inflated by who reads them, with a bound.
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port, ssl_context=tls).start()
        except OSError as error:
            raise ConfigError("worker.web_port", [f"{host}:{port}: {error.strerror or error}"]) from error
        _log.info("web server listens", addresses=[f"{address[0]}:{address[1]}" for address in runner.addresses])
        yield
    finally:
        await runner.cleanup()
