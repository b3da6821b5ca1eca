"""What carries requests: HTTP, a terminal, a topic of Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, TextIO

import aiohttp
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from correlator import __version__
from correlator.pager.cloudevents import TOO_LARGE
from correlator.pager.exchange import Reply, Request, RetryReason, Transport, TransportError

#: How much of a reply is read.
MAX_REPLY_BYTES = 65_536
USER_AGENT = f"correlator/{__version__}"


def http_transport(session: aiohttp.ClientSession, timeout_seconds: float) -> Transport:
    """Return a transport for HTTP; a redirect is a reply like any other, since following one would lose the body."""
    timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    async def send(request: Request) -> Reply:
        headers = {"User-Agent": USER_AGENT, **request.headers}
        try:
            async with session.request(
                request.method,
                request.url,
                data=request.body,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                body = await response.content.read(MAX_REPLY_BYTES)
                found = {name.lower(): value for name, value in response.headers.items()}
                return Reply(status=response.status, headers=found, body=body)
        except TimeoutError:
            raise TransportError(RetryReason.TIMEOUT) from None
        except (aiohttp.ClientError, OSError):
            # Its text may hold the address, and the address a secret.
            raise TransportError(RetryReason.NETWORK) from None

    return send


def text_transport(stream: TextIO) -> Transport:
    """Return a transport that prints."""

    async def write(request: Request) -> Reply:
        await asyncio.to_thread(_print, stream, request.body.decode())
        return Reply(status=200)

    return write


def _print(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


class Topics:
    """Transports to topics of our own Kafka, over one producer that starts with the first record."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    def transport(self, timeout_seconds: float) -> Transport:
        """Return a transport that writes a record and waits until all replicas in sync have it."""

        async def write(request: Request) -> Reply:
            headers = [(name, value.encode()) for name, value in request.headers.items()]
            try:
                async with asyncio.timeout(timeout_seconds):
                    producer = await self._started()
                    await producer.send_and_wait(request.url, request.body, key=request.key.encode(), headers=headers)
            except MessageSizeTooLargeError:
                return Reply(status=TOO_LARGE)
            except TimeoutError:
                raise TransportError(RetryReason.TIMEOUT) from None
            except KafkaError:
                raise TransportError(RetryReason.NETWORK) from None
            return Reply(status=200)

        return write

    async def close(self) -> None:
        """Disconnect."""
        if self._producer is not None:
            await self._producer.stop()

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **self._settings)
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer
