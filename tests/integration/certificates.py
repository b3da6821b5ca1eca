"""An authority and certificates of its making, for brokers and clients of tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_VALID = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A private key (PKCS 8) and its certificate, as PEM files; `both` holds one after the other."""

    key: Path
    certificate: Path
    both: Path


class Authority:
    """Signs certificates; its own is in `certificate`. All files lie in one folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self.certificate = folder / f"{name}.pem"
        signed = _unsigned(self._name, self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.certificate.write_bytes(signed.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def issue(self, name: str, *, address: str = "127.0.0.1", expired: bool = False) -> Identity:
        """Return a new identity, valid for an address and `localhost`, unless its time is over."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address)), x509.DNSName("localhost")])
        unsigned = _unsigned(_named(name), self._name, key, expired=expired).add_extension(names, critical=False)
        certificate = unsigned.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        identity = Identity(
            key=self._folder / f"{name}.key",
            certificate=self._folder / f"{name}.crt",
            both=self._folder / f"{name}.both.pem",
        )
        identity.key.write_bytes(private)
        identity.certificate.write_bytes(certificate)
        identity.both.write_bytes(private + certificate)
        return identity


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, expired: bool = False
) -> x509.CertificateBuilder:
    now = datetime.now(UTC) - (2 * _VALID if expired else timedelta(hours=1))
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + _VALID)
    )
