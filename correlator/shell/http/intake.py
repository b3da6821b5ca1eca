"""The life of a post: let in, read, understood, written to Kafka, answered."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol
from uuid import uuid4

import structlog
from aiohttp import ClientError, web

from correlator.config import Config
from correlator.formats.mapped import formats_of
from correlator.formats.reading import Formats
from correlator.formats.redaction import redaction_of
from correlator.shell.http.answers import WEBHOOK, Answer
from correlator.shell.http.body import Budget, Share, read_body
from correlator.shell.http.endpoints import Endpoint, endpoints_of
from correlator.shell.http.gate import Gate, gate_of
from correlator.shell.http.metrics import HttpMetrics
from correlator.shell.http.openapi import document
from correlator.shell.http.post import Passed, Post, understand
from correlator.shell.http.refusal import Refused
from correlator.shell.http.signed import Signature, signed_of
from correlator.shell.http.sns import Download, Signatures, signatures_of

_log = structlog.get_logger("correlator.worker")

Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: A sender that is wrong is wrong with every post: each problem is logged once in so long.
_LOG_SECONDS = 60.0
_UNKNOWN = "unknown"


class Sends(Protocol):
    """Writes one record; raises `Refused` where Kafka does not take it."""

    async def send(
        self, value: bytes, *, key: bytes, headers: Mapping[str, str], at: int, settled: Callable[[], None]
    ) -> None: ...


class Intake:
    """Answers posts of alerts.

    Args:
        outbox: has the record when its `send` returns.
        signatures: checks envelopes of SNS; None where they need not be signed.
        signed: who must sign what it posts under its own name, by format.
        now: the wall clock, milliseconds.
        new_key: makes a key for PagerDuty's senders that leave it to us.
    """

    def __init__(
        self,
        config: Config,
        *,
        gate: Gate,
        outbox: Sends,
        metrics: HttpMetrics,
        signatures: Signatures | None,
        signed: Mapping[str, Signature],
        now: Callable[[], int],
        new_key: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        table = formats_of(config)
        self._endpoints = endpoints_of(table)
        self._formats = Formats(table)
        self._redaction = redaction_of(config)
        self._description = document(self._endpoints, config.http)
        self._passed = Passed(table, config.formats)
        self._limit = config.worker.max_event_bytes
        self._body_seconds = config.http.body_timeout_seconds
        self._budget = Budget(config.http.max_in_flight_bytes)
        self._gate = gate
        self._outbox = outbox
        self._metrics = metrics
        self._signatures = signatures
        self._signed = signed
        self._now = now
        self._new_key = new_key
        self._logged: dict[tuple[str, str], float] = {}

    def routes(self) -> Iterable[web.RouteDef]:
        """Return what the web server serves of it."""

        async def openapi(request: web.Request) -> web.Response:
            return web.json_response(self._description)

        async def nowhere(request: web.Request) -> web.Response:
            names = ", ".join(self._formats.names())
            detail = f"no format {request.match_info['name'][:40]!r}: take one of {names}, or /webhooks/"
            return _response(WEBHOOK.refused(Refused(404, "unknown_format", detail)))

        yield web.get("/openapi.json", openapi)
        for endpoint in self._endpoints:
            respond = self._responder(endpoint)
            yield web.post(endpoint.path, respond)
            if endpoint.path.endswith("/"):
                yield web.post(endpoint.path.rstrip("/"), respond)
        yield web.post("/webhooks/{name}", nowhere)

    def observe(self) -> None:
        """Bring the gauges up to date."""
        self._metrics.in_flight_bytes.set(self._budget.taken)

    def _responder(self, endpoint: Endpoint) -> Respond:
        async def respond(request: web.Request) -> web.Response:
            started = time.perf_counter()
            with self._metrics.in_flight.track_inprogress():
                name, answer = await self._answer(endpoint, request)
            self._metrics.requests.labels(name, str(answer.status)).inc()
            self._metrics.seconds.observe(time.perf_counter() - started)
            return _response(answer)

        return respond

    async def _answer(self, endpoint: Endpoint, request: web.Request) -> tuple[str, Answer]:
        """Return the format of the post and what to say to it."""
        name = endpoint.format.name if endpoint.format else _UNKNOWN
        client = request.remote or ""
        try:
            if name in self._signed:
                self._gate.pace(client)  # the signature lets it in, which only who has read the body can check
            else:
                self._gate.admit(
                    client, request.headers.get("Authorization"), has_certificate=_has_certificate(request)
                )
            post = await self._take(endpoint, request, client)
        except Refused as refused:
            self._refuse(name, client, refused.reason, refused.detail)
            return name, endpoint.answers.refused(refused)
        if post.taken.refused:
            first = post.taken.refused[0]
            self._refuse(post.format, client, first.reason, first.detail)
        return post.format, endpoint.answers.taken(post.taken)

    async def _take(self, endpoint: Endpoint, request: web.Request, client: str) -> Post:
        """Read a post and hand it to Kafka.

        Raises:
            Refused: it is not taken.
        """
        share = self._budget.share()
        kept = False
        try:
            body = await self._body(request, share)
            if endpoint.format is not None and (signature := self._signed.get(endpoint.format.name)) is not None:
                signature.check(body, request.headers, self._now())
            post = understand(
                endpoint,
                body,
                {key.lower(): text for key, text in request.headers.items()},
                formats=self._formats,
                passed=self._passed,
                arrived_at=self._now(),
                new_key=self._new_key,
            )
            if self._signatures is not None:
                await self._signatures.check(post.envelopes)
            self._metrics.bytes.labels(post.format).inc(len(body))
            if post.value is not None:
                kept = True  # until Kafka's client has got rid of it, whatever becomes of the request
                await self._outbox.send(
                    post.value, key=client.encode(), headers=post.headers, at=self._now(), settled=share.release
                )
            return post
        finally:
            if not kept:
                share.release()

    async def _body(self, request: web.Request, share: Share) -> bytes:
        try:
            return await read_body(
                request.content.iter_any(),
                encoding=request.headers.get("Content-Encoding", ""),
                length=request.content_length,
                limit=self._limit,
                share=share,
                timeout_seconds=self._body_seconds,
            )
        except (ClientError, web.RequestPayloadError, ConnectionError) as error:
            raise Refused(400, "incomplete", f"the body could not be read: {type(error).__name__}") from None

    def _refuse(self, name: str, client: str, reason: str, detail: str) -> None:
        self._metrics.refused.labels(reason).inc()
        now = time.monotonic()
        if now - self._logged.get((name, reason), -_LOG_SECONDS) >= _LOG_SECONDS:
            self._logged[name, reason] = now
            _log.warning(
                "a post is refused",
                format=name,
                reason=reason,
                detail=self._redaction.text(detail)[:300],
                client=client,
            )


def intake_of(
    config: Config,
    *,
    environ: Mapping[str, str],
    download: Download,
    outbox: Sends,
    metrics: HttpMetrics,
    now: Callable[[], int],
) -> Intake:
    """Return the intake that a configuration describes.

    Raises:
        ConfigError: a secret or a certificate that it names is not there.
    """
    gate = gate_of(config.http, environ, time.monotonic)
    signatures = signatures_of(config.http, download, time.monotonic)
    signed = signed_of(config.http, environ)
    return Intake(config, gate=gate, outbox=outbox, metrics=metrics, signatures=signatures, signed=signed, now=now)


def _has_certificate(request: web.Request) -> bool:
    return bool(request.transport is not None and request.transport.get_extra_info("peercert"))


def _response(answer: Answer) -> web.Response:
    if answer.body is None:
        return web.Response(status=answer.status, headers=answer.headers)
    return web.Response(
        status=answer.status, body=answer.encoded(), content_type="application/json", headers=answer.headers
    )
