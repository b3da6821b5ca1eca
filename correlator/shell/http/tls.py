"""TLS of the web port: our certificate, and the authority of those that clients may show."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import structlog

from correlator.config_http import HttpConfig
from correlator.errors import ConfigError

_log = structlog.get_logger("correlator.worker")

_LOOK_SECONDS = 30.0


def context_of(config: HttpConfig) -> ssl.SSLContext | None:
    """Return the context of the configured certificate; None without one.

    A client certificate is checked in the handshake if one is shown, and asked of whoever sends alerts (`gate`): the
    probes of an orchestrator have none.

    Raises:
        ConfigError: a file cannot be used.
    """
    if config.tls_cert_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.tls_cert_file, config.tls_key_file)
    except OSError as error:
        files = f"{config.tls_cert_file}, {config.tls_key_file}"
        raise ConfigError("http.tls_cert_file", [f"{files}: {error.strerror or error}"]) from error
    if config.tls_client_ca_file is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        try:
            context.load_verify_locations(config.tls_client_ca_file)
        except OSError as error:
            problem = f"{config.tls_client_ca_file}: {error.strerror or error}"
            raise ConfigError("http.tls_client_ca_file", [problem]) from error
    return context


async def keep_fresh(context: ssl.SSLContext, config: HttpConfig, *, look_seconds: float = _LOOK_SECONDS) -> None:
    """Take over a renewed certificate, for connections to come, until cancelled."""
    assert config.tls_cert_file is not None
    files = [file for file in (config.tls_cert_file, config.tls_key_file) if file is not None]
    seen = _marks(files)
    while True:
        await asyncio.sleep(look_seconds)
        if (marks := _marks(files)) == seen:
            continue
        seen = marks
        try:
            context.load_cert_chain(config.tls_cert_file, config.tls_key_file)
        except OSError as error:
            # Between two writes certificate and key do not match; the next look finds both.
            _log.warning("the renewed certificate cannot be used", problem=error.strerror or str(error))
            seen = []
        else:
            _log.info("certificate of the web port renewed")


def _marks(files: list[Path]) -> list[tuple[int, int]]:
    marks = []
    for file in files:
        try:
            stat = file.stat()
        except OSError:
            return []
        marks.append((stat.st_mtime_ns, stat.st_ino))
    return marks
