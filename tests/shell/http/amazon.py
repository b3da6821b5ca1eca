"""What Amazon SNS sends, signed as it documents, with keys of the tests' own."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.formats.vendor_examples import VENDORS

URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
TOPIC = VENDORS["sns"]["TopicArn"]
CONFIRMATION = {
    "Type": "SubscriptionConfirmation", "MessageId": "m", "Token": "t", "TopicArn": TOPIC, "Message": "You have ...",
    "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
    "Timestamp": "2026-11-23T03:40:00.134Z",
}  # fmt: skip
KEY = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)


def certificate(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(datetime(2026, 1, 1)).not_valid_after(datetime(2027, 1, 1))
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


CERTIFICATE = certificate(KEY)


def sealed(document: dict[str, Any], *, version: str = "2", key: rsa.RSAPrivateKey = KEY) -> dict[str, Any]:
    """Sign an envelope as Amazon documents it, field by field in the order of their names."""
    names = ["Message", "MessageId"]
    if document["Type"] == "Notification":
        names += ["Subject"] if document.get("Subject") is not None else []
        names += ["Timestamp", "TopicArn", "Type"]
    else:
        names += ["SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{document[name]}\n" for name in names).encode()
    digest = hashes.SHA1() if version == "1" else hashes.SHA256()
    signature = base64.b64encode(key.sign(text, padding.PKCS1v15(), digest)).decode()
    return {**document, "SignatureVersion": version, "Signature": signature, "SigningCertURL": URL}


def notification(**fields: Any) -> dict[str, Any]:
    return {**VENDORS["sns"], **fields}
