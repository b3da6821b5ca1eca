"""An HTTP server that plays every target: keeps each request, checks it against the contract, fails as told."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.pager import contracts

SEVERITIES = {"critical", "error", "warning", "info"}
ACTIONS = {"trigger", "acknowledge", "resolve"}
FIELDS = {"routing_key", "event_action", "dedup_key", "payload", "client", "client_url", "links", "images"}
PAYLOAD_FIELDS = {"summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"}


def breaches(body: bytes) -> list[str]:
    """Return what in a call to /v2/enqueue the documentation of Events API v2 does not allow."""
    if len(body) > 512 * 1000:
        return [f"{len(body)} bytes are more than 512 KB"]
    try:
        event = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return ["not JSON"]
    if not isinstance(event, dict):
        return ["not an object"]
    problems = [f"unknown field {name}" for name in event.keys() - FIELDS]
    key = event.get("routing_key")
    if not (isinstance(key, str) and len(key) == 32 and key.isalnum()):
        problems.append("routing_key is not 32 letters and digits")
    dedup = event.get("dedup_key")
    if not (isinstance(dedup, str) and 0 < len(dedup) <= 255):
        problems.append("dedup_key is missing or longer than 255")
    if event.get("event_action") not in ACTIONS:
        problems.append("event_action is none of the three")
    if event.get("event_action") == "trigger":
        problems += _payload_breaches(event.get("payload"))
    if any(not image.get("src", "").startswith("https://") for image in event.get("images", [])):
        problems.append("an image that is not of https")
    for link in event.get("links", []):
        if not str(link.get("href", "")).startswith(("http://", "https://")):
            problems.append("a link without an address")
    return problems


def _payload_breaches(payload: Any) -> list[str]:
    if not isinstance(payload, dict):
        return ["a trigger needs a payload"]
    problems = [f"unknown field payload.{name}" for name in payload.keys() - PAYLOAD_FIELDS]
    summary = payload.get("summary")
    if not (isinstance(summary, str) and 0 < len(summary) <= 1024):
        problems.append("payload.summary is missing or longer than 1024")
    if not (isinstance(payload.get("source"), str) and payload["source"]):
        problems.append("payload.source is missing")
    if payload.get("severity") not in SEVERITIES:
        problems.append("payload.severity is none of the four")
    if not isinstance(payload.get("custom_details", {}), dict):
        problems.append("payload.custom_details is not an object")
    return problems


@dataclass(frozen=True)
class Failure:
    """How one call is to fail: a status, a reset connection, or no reply at all; `taken` if it counts all the same."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    reset: bool = False
    hang: bool = False
    taken: bool = False


@dataclass(frozen=True)
class Call:
    path: str
    headers: dict[str, str]
    body: Any
    status: int
    method: str = "POST"


class Recorder:
    """Serves the paths of known targets as those do, and every other one as a webhook."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.breaches: list[str] = []
        self._failures: deque[Failure] = deque()
        self._failing: dict[str, Failure] = {}
        self._changed = asyncio.Condition()
        self._released = asyncio.Event()
        app = web.Application(client_max_size=4_000_000)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._server = TestServer(app, host="127.0.0.1")

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._released.set()
        await self._server.close()

    def url(self, path: str = "") -> str:
        return str(self._server.make_url(f"/{path}")).rstrip("/")

    def fail(self, failures: Iterable[Failure]) -> None:
        """Let the next calls fail in turn."""
        self._failures.extend(failures)

    def fail_always(self, word: str, failure: Failure | None) -> None:
        """Let every call whose body has `word` fail, until told None."""
        if failure is None:
            self._failing.pop(word, None)
        else:
            self._failing[word] = failure

    @property
    def taken(self) -> list[Call]:
        return [call for call in self.calls if call.status < 300]

    def spoken(self) -> list[tuple[str, str]]:
        """Return (event_action, dedup_key) of every call that PagerDuty took."""
        return [
            (call.body["event_action"], call.body["dedup_key"]) for call in self.taken if call.path == "/v2/enqueue"
        ]

    async def wait_for_calls(self, count: int) -> None:
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: len(self.calls) >= count)

    async def wait_for_taken(self, count: int) -> None:
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: len(self.taken) >= count)

    async def wait_for_spoken(self, words: Iterable[tuple[str, str]]) -> None:
        """Wait until PagerDuty took each (event_action, dedup_key), however often."""
        wanted = set(words)
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: wanted <= set(self.spoken()))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        pagerduty = request.path == "/v2/enqueue"
        problems = breaches(body) if pagerduty else contracts.breaches(request, body)
        self.breaches += problems
        failure = self._failure(body.decode())
        status = 400 if problems else 202 if failure is None or failure.taken else failure.status
        call = Call(request.path, dict(request.headers), msgspec.json.decode(body), status, request.method)
        async with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
        if failure is not None and failure.hang:
            await self._released.wait()
        if failure is not None and failure.reset and request.transport is not None:
            request.transport.abort()
            return web.Response()
        if failure is not None and failure.status:
            return web.Response(status=failure.status, headers=failure.headers, text=failure.body)
        if problems:
            return web.json_response({"status": "invalid event", "errors": problems}, status=400)
        if request.path.startswith("/slack-api/"):
            # The time stamp of a message is its name; an edit keeps it.
            ts = call.body.get("ts") or f"17000000{len(self.calls):02d}.000100"
            return web.json_response({"ok": True, "channel": call.body["channel"], "ts": ts})
        return web.json_response({"status": "success", "message": "Event processed"}, status=202)

    def _failure(self, text: str) -> Failure | None:
        for word, failure in self._failing.items():
            if word in text:
                return failure
        return self._failures.popleft() if self._failures else None
