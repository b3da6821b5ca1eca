"""A broker that lets in only who shows what it asks for, and a token that it takes."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from correlator.devkafka import Broker, Security
from tests.brokers import started
from tests.integration.certificates import Authority


@contextmanager
def secured_broker(authority: Authority, *, password: str) -> Iterator[Broker]:
    """Run one on which alice has a password; its certificate and those it takes of clients are of `authority`."""
    security = Security(
        users={"alice": password},
        keystore=authority.issue("broker").both,
        truststore=authority.certificate,
        client_certificates=True,
    )
    with started(Broker(security=security)) as broker:
        yield broker


def unsigned_token() -> str:
    """Return a token of alice's that nobody signed (RFC 7519 section 6), which a broker for development takes."""
    now = time.time()
    parts = ({"alg": "none"}, {"sub": "alice", "iat": now, "exp": now + 600})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."
