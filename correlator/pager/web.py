"""The pager's HTTP: /metrics for Prometheus, /health for liveness, /ready for readiness."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder


def application(registry: CollectorRegistry, readiness: Callable[[], Mapping[str, bool]]) -> web.Application:
    """Return the application; `readiness` says of each target whether it is served."""

    async def metrics(request: web.Request) -> web.Response:
        encoder, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encoder(registry), headers={"Content-Type": content_type})

    async def health(request: web.Request) -> web.Response:
        # That the loop answers is all there is to say: a restart cures neither Kafka nor a target.
        return web.json_response({"status": "alive"})

    async def ready(request: web.Request) -> web.Response:
        targets = dict(readiness())
        served = bool(targets) and all(targets.values())
        return web.json_response({"ready": served, "targets": targets}, status=200 if served else 503)

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/health", health), web.get("/ready", ready)])
    return app
