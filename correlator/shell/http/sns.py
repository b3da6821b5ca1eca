"""Signatures of Amazon SNS: whether what claims to come from a topic does."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import aiohttp
import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from correlator.config_http import HttpConfig
from correlator.errors import ConfigError, InputError
from correlator.formats.format import Document
from correlator.formats.sns_signature import Signed, signed
from correlator.shell.http.refusal import Refused, unavailable

_log = structlog.get_logger("correlator.worker")

#: Amazon waits 15 s for an answer; of these Kafka needs some.
_TIMEOUT_SECONDS = 5.0
#: A certificate is 2 KB.
_MAX_BYTES = 64 * 1024
#: Each region has one certificate, for a year or so; two while one takes the place of another.
_MAX_CERTIFICATES = 64
_FRESH_SECONDS = 86_400.0
_HASHES: dict[str, hashes.HashAlgorithm] = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}

#: Returns the keys that the certificate at an address, which is Amazon's, tells of.
Keys = Callable[[str], Awaitable[Sequence[RSAPublicKey]]]


class Signatures:
    """Lets envelopes of SNS in or raises.

    Args:
        topics: ARNs of those that may; all where there are none.
    """

    def __init__(self, keys: Keys, topics: Sequence[str] = ()) -> None:
        self._keys = keys
        self._topics = frozenset(topics)

    async def check(self, envelopes: Sequence[Document]) -> None:
        """Return if every one is signed by Amazon, and of a topic that may send.

        Raises:
            Refused: 403; 503 where the certificate cannot be had now.
        """
        for envelope in envelopes:
            try:
                told = signed(envelope)
            except InputError as error:
                raise Refused(403, "signature", error.detail) from None
            if self._topics and told.topic not in self._topics:
                raise Refused(403, "topic", f"{told.topic[:256]} is not among http.sns_topics")
            if not any(_holds(key, told) for key in await self._keys(told.certificate_url)):
                raise Refused(403, "signature", f"the signature is not that of what came of {told.topic[:256]}")


def _holds(key: RSAPublicKey, told: Signed) -> bool:
    try:
        key.verify(told.signature, told.text, padding.PKCS1v15(), _HASHES[told.digest])
    except (InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


class Certificates:
    """Keys of certificates by their addresses, asked for once a day.

    Args:
        get: returns what lies at an address, or raises `Refused`.
        now: seconds of a clock that never goes back.
    """

    def __init__(self, get: Callable[[str], Awaitable[bytes]], now: Callable[[], float]) -> None:
        self._get = get
        self._now = now
        self._known: OrderedDict[str, tuple[float, RSAPublicKey]] = OrderedDict()
        #: Whoever reaches the port can name addresses: one at a time is asked for.
        self._lock = asyncio.Lock()

    async def __call__(self, url: str) -> Sequence[RSAPublicKey]:
        """Return the key of the certificate at an address.

        Raises:
            Refused: 403 where that is no certificate; 503 where it does not come.
        """
        if (key := self._fresh(url)) is not None:
            return [key]
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS), self._lock:
                if (key := self._fresh(url)) is None:
                    key = self._keep(url, _key_of(await self._get(url)))
                return [key]
        except TimeoutError:
            refused = unavailable("certificate", f"{url} does not answer")
        except Refused as error:
            refused = error
        if refused.status == 503 and url in self._known:
            # A certificate lasts for long, and an alert that is turned away may not come again.
            _log.warning("a certificate of SNS cannot be had, the last one counts", url=url, problem=refused.detail)
            return [self._known[url][1]]
        raise refused

    def _fresh(self, url: str) -> RSAPublicKey | None:
        asked_at, key = self._known.get(url, (0.0, None))
        return key if key is not None and self._now() - asked_at < _FRESH_SECONDS else None

    def _keep(self, url: str, key: RSAPublicKey) -> RSAPublicKey:
        self._known[url] = (self._now(), key)
        self._known.move_to_end(url)
        if len(self._known) > _MAX_CERTIFICATES:
            self._known.popitem(last=False)
        return key


class Download:
    """Gets certificates over HTTP."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ask within the block."""
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as self._session:
            yield

    async def __call__(self, url: str) -> bytes:
        """Return what lies at an address.

        Raises:
            Refused: 403 where there is nothing; 503 where it does not come.
        """
        if self._session is None:
            raise unavailable("certificate", "certificates cannot be asked for yet")
        try:
            # Nobody but the host that was asked for may answer.
            async with self._session.get(url, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise _missing(url, answer.status)
                body = b""
                async for chunk in answer.content.iter_any():
                    body += chunk
                    if len(body) > _MAX_BYTES:
                        raise Refused(403, "signature", f"{url} is no certificate: more than {_MAX_BYTES} bytes")
                return body
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise unavailable("certificate", f"{url}: {type(error).__name__}") from None


def _missing(url: str, status: int) -> Refused:
    if status == 429 or status >= 500:
        return unavailable("certificate", f"{url}: status {status}")
    return Refused(403, "signature", f"{url}: status {status}")


def _key_of(data: bytes) -> RSAPublicKey:
    try:
        return _keys_of(data)[0]
    except ValueError as error:
        raise Refused(403, "signature", f"what is at its SigningCertURL cannot be used: {error}") from None


def _keys_of(data: bytes) -> list[RSAPublicKey]:
    """Return the keys of certificates in PEM.

    Raises:
        ValueError: there is none, or one that is not of RSA.
    """
    keys = [one.public_key() for one in x509.load_pem_x509_certificates(data)]
    found = [key for key in keys if isinstance(key, RSAPublicKey)]
    if len(found) != len(keys):
        raise ValueError("a certificate is not of RSA")
    return found


def signatures_of(
    config: HttpConfig, get: Callable[[str], Awaitable[bytes]], now: Callable[[], float]
) -> Signatures | None:
    """Return the check that a configuration describes; None where there is to be none.

    Raises:
        ConfigError: the file of certificates cannot be used.
    """
    if not config.sns_signatures:
        return None
    if config.sns_certificate_file is None:
        return Signatures(Certificates(get, now), config.sns_topics)
    file = config.sns_certificate_file
    try:
        keys = _keys_of(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError("http.sns_certificate_file", [f"{file}: {error}"]) from error

    async def given(url: str) -> Sequence[RSAPublicKey]:
        return keys

    return Signatures(given, config.sns_topics)
