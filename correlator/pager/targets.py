"""From the configuration to the targets: secrets read, addresses checked, every problem told at once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import TextIO

import aiohttp
import structlog

from correlator import __version__
from correlator.config import ConsoleTarget, PagerConfig, PagerDutyTarget, WebhookTarget
from correlator.errors import ConfigError
from correlator.pager.console import Console
from correlator.pager.courier import Channel
from correlator.pager.exchange import Reply, Request, RetryReason, Transport, TransportError
from correlator.pager.pagerduty import PagerDuty, looks_like_integration_key
from correlator.pager.webhook import Webhook

#: How much of a reply is read.
MAX_REPLY_BYTES = 65_536
USER_AGENT = f"correlator/{__version__}"

log = structlog.get_logger("correlator.pager")


def channels(
    pager: PagerConfig, *, environ: Mapping[str, str], session: aiohttp.ClientSession, console: TextIO | None
) -> tuple[Channel, ...]:
    """Build the configured targets, and one that prints where `console` is given.

    Raises:
        ConfigError: a variable is missing, an address is not HTTP, or there is no target at all.
    """
    problems: list[str] = []
    built: list[Channel] = []
    for target in pager.targets:
        key = f"pager.targets.{target.name}"
        if isinstance(target, ConsoleTarget):
            console_dialect = Console(name=target.name, colour=sys.stdout.isatty())
            built.append(Channel(dialect=console_dialect, transport=_text_transport(sys.stdout)))
            continue
        address = target.url if isinstance(target, WebhookTarget) else target.base_url
        if not address.startswith(("http://", "https://")):
            problems.append(f"{key}: the address does not begin with http:// or https://")
        transport = http_transport(session, target.timeout_seconds)
        if isinstance(target, WebhookTarget):
            token = _secret(target.token_env, f"{key}.token_env", environ, problems) if target.token_env else None
            secret = _secret(target.secret_env, f"{key}.secret_env", environ, problems) if target.secret_env else None
            dialect = Webhook(name=target.name, url=target.url, token=token, secret=secret)
            built.append(Channel(dialect=dialect, transport=transport))
        else:
            built.append(_pagerduty(target, key, environ, problems, transport))
    if console is not None:
        built.append(
            Channel(dialect=Console(colour=console.isatty()), transport=_text_transport(console)),
        )
    if not built:
        problems.append("pager.targets: there is no target")
    names = [channel.dialect.name for channel in built]
    if len(set(names)) != len(names):
        problems.append("pager.targets: the name `console` is taken by the terminal")
    if problems:
        raise ConfigError("pager", problems)
    return tuple(built)


def _pagerduty(
    target: PagerDutyTarget, key: str, environ: Mapping[str, str], problems: list[str], transport: Transport
) -> Channel:
    routing_key = _secret(target.routing_key_env, f"{key}.routing_key_env", environ, problems)
    if routing_key and not looks_like_integration_key(routing_key):
        log.warning("the routing key is not 32 letters and digits", target=target.name)
    return Channel(
        dialect=PagerDuty(
            name=target.name,
            base_url=target.base_url,
            default_key=routing_key,
            routing_keys={
                route: _secret(variable, f"{key}.routing_key_envs.{route}", environ, problems)
                for route, variable in target.routing_key_envs.items()
            },
        ),
        transport=transport,
        per_minute=target.events_per_minute,
    )


def _secret(variable: str, key: str, environ: Mapping[str, str], problems: list[str]) -> str:
    value = environ.get(variable, "").strip()
    if not value:
        problems.append(f"{key}: the environment variable {variable} is not set")
    return value


def http_transport(session: aiohttp.ClientSession, timeout_seconds: float) -> Transport:
    """Return a transport that posts; a redirect is a reply like any other, since following one would lose the body."""
    timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    async def post(request: Request) -> Reply:
        headers = {"User-Agent": USER_AGENT, **request.headers}
        try:
            async with session.post(
                request.url, data=request.body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                body = await response.content.read(MAX_REPLY_BYTES)
                found = {name.lower(): value for name, value in response.headers.items()}
                return Reply(status=response.status, headers=found, body=body)
        except TimeoutError:
            raise TransportError(RetryReason.TIMEOUT) from None
        except (aiohttp.ClientError, OSError):
            # Its text may hold the address, and the address a secret.
            raise TransportError(RetryReason.NETWORK) from None

    return post


def _text_transport(stream: TextIO) -> Transport:
    async def write(request: Request) -> Reply:
        await asyncio.to_thread(_print, stream, request.body.decode())
        return Reply(status=200)

    return write


def _print(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()
