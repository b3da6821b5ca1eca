"""Amazon SNS, by HTTP or as the records of a Lambda function (also those of SQS): an envelope of a message in a string.

https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
A subscription must be confirmed by visiting an address. Whoever can post here can send any address, so it is never
visited from here: the log tells it to a human, if it is one of Amazon's.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

from correlator.errors import InputError
from correlator.formats.format import (
    Document,
    Element,
    Enclosed,
    Format,
    Headers,
    Notice,
    Payload,
    each,
    listed,
    shaped,
)
from correlator.formats.instants import written

_HOST = re.compile(r"^sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$")
_CONTROL = ("SubscriptionConfirmation", "UnsubscribeConfirmation")
_TYPES = ("Notification", *_CONTROL)
#: How JSON begins that tells of an alert.
_JSON = ("{", "[")


class _Message(msgspec.Struct, rename="pascal", gc=False):
    message: str


class _Confirmation(msgspec.Struct, rename="pascal"):
    type: str
    topic_arn: str = ""
    subscribe_url: str = msgspec.field(name="SubscribeURL", default="")


class _SqsRecord(msgspec.Struct, rename="camel"):
    body: str
    message_id: str | None = None


def recognises(document: Document, headers: Headers) -> bool:
    """Tell whether a document is an envelope of SNS, or the records of a function that such (or a queue) called."""
    if "TopicArn" in document:
        return document.get("Type") in _TYPES
    records = document.get("Records")
    return isinstance(records, list) and bool(records) and isinstance(records[0], dict) and _is_record(records[0])


def read(payload: Payload) -> list[Element]:
    """Return what is inside; of a confirmation, what is to be done."""
    document = payload.document
    if isinstance(document, dict) and "Records" in document:
        return each(listed(document, "Records"), lambda record, at: _record(payload, record, at), at="Records")
    return [_envelope(payload, document, "")]


def _is_record(record: dict[str, Any]) -> bool:
    return "Sns" in record or (record.get("eventSource") == "aws:sqs" and "body" in record)


def _record(payload: Payload, record: object, at: str) -> Element:
    if isinstance(record, dict) and "Sns" in record:
        return _envelope(payload, record["Sns"], f"{at}.Sns")
    queued = shaped(record, _SqsRecord, at=at)
    inside = _inside(queued.body, payload.arrived_at)
    if _is_envelope(inside):
        # Not left to be recognised: another format must not take it for its own, past the signature.
        return _envelope(inside, inside.document, f"{at}.body")
    return Enclosed(payload=inside, id=queued.message_id, envelope={})


def _is_envelope(payload: Payload) -> bool:
    try:
        document = payload.document
    except InputError:
        return False
    return isinstance(document, dict) and "TopicArn" in document and recognises(document, payload.headers)


def _envelope(payload: Payload, document: object, at: str) -> Element:
    if isinstance(document, dict) and document.get("Type") in _CONTROL:
        notice = _confirmation(shaped(document, _Confirmation, at=at))
        return msgspec.structs.replace(notice, envelope=document)
    envelope: Document = document if isinstance(document, dict) else {}
    message = envelope.get("Message")
    if type(message) is not str:
        # Only to say what is wrong: every envelope comes by here.
        message = shaped(document, _Message, at=at).message
    if message[:1] not in _JSON and message.lstrip()[:1] not in _JSON:
        raise InputError("not_json", f"{at}{'.' if at else ''}Message: text, no JSON: {message[:80]!r}")
    # Where nothing tells its arrival, that is when it was sent.
    arrived_at = _sent_at(envelope) if payload.arrived_at is None else payload.arrived_at
    given = envelope.get("MessageId")
    return Enclosed(
        payload=_inside(message, arrived_at), id=given if isinstance(given, str) else None, envelope=envelope
    )


def _inside(text: str, arrived_at: int | None) -> Payload:
    return Payload(text.encode("utf-8", "surrogatepass"), arrived_at=arrived_at)


def _sent_at(envelope: Document) -> int | None:
    sent = envelope.get("Timestamp")
    try:
        return written(sent, "Timestamp") if isinstance(sent, str) else None
    except InputError:
        return None


def _confirmation(confirmation: _Confirmation) -> Notice:
    if confirmation.type == "UnsubscribeConfirmation":
        return Notice("unsubscribed", text=f"the topic {confirmation.topic_arn[:256]} was unsubscribed")
    if not _is_amazons(confirmation.subscribe_url):
        return Notice("subscription_refused", text="asked to confirm a subscription at an address not of Amazon's SNS")
    return Notice(
        "subscription_pending",
        text=f"if the topic {confirmation.topic_arn[:256]} is yours, confirm it: {confirmation.subscribe_url[:2000]}",
    )


def _is_amazons(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and parts.port is None and bool(_HOST.match(parts.netloc))
    except ValueError:
        return False


FORMAT = Format(name="sns", signs=("TopicArn", "Records"), recognises=recognises, read=read)
