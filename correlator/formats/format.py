"""What a format is, and how to add one.

A format is a pure module of its own that ends in a `FORMAT`: a name, how its documents are recognised, and a reader.
Then it is listed in `formats.table`. For example, a sender whose messages are `{"tool": "acme", "alarms": [...]}`:

    class _Alarm(msgspec.Struct):
        rule: str
        since: datetime
        severity: str = ""
        tags: dict[str, str] = {}

    _SEVERITIES = {"fatal": Severity.CRITICAL, "minor": Severity.WARNING}

    def _recognises(document: Document, headers: Headers) -> bool:
        return document.get("tool") == "acme" and "alarms" in document

    def _read(payload: Payload) -> list[Element]:
        return each(listed(payload.document, "alarms"), _alert, at="alarms")

    def _alert(item: object, at: str) -> ParsedAlert:
        alarm = shaped(item, _Alarm, at=at)
        return ParsedAlert(
            status=Status.FIRING,
            name=alarm.rule,
            starts_at=instant(alarm.since, f"{at}.since"),
            source="acme",
            severity=_SEVERITIES.get(alarm.severity),
            labels=alarm.tags,
        )

    FORMAT = Format(name="acme", signs=("tool",), recognises=_recognises, read=_read)

A firing holds until it is renewed, resolved or its lease (`ends_at`) runs out; without a lease, for
`silence_lease_seconds`. A sender that tells of a change only, and never again while it lasts, gets a long one:
`ends_at=payload.until(TOLD_ONCE_SECONDS)`. What has no time of its own began when it arrived: `payload.arrival()`; so
does an end. An identity of the sender's goes to `fingerprint` only if it is the same at the next firing.

Declare only the fields that are used: msgspec passes over all others, so senders may add some. Whatever JSON comes,
`recognises` returns and `read` returns or raises `InputError`, nothing else (`tests/formats/test_table.py` tries every
format of the table). What is no alert is a `Notice`, what holds another message an `Enclosed`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert
from correlator.formats.instants import instant

T = TypeVar("T")

_NO_HEADERS: Headers = MappingProxyType({})
_UNREAD: Any = object()

#: The lease of a firing whose sender tells of its end, but never again that it lasts: a day, in which someone looks.
TOLD_ONCE_SECONDS = 86_400

Document = Mapping[str, Any]
#: Names in lower case.
Headers = Mapping[str, str]


class Payload:
    """One message: its bytes, what came with them, and when (milliseconds; None where nothing tells).

    Of an element of a batch the document is known first; its bytes are looked for only if someone asks.
    """

    __slots__ = ("_data", "_document", "arrived_at", "headers")

    def __init__(
        self,
        data: bytes | Callable[[], bytes],
        *,
        headers: Headers = _NO_HEADERS,
        arrived_at: int | None = None,
        document: Any = _UNREAD,
    ) -> None:
        self._data = data
        self._document = document
        self.headers = headers
        self.arrived_at = arrived_at

    @property
    def data(self) -> bytes:
        if not isinstance(self._data, bytes):
            self._data = self._data()
        return self._data

    @property
    def document(self) -> Any:
        """The decoded JSON.

        Raises:
            InputError: reason `not_json` or `not_utf8`.
        """
        if self._document is _UNREAD:
            self._document = decoded(self.data, _any)
        return self._document

    def arrival(self) -> int:
        """Return when it arrived, for what the sender does not date.

        Raises:
            InputError: reason `missing_field`: nothing tells.
        """
        if self.arrived_at is None:
            raise InputError("missing_field", "neither the message nor its arrival tells a time")
        return self.arrived_at

    def began(self, moment: datetime | None, where: str) -> int:
        """Return when something began: the sender's word, else the arrival. The year 1 is how Go writes no time.

        Raises:
            InputError: reason `bad_timestamp` or `missing_field`.
        """
        return self.arrival() if moment is None or moment.year == 1 else instant(moment, where)

    def until(self, seconds: int) -> int | None:
        """Return the end of a lease, for senders that tell of a firing seldom or but once."""
        return None if self.arrived_at is None else self.arrived_at + 1000 * seconds


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An element that nobody can use; `data` is its bytes, None for those of the whole message."""

    error: InputError
    data: bytes | None = None


class Notice(msgspec.Struct, frozen=True):
    """What a message tells that is no alert: a word of the format's own closed set, which is counted and no more.

    `text` is for what a human has to do something about: it is logged. `envelope` is as of `Enclosed`.
    """

    word: str
    count: int = 1
    text: str = ""
    envelope: Document | None = None


class Enclosed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message within the message, to be recognised by itself.

    `dress` returns what the envelope changes of an alert's fields; `id` is its own, for alerts that have none.
    `envelope` is what encloses it, as it came, of a sender that signs its envelopes: empty if this one has none.
    """

    payload: Payload
    id: str | None = None
    envelope: Document | None = None
    dress: Callable[[ParsedAlert], dict[str, Any]] | None = None


Element = ParsedAlert | Refusal | Notice | Enclosed


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One way to tell of alerts.

    `name` is from a closed set: it is the source of the alerts, a label of metrics and the path of `/webhooks/<name>`.
    `recognises` sees a decoded object and the headers; of an array it sees each element, since an array is a batch of
    messages. `claims` is for what headers alone tell, before anything is decoded: such a format gets the bytes as they
    are. `read` returns the elements of a message in its order, or raises `InputError` where the message as a whole is
    of no use. `signs` are keys of which every object has one that `recognises` may say yes to, so that it is not asked
    about others; without signs it is asked about all. `shape` is the type of a document, for the description of the
    HTTP interface.
    """

    name: str
    recognises: Callable[[Document, Headers], bool]
    read: Callable[[Payload], Iterable[Element]]
    claims: Callable[[Headers], bool] | None = None
    signs: tuple[str, ...] = ()
    shape: type[msgspec.Struct] | None = None


def each(items: Iterable[object], read: Callable[[Any, str], Element], *, at: str) -> list[Element]:
    """Read the items of a list one by one, so that a bad one spoils no other; `at` is where the list stands."""
    elements: list[Element] = []
    for index, item in enumerate(items):
        place = f"{at}[{index}]"
        try:
            elements.append(read(item, place))
        except InputError as error:
            if not error.detail.startswith(place):
                error = InputError(error.reason, f"{place}: {error.detail}")
            elements.append(Refusal(error=error, data=msgspec.json.encode(item)))
    return elements


def listed(document: object, key: str) -> list[Any]:
    """Return the list under a key of an object.

    Raises:
        InputError: reason `wrong_type` or `missing_field`: there is none.
    """
    if not isinstance(document, dict):
        raise InputError("wrong_type", f"expected object, got {_json_type(document)}")
    if key not in document:
        raise InputError("missing_field", f"missing required field `{key}`")
    return items_of(document[key], key)


def items_of(value: object, at: str) -> list[Any]:
    """Return a list as such.

    Raises:
        InputError: reason `wrong_type`: it is none.
    """
    if not isinstance(value, list):
        raise InputError("wrong_type", f"{at}: expected array, got {_json_type(value)}")
    return value


def shaped(value: object, shape: type[T], *, at: str = "") -> T:
    """Return a decoded value as a Struct, whose unknown fields are passed over; `at` is where the value stands.

    Raises:
        InputError: reason `missing_field`, `wrong_type`, `wrong_value` or `bad_timestamp`, with the place.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise refused(error, at=at) from None


def decoded(data: bytes, decoder: msgspec.json.Decoder[T], *, at: str = "") -> T:
    """Decode bytes.

    Raises:
        InputError: as `shaped` does, or reason `not_json` or `not_utf8`.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise refused(error, at=at) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError("not_json", str(error)) from None
    except UnicodeDecodeError as error:
        raise InputError("not_utf8", str(error)) from None


def refused(error: msgspec.ValidationError, *, at: str = "") -> InputError:
    """Say where and what: `alerts[3].labels: expected object, got array`."""
    what, _, path = str(error).partition(" - at `$")
    place = (at + path.rstrip("`")).lstrip(".")
    text = _TYPE.sub(_in_json, what.replace("Object missing", "missing"))
    text = text[:1].lower() + text[1:]
    return InputError(_reason(what), f"{place}: {text}" if place else text)


def _in_json(match: re.Match[str]) -> str:
    """Write a type as the sender knows it; what is no type is the name of a field."""
    words = match[1].split(" | ")
    return " or ".join(_JSON_TYPES[word] for word in words) if all(word in _JSON_TYPES for word in words) else match[0]


def _reason(message: str) -> str:
    if "missing required field" in message:
        return "missing_field"
    if "RFC3339" in message or "datetime" in message or "out of range" in message:
        return "bad_timestamp"
    if "Invalid enum value" in message:
        return "wrong_value"
    return "wrong_type"


def _json_type(value: object) -> str:
    return "null" if value is None else _JSON_TYPES.get(type(value).__name__, "object")


_any: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_TYPE = re.compile(r"`([\w |]+)`")
_JSON_TYPES = {
    **{name: name for name in ("object", "array", "null")},
    **{
        "str": "string",
        "int": "integer",
        "float": "number",
        "bool": "boolean",
        "list": "array",
        "dict": "object",
        "datetime": "date",
    },
}
