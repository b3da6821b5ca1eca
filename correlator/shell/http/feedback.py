"""Posts of feedback: `POST /feedback` in the plain form, `POST /feedback/pagerduty` for PagerDuty's V3 webhooks."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol
from uuid import uuid4

import msgspec
import structlog
from aiohttp import ClientError, web

from correlator.config import Config
from correlator.domain import Feedback, FeedbackSource
from correlator.errors import InputError
from correlator.formats import feedback, pagerduty_webhook
from correlator.formats.format import Payload
from correlator.secrets import Secrets, of_variable, secrets_of
from correlator.shell.http.answers import WEBHOOK, Answer
from correlator.shell.http.body import Budget, read_body
from correlator.shell.http.gate import Gate, gate_of
from correlator.shell.http.metrics import HttpMetrics
from correlator.shell.http.pagerduty import SIGNATURE_HEADER, AlertKeys, Client, is_signed
from correlator.shell.http.refusal import Refused, unusable

_log = structlog.get_logger("correlator.worker")

PLAIN_PATH = "/feedback"
PAGERDUTY_PATH = "/feedback/pagerduty"
#: What one says; PagerDuty's webhooks are a few kilobytes.
_MAX_BYTES = 256 * 1024
_MAX_IN_FLIGHT = 16 << 20


class Sends(Protocol):
    """Writes one record of a topic; raises `Refused` where Kafka does not take it."""

    async def send(
        self,
        value: bytes,
        *,
        key: bytes,
        headers: Mapping[str, str],
        at: int,
        settled: Callable[[], None],
        topic: str | None = None,
    ) -> None: ...


class FeedbackIntake:
    """Answers posts of feedback.

    Args:
        secrets: of PagerDuty's subscription; without them no webhook is taken.
        alert_keys: asks PagerDuty which alerts an incident there holds; None where nobody may ask.
        now: the wall clock, milliseconds.
        new_id: makes the id of what comes without one.
    """

    def __init__(
        self,
        config: Config,
        *,
        gate: Gate,
        outbox: Sends,
        metrics: HttpMetrics,
        secrets: Secrets | None,
        alert_keys: AlertKeys | None,
        now: Callable[[], int],
        new_id: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        self._topic = config.kafka.feedback_topic
        self._body_seconds = config.http.body_timeout_seconds
        self._budget = Budget(_MAX_IN_FLIGHT)
        self._gate = gate
        self._outbox = outbox
        self._metrics = metrics
        self._secrets = secrets
        self._alert_keys = alert_keys
        self._now = now
        self._new_id = new_id

    def routes(self) -> Iterable[web.RouteDef]:
        """Return what the web server serves of it."""
        yield web.post(PLAIN_PATH, self._responder("feedback", self._plain))
        yield web.post(PAGERDUTY_PATH, self._responder("pagerduty-webhook", self._pagerduty))

    def _responder(
        self, name: str, take: Callable[[web.Request], Awaitable[Answer]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def respond(request: web.Request) -> web.StreamResponse:
            started = time.perf_counter()
            try:
                with self._metrics.in_flight.track_inprogress():
                    answer = await take(request)
            except Refused as refused:
                self._metrics.refused.labels(refused.reason).inc()
                _log.warning("feedback is refused", format=name, reason=refused.reason, detail=refused.detail[:300])
                answer = WEBHOOK.refused(refused)
            self._metrics.requests.labels(name, str(answer.status)).inc()
            self._metrics.seconds.observe(time.perf_counter() - started)
            return web.Response(
                status=answer.status,
                body=answer.encoded(),
                content_type="application/json",
                headers=answer.headers,
            )

        return respond

    async def _plain(self, request: web.Request) -> Answer:
        """Take what somebody says in the plain form."""
        certificate = request.transport is not None and request.transport.get_extra_info("peercert")
        self._gate.admit(request.remote or "", request.headers.get("Authorization"), has_certificate=bool(certificate))
        body = await self._body(request)
        delivery = request.headers.get("Idempotency-Key", "")[:256] or self._new_id()
        try:
            word = feedback.read(body, arrived_at=self._now(), delivery=delivery, source=FeedbackSource.HTTP)
        except InputError as error:
            raise unusable([error]) from None
        word = msgspec.structs.replace(word, source=FeedbackSource.HTTP)
        await self._send([word])
        return _taken([word])

    async def _pagerduty(self, request: web.Request) -> Answer:
        """Take a webhook; its signature is what lets it in."""
        self._gate.pace(request.remote or "")
        if self._secrets is None:
            raise Refused(404, "not_configured", "set feedback.pagerduty_secret_env or feedback.pagerduty_secret_file")
        body = await self._body(request)
        if not is_signed(body, request.headers.get(SIGNATURE_HEADER), self._secrets):
            raise Refused(401, "signature", f"{SIGNATURE_HEADER} is missing, or made with another secret")
        try:
            told = pagerduty_webhook.read(Payload(body).document)
        except InputError as error:
            raise unusable([error]) from None
        said = await self._said(told) if told.action is not None else []
        self._metrics.webhooks.labels(told.notice if told.action is None else "heard" if said else "unlinked").inc()
        await self._send(said)
        return _taken(said)

    async def _said(self, told: pagerduty_webhook.Told) -> list[Feedback]:
        """Return what a webhook says of each of our incidents that it is about."""
        keys = [told.key] if told.key else []
        if self._alert_keys is not None:
            keys += await self._alert_keys(told.into or told.incident)
        said = pagerduty_webhook.words(told, keys, arrived_at=self._now())
        if not said:
            hint = "" if self._alert_keys is not None else "; set feedback.pagerduty_token_env to ask for its alerts"
            _log.warning(f"a webhook of PagerDuty's tells of no incident of ours{hint}", incident=told.incident)
        return said

    async def _send(self, said: Sequence[Feedback]) -> None:
        for word in said:
            await self._outbox.send(
                msgspec.json.encode(word),
                key=word.incident_id.encode(),
                headers={},
                at=self._now(),
                settled=lambda: None,
                topic=self._topic,
            )

    async def _body(self, request: web.Request) -> bytes:
        share = self._budget.share()
        try:
            return await read_body(
                request.content.iter_any(),
                encoding=request.headers.get("Content-Encoding", ""),
                length=request.content_length,
                limit=_MAX_BYTES,
                share=share,
                timeout_seconds=self._body_seconds,
            )
        except (ClientError, web.RequestPayloadError, ConnectionError) as error:
            raise Refused(400, "incomplete", f"the body could not be read: {type(error).__name__}") from None
        finally:
            share.release()


def client_of(config: Config, environ: Mapping[str, str]) -> Client | None:
    """Return who asks PagerDuty; None where nobody may.

    Raises:
        ConfigError: the API key is not there.
    """
    name = config.feedback.pagerduty_token_env
    if name is None:
        return None
    token = of_variable("feedback.pagerduty_token_env", name, environ)
    return Client(config.feedback.pagerduty_api_url, token)


def feedback_intake_of(
    config: Config,
    *,
    environ: Mapping[str, str],
    client: Client | None,
    outbox: Sends,
    metrics: HttpMetrics,
    now: Callable[[], int],
) -> FeedbackIntake:
    """Return the intake that a configuration describes.

    Raises:
        ConfigError: a secret that it names is not there.
    """
    settings = config.feedback
    secrets = secrets_of(
        "feedback.pagerduty_secret", settings.pagerduty_secret_env, settings.pagerduty_secret_file, environ
    )
    return FeedbackIntake(
        config,
        gate=gate_of(config.http, environ, time.monotonic),
        outbox=outbox,
        metrics=metrics,
        secrets=secrets,
        alert_keys=None if client is None else client.alert_keys,
        now=now,
    )


def _taken(said: Sequence[Feedback]) -> Answer:
    return Answer(status=200, body={"status": "success", "heard": len(said), "ids": [word.id for word in said]})
