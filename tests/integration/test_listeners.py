"""The development broker's secured listeners: who has what they ask for is let in, who has not is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka.abc import AbstractTokenProvider
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.helpers import create_ssl_context

from correlator.devkafka import Broker, Listener
from tests.integration.certificates import Authority, Identity
from tests.integration.secured import secured_broker, unsigned_token

PASSWORD = "one-of-no-worth"


@dataclass(frozen=True)
class Secured:
    broker: Broker
    authority: Authority
    client: Identity
    stranger: Identity


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("certificates")
    authority = Authority(folder)
    stranger = Authority(folder / "strange").issue("stranger")
    with secured_broker(authority, password=PASSWORD) as broker:
        yield Secured(broker, authority, authority.issue("client"), stranger)


class Unsigned(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    async def token(self) -> str:
        return unsigned_token()


async def topics(address: str, **settings: Any) -> list[str]:
    client = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=5000, **settings)
    try:
        async with asyncio.timeout(30):
            await client.start()
            listed: list[str] = await client.list_topics()
            return listed
    finally:
        await client.close()


def password(mechanism: str, text: str = PASSWORD) -> dict[str, str]:
    return {"sasl_mechanism": mechanism, "sasl_plain_username": "alice", "sasl_plain_password": text}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_who_knows_the_password_is_let_in_and_who_does_not_is_not(secured: Secured, mechanism: str) -> None:
    address = secured.broker.address(Listener.SASL_PLAINTEXT)
    protocol = {"security_protocol": "SASL_PLAINTEXT"}
    assert await topics(address, **protocol, **password(mechanism)) == []
    with pytest.raises(KafkaError):
        await topics(address, **protocol, **password(mechanism, "another"))


async def test_a_bearer_of_a_token_is_let_in(secured: Secured) -> None:
    settings = {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": Unsigned()}
    address = secured.broker.address(Listener.SASL_PLAINTEXT)
    assert await topics(address, security_protocol="SASL_PLAINTEXT", **settings) == []


async def test_over_tls_the_broker_is_known_by_its_authority_and_by_no_other(secured: Secured, tmp_path: Path) -> None:
    address = secured.broker.address(Listener.SASL_SSL)
    settings = {"security_protocol": "SASL_SSL", **password("SCRAM-SHA-512")}
    context = create_ssl_context(cafile=str(secured.authority.certificate))
    assert await topics(address, ssl_context=context, **settings) == []
    other = create_ssl_context(cafile=str(Authority(tmp_path).certificate))
    with pytest.raises(KafkaError):
        await topics(address, ssl_context=other, **settings)


async def test_a_client_shows_a_certificate_of_the_authority(secured: Secured) -> None:
    address = secured.broker.address(Listener.SSL)

    async def ask(identity: Identity | None) -> list[str]:
        context = create_ssl_context(
            cafile=str(secured.authority.certificate),
            certfile=str(identity.certificate) if identity else None,
            keyfile=str(identity.key) if identity else None,
        )
        return await topics(address, security_protocol="SSL", ssl_context=context)

    assert await ask(secured.client) == []
    for refused in (secured.stranger, None):
        with pytest.raises(KafkaError):
            await ask(refused)


async def test_the_plain_listener_stays(secured: Secured) -> None:
    assert await topics(secured.broker.bootstrap_servers) == []
