"""Settings of Kafka's clients, and why Kafka does not let us in."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.helpers import create_ssl_context

from correlator.access.tokens import TokenError, provider
from correlator.config import KafkaConfig
from correlator.errors import ConfigError
from correlator.secrets import of_setting

_ASK_TIMEOUT_SECONDS = 5.0


def client_settings(kafka: KafkaConfig, client_id: str = "correlator") -> dict[str, Any]:
    """Return the arguments that every aiokafka client takes.

    Raises:
        ConfigError: a certificate, a key or a secret is not there or cannot be used.
    """
    settings: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap_servers,
        "security_protocol": kafka.security_protocol,
        "client_id": client_id,
    }
    if kafka.security_protocol.endswith("SSL"):
        settings["ssl_context"] = tls_context(kafka)
    if kafka.security_protocol.startswith("SASL"):
        settings["sasl_mechanism"] = kafka.sasl_mechanism
        if kafka.sasl_mechanism == "OAUTHBEARER":
            settings["sasl_oauth_token_provider"] = provider(kafka)
        else:
            settings |= _login(kafka)
    return settings


def tls_context(kafka: KafkaConfig) -> ssl.SSLContext:
    """Return a context that verifies the brokers' certificates and names, and shows ours where there is one.

    Raises:
        ConfigError: a file of certificates or keys cannot be read or used.
    """
    try:
        context: ssl.SSLContext = create_ssl_context(cafile=_text(kafka.ca_file))
    except OSError as error:
        raise ConfigError("kafka.ca_file", [f"{kafka.ca_file}: {error}"]) from error
    if kafka.cert_file is not None:
        password = kafka.key_password.get_secret_value() if kafka.key_password else ""
        try:
            # Given a password always: without one OpenSSL asks for it at the terminal.
            context.load_cert_chain(kafka.cert_file, kafka.key_file, password=password)
        except (OSError, ValueError) as error:
            files = f"{kafka.cert_file}, {kafka.key_file or kafka.cert_file}"
            raise ConfigError("kafka.cert_file", [f"{files}: {_ssl_text(error)}"]) from None
    return context


def _login(kafka: KafkaConfig) -> dict[str, Any]:
    password = of_setting("kafka.sasl_password", kafka.sasl_password, kafka.sasl_password_file)
    missing = [
        f"{what} is missing: set CORRELATOR_KAFKA_{what.upper()}"
        for what, value in (("sasl_username", kafka.sasl_username), ("sasl_password", password))
        if not value
    ]
    if missing:
        raise ConfigError("kafka", missing)
    return {"sasl_plain_username": kafka.sasl_username, "sasl_plain_password": password}


async def explained(kafka: KafkaConfig, error: BaseException) -> str:
    """Say why Kafka cannot be used: clients tell only that it cannot, so it is asked once more.

    No secret is in what is said.
    """
    settings = client_settings(kafka)
    servers = settings.pop("bootstrap_servers").split(",")
    for server in servers:
        host, _, port = server.strip().rpartition(":")
        try:
            async with asyncio.timeout(_ASK_TIMEOUT_SECONDS):
                connection = await create_conn(host.strip("[]"), int(port), **settings)
        except (KafkaError, OSError, TimeoutError, ValueError) as reason:
            if (refusal := _refusal(reason, kafka)) is not None:
                return f"{server.strip()}: {refusal}"
            error = reason
        else:
            await _closed(connection)
    return str(error) or type(error).__name__


async def _closed(connection: Any) -> None:
    closed = connection.close()
    if closed is not None:
        await asyncio.wait({asyncio.ensure_future(closed)}, timeout=_ASK_TIMEOUT_SECONDS)


def _refusal(error: Exception, kafka: KafkaConfig) -> str | None:
    """Return what somebody must settle, None for what waiting may settle."""
    if isinstance(error, AuthenticationFailedError | SaslAuthenticationFailed):
        who = "the token" if kafka.sasl_mechanism == "OAUTHBEARER" else f"user {kafka.sasl_username!r} or the password"
        return f"authentication failed: {who} is refused ({kafka.sasl_mechanism}): {error}"
    if isinstance(error, UnsupportedSaslMechanismError | IllegalSaslStateError):
        return f"authentication failed: the listener does not take {kafka.sasl_mechanism}: {error}"
    if isinstance(error, ssl.SSLError):
        return f"TLS fails: {_ssl_text(error)}"
    if isinstance(error, KafkaConnectionError) and not isinstance(error, TokenError):
        # In TLS 1.3 a client has sent its request before it hears that its certificate is missing or refused.
        wants = "another certificate (kafka.cert_file)" if kafka.security_protocol.endswith("SSL") else "TLS"
        return f"the broker closes the connection: it may want {wants}"
    return None


def _ssl_text(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate cannot be verified: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return str(error.reason).lower().replace("_", " ")
    return str(error)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
