"""What Amazon SNS signs of an envelope, and with whose certificate.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Literal

import msgspec

from correlator.errors import InputError
from correlator.formats.format import Document

_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
_OPTIONAL = frozenset({"Subject"})
_DIGESTS: dict[object, Literal["sha1", "sha256"]] = {"1": "sha1", "2": "sha256"}
#: A host of that form which begins with `s3` is a bucket of somebody's that is called `sns`.
_CERTIFICATE = re.compile(r"https://sns\.(?!s3)[a-z0-9-]+\.amazonaws\.com(\.cn)?/[A-Za-z0-9_./-]+\.pem")
#: No signature is longer: RSA of 8192 bits is 1368 letters.
_MAX_LETTERS = 2048


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """What an envelope says of its origin; nothing of it is proved yet."""

    topic: str
    text: bytes
    signature: bytes
    digest: Literal["sha1", "sha256"]
    certificate_url: str


def signed(envelope: Document) -> Signed:
    """Return what must be checked of an envelope.

    Raises:
        InputError: reason `missing_field` or `wrong_value`: it has no signature that could be right.
    """
    kind = envelope.get("Type")
    fields = _SIGNED.get(kind) if isinstance(kind, str) else None
    if fields is None:
        raise InputError("missing_field", "there is no envelope of SNS that a signature could stand in")
    version = envelope.get("SignatureVersion")
    if not isinstance(version, str) or version not in _DIGESTS:
        raise InputError("wrong_value", f"SignatureVersion is {str(version)[:40]!r}, neither '1' nor '2'")
    return Signed(
        topic=_text(envelope, "TopicArn"),
        text=b"".join(_line(envelope, name) for name in fields),
        signature=_bytes(_text(envelope, "Signature")),
        digest=_DIGESTS[version],
        certificate_url=_certificate_url(envelope),
    )


def _line(envelope: Document, name: str) -> bytes:
    """Return what is signed of a field: its name and its value, each with a line feed behind it."""
    if name in _OPTIONAL and envelope.get(name) is None:
        return b""
    return f"{name}\n{_text(envelope, name)}\n".encode("utf-8", "surrogatepass")


def _text(envelope: Document, name: str) -> str:
    value = envelope.get(name)
    if not isinstance(value, str):
        raise InputError("missing_field", f"{name} is missing, or no text")
    return value


def _bytes(letters: str) -> bytes:
    try:
        if len(letters) > _MAX_LETTERS:
            raise ValueError
        return base64.b64decode(letters, validate=True)
    except (binascii.Error, ValueError):
        raise InputError("wrong_value", "Signature is no base64") from None


def _certificate_url(envelope: Document) -> str:
    # To functions it is told by the other name.
    name = "SigningCertURL" if "SigningCertURL" in envelope else "SigningCertUrl"
    url = _text(envelope, name)
    if not _CERTIFICATE.fullmatch(url):
        raise InputError("wrong_value", f"{name} is no address of a certificate of Amazon's SNS")
    return url
