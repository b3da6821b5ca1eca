"""Where and how clients reach a node: in plain text, and where asked for over TLS, with credentials, or both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

_SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
_MECHANISMS = ("PLAIN", *_SCRAM, "OAUTHBEARER")
_SECURITY = "org.apache.kafka.common.security"


class Listener(StrEnum):
    """A listener, called by its security protocol."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """Listeners beside the plain one, each on a port of its own.

    With users: SASL_PLAINTEXT, which takes PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, and OAUTHBEARER with tokens that nobody
    signed (RFC 7519 section 6, for development only). With certificates: SSL, where a client may show a certificate of
    its own, and has to where `client_certificates` says so. With both: SASL_SSL too.

    Args:
        users: names and their passwords.
        keystore: PEM: the private key of the brokers (PKCS 8, not encrypted), then its certificate.
        truststore: PEM: the authorities by which clients' certificates are judged.
    """

    users: Mapping[str, str] = field(default_factory=dict)
    keystore: Path | None = None
    truststore: Path | None = None
    client_certificates: bool = False

    @property
    def listeners(self) -> tuple[Listener, ...]:
        offered = {
            Listener.SSL: self.keystore is not None,
            Listener.SASL_PLAINTEXT: bool(self.users),
            Listener.SASL_SSL: self.keystore is not None and bool(self.users),
        }
        return tuple(listener for listener, is_offered in offered.items() if is_offered)

    @property
    def format_arguments(self) -> list[str]:
        """What `StorageTool format` has to be told: KRaft keeps the users of SCRAM in its metadata."""
        return [
            argument
            for mechanism in _SCRAM
            for name, password in self.users.items()
            for argument in ("--add-scram", f"{mechanism}=[name={name},password={password}]")
        ]

    def properties(self) -> dict[str, str]:
        """Return the settings of a node."""
        properties: dict[str, str] = {}
        if self.keystore is not None:
            properties |= {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(self.keystore)}
            properties["ssl.client.auth"] = "required" if self.client_certificates else "requested"
        if self.truststore is not None:
            properties |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(self.truststore)}
        if self.users:
            properties["sasl.enabled.mechanisms"] = ",".join(_MECHANISMS)
            for listener in self.listeners:
                if listener is not Listener.SSL:
                    properties |= self._logins(listener)
        if Listener.SASL_SSL in self.listeners:
            # Who shows a password need not show a certificate.
            properties["listener.name.sasl_ssl.ssl.client.auth"] = "none"
        return properties

    def _logins(self, listener: Listener) -> dict[str, str]:
        users = " ".join(f'user_{name}="{password}"' for name, password in self.users.items())
        modules = {
            "PLAIN": f"{_SECURITY}.plain.PlainLoginModule required {users};",
            **dict.fromkeys(_SCRAM, f"{_SECURITY}.scram.ScramLoginModule required;"),
            "OAUTHBEARER": f"{_SECURITY}.oauthbearer.OAuthBearerLoginModule required "
            'unsecuredLoginStringClaim_sub="broker";',
        }
        return {
            f"listener.name.{listener.lower()}.{mechanism.lower()}.sasl.jaas.config": module
            for mechanism, module in modules.items()
        }


def addresses(ports: Iterable[Mapping[Listener, int]], listener: Listener) -> str:
    """Return the bootstrap servers of a listener."""
    return ",".join(f"127.0.0.1:{node[listener]}" for node in ports)
