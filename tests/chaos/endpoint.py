"""The endpoint that is paged: keeps every call, and is slow, late or failing when told to."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.chaos.schedule import Deed
from tests.pager.recorder import breaches

PAGERDUTY_PATH = "/v2/enqueue"
WEBHOOK_PATH = "/hook"
#: How long the pager waits for a reply; `late` is later.
TIMEOUT_SECONDS = 2.0
_SLOW_SECONDS = 1.0
_LATE_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that came at `at` (seconds, monotonic); `taken` if it counts, whatever the reply or its loss."""

    at: float
    path: str
    body: dict[str, Any]
    taken: bool


class Endpoint:
    """Serves PagerDuty's `/v2/enqueue` and a webhook."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.breaches: list[str] = []
        self.mood: Deed | None = None
        self._calls = 0
        app = web.Application(client_max_size=4_000_000)
        app.router.add_post("/{path:.*}", self._serve)
        self._server = TestServer(app, host="127.0.0.1")

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url("/")).rstrip("/")

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        data = await request.read()
        if request.path == PAGERDUTY_PATH:
            self.breaches += breaches(data)
        self._calls += 1
        mood = self.mood
        # A connection that is reset may have carried the call before: every other one did.
        lost = mood is Deed.RESETTING_ENDPOINT and self._calls % 2 == 1
        taken = mood not in (Deed.FAILING_ENDPOINT, Deed.LIMITING_ENDPOINT) and not lost
        self.calls.append(Call(at=time.monotonic(), path=request.path, body=json.loads(data), taken=taken))
        match mood:
            case Deed.SLOW_ENDPOINT:
                await asyncio.sleep(_SLOW_SECONDS)
            case Deed.LATE_ENDPOINT:
                await asyncio.sleep(_LATE_SECONDS)
            case Deed.FAILING_ENDPOINT:
                return web.Response(status=500)
            case Deed.LIMITING_ENDPOINT:
                return web.Response(status=429, headers={"Retry-After": "1"})
            case Deed.RESETTING_ENDPOINT if request.transport is not None:
                request.transport.abort()
        return web.json_response({"status": "success", "message": "Event processed"}, status=202)
