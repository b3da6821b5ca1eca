"""The pager's HTTP: /metrics for Prometheus, /health and /ready for probes, /withheld and /windows for humans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

Report = list[dict[str, Any]]


def application(
    registry: CollectorRegistry,
    *,
    readiness: Callable[[], Mapping[str, bool]],
    withheld: Callable[[], Report] = list,
    windows: Callable[[], Report] = list,
) -> web.Application:
    """Return the application.

    Args:
        readiness: says of each target whether it is served.
        withheld: returns the pages that are held, with the reason.
        windows: returns the maintenance windows and silences.
    """

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

    async def held(request: web.Request) -> web.Response:
        return web.json_response({"withheld": withheld()})

    async def planned(request: web.Request) -> web.Response:
        return web.json_response({"windows": windows()})

    served_by = {"/metrics": metrics, "/health": health, "/ready": ready, "/withheld": held, "/windows": planned}
    app = web.Application()
    app.add_routes([web.get(path, serve) for path, serve in served_by.items()])
    return app
