"""Reading a message of any format: recognise it, read it, look into what it encloses."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any

import msgspec

from correlator.errors import InputError
from correlator.formats import canonical
from correlator.formats.alert import ParsedAlert
from correlator.formats.format import Document, Enclosed, Format, Headers, Notice, Payload, Refusal, decoded
from correlator.formats.table import FORMATS

#: The header of a message that names its format.
FORMAT_HEADER = "format"
#: CloudEvent in SNS in Lambda's records, and one to spare.
_MAX_DEPTH = 4
#: How many sets of signs are remembered: more than there are kinds of documents, few enough to be harmless.
_MAX_SIGNATURES = 1000
#: Documents with more keys than senders write are not remembered by them.
_MOST_KEYS = 64

#: A message, and what it tells.
_Event = tuple[Payload, ParsedAlert | InputError]


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a message: an alert, or why it is none."""

    event: ParsedAlert | InputError
    source: Payload | bytes
    #: Its index among the events of the message; None where it is the only one.
    index: int | None = None

    @property
    def data(self) -> bytes:
        """Its bytes, or those of the message where it has none of its own."""
        return self.source if isinstance(self.source, bytes) else self.source.data

    def id(self, place: str) -> str:
        """Return the id the sender gave it, else one made of the message's place."""
        if isinstance(self.event, ParsedAlert) and self.event.id:
            return self.event.id
        return place if self.index is None else f"{place}-{self.index}"


class Contents(msgspec.Struct, kw_only=True):
    """What a message holds, in its order. Notices are no events."""

    events: list[Read] = []
    #: (format, word) -> how often
    notices: dict[tuple[str, str], int] = {}
    #: (format, word, text) of the notices that somebody has to read.
    said: list[tuple[str, str, str]] = []
    #: The format of each message within the message.
    formats: list[str] = []
    #: Of senders that sign them: whoever wants to know who sent it has them checked.
    envelopes: list[Document] = []

    @property
    def alerts(self) -> list[ParsedAlert]:
        return [read.event for read in self.events if isinstance(read.event, ParsedAlert)]


class Formats:
    """Read messages: a function of the table of formats, in the order given."""

    def __init__(self, formats: Iterable[Format] = FORMATS) -> None:
        self._formats = tuple(formats)
        self._named = {one.name: one for one in self._formats}
        self._signs = frozenset(sign for one in self._formats for sign in one.signs)
        self._candidates = lru_cache(maxsize=_MAX_SIGNATURES)(partial(_candidates, self._formats))
        #: The same by the very keys of a document: senders write theirs in one order.
        self._of_keys: dict[tuple[str, ...], tuple[Format, ...]] = {}

    def names(self) -> tuple[str, ...]:
        return tuple(self._named)

    def read(self, data: bytes, headers: Headers | None = None, *, arrived_at: int | None = None) -> Contents:
        """Read one message; it never fails.

        Args:
            headers: names in lower case.
            arrived_at: milliseconds; None where nothing tells.
        """
        if not headers and canonical.looks_canonical(data):
            # The fast path of nearly all messages in bulk.
            try:
                alert = canonical.parse(data)
            except InputError:
                pass  # Whatever is wrong, or whose it is, is found out below.
            else:
                return Contents(events=[Read(event=alert, source=data)], formats=[canonical.FORMAT.name])
        contents = Contents()
        found: list[_Event] = []
        self._open(Payload(data, headers=headers or {}, arrived_at=arrived_at), contents, found, 0)
        only = len(found) == 1
        contents.events = [
            Read(event=event, source=payload, index=None if only else index)
            for index, (payload, event) in enumerate(found)
        ]
        return contents

    def _open(self, payload: Payload, contents: Contents, found: list[_Event], depth: int) -> None:
        """Find the events of a message; an array is a batch, each of its elements a message of its own."""
        try:
            if depth > _MAX_DEPTH:
                raise InputError("wrong_value", f"messages within messages, {depth} deep")
            headers = payload.headers
            chosen = self._claimed(headers) if headers else None
            if chosen is None:
                document = self._document(payload) if headers else payload.document
                if isinstance(document, list):
                    self._batch(payload, document, contents, found, depth)
                    return
                chosen = self._choose(document, headers)
            contents.formats.append(chosen.name)
            elements = chosen.read(payload)
        except InputError as error:
            found.append((payload, error))
            return
        for element in elements:
            if isinstance(element, ParsedAlert):
                found.append((payload, element))
                continue
            if not isinstance(element, Refusal) and element.envelope is not None:
                contents.envelopes.append(element.envelope)
            if isinstance(element, Enclosed):
                inside: list[_Event] = []
                self._open(element.payload, contents, inside, depth + 1)
                _dress(element, inside)
                found += inside
            elif isinstance(element, Notice):
                key = (chosen.name, element.word)
                contents.notices[key] = contents.notices.get(key, 0) + element.count
                if element.text:
                    contents.said.append((*key, element.text))
            else:
                whole = payload if element.data is None else Payload(element.data)
                found.append((whole, element.error))

    def _batch(
        self, payload: Payload, documents: list[Any], contents: Contents, found: list[_Event], depth: int
    ) -> None:
        parts = _Parts(payload)
        for index, document in enumerate(documents):
            first = len(found)
            self._open(_Part(parts, index, document), contents, found, depth + 1)
            for place in range(first, len(found)):
                whose, event = found[place]
                if isinstance(event, InputError):
                    found[place] = whose, InputError(event.reason, f"[{index}]: {event.detail}")

    def _document(self, payload: Payload) -> Any:
        """Return the decoded JSON; None for what a header says to be of a format that is none."""
        try:
            return payload.document
        except InputError:
            if payload.headers.get(FORMAT_HEADER) in self._named:
                return None
            raise

    def _claimed(self, headers: Headers) -> Format | None:
        """Return the format that the headers alone tell, unless they name another one."""
        if FORMAT_HEADER in headers:
            return None
        return next((one for one in self._formats if one.claims is not None and one.claims(headers)), None)

    def _choose(self, document: Any, headers: Headers) -> Format:
        if headers and (name := headers.get(FORMAT_HEADER)) is not None:
            if name not in self._named:
                raise InputError("unknown_format", f"the header {FORMAT_HEADER} says {name[:40]!r}, which is none")
            return self._named[name]
        if not isinstance(document, dict):
            return canonical.UNKNOWN
        keys = tuple(document)
        fitting = self._of_keys.get(keys)
        if fitting is None:
            fitting = self._candidates(self._signs.intersection(document))
            if len(keys) <= _MOST_KEYS and len(self._of_keys) < _MAX_SIGNATURES:
                self._of_keys[keys] = fitting
        for one in fitting:
            if one.recognises(document, headers):
                return one
        return canonical.UNKNOWN


def _candidates(formats: tuple[Format, ...], signs: frozenset[str]) -> tuple[Format, ...]:
    """Return the formats, in their order, that a document with these signs may be of."""
    return tuple(one for one in formats if not one.signs or not signs.isdisjoint(one.signs))


class _Parts:
    """The bytes of a batch's elements as they came, for those that are refused."""

    __slots__ = ("_parts", "payload")

    def __init__(self, payload: Payload) -> None:
        self.payload = payload
        self._parts: list[msgspec.Raw] | None = None

    def part(self, index: int) -> bytes:
        if self._parts is None:
            self._parts = decoded(self.payload.data, _many)
        return bytes(self._parts[index])


class _Part(Payload):
    """An element of a batch: one is made of every alert of a batch, so it has next to nothing to do."""

    __slots__ = ("_index", "_parts")

    def __init__(self, parts: _Parts, index: int, document: Any) -> None:
        self._parts, self._index, self._document = parts, index, document
        self.headers, self.arrived_at = parts.payload.headers, parts.payload.arrived_at

    @property
    def data(self) -> bytes:
        return self._parts.part(self._index)


def _dress(enclosed: Enclosed, events: list[_Event]) -> None:
    """Add to the events of an enclosed message what its envelope says."""
    for index, (payload, event) in enumerate(events):
        if isinstance(event, ParsedAlert):
            if enclosed.id is not None and event.id is None:
                # In place: nobody else has it yet, and a copy would be checked all over again.
                _set(event, "id", enclosed.id if len(events) == 1 else f"{enclosed.id}-{index}")
            if enclosed.dress is not None and (changes := enclosed.dress(event)):
                events[index] = payload, msgspec.structs.replace(event, **changes)


def arrival(alerts: Iterable[ParsedAlert]) -> int | None:
    """Return when a message arrived by the account of its alerts: none arrives before what it tells of began."""
    return max(map(arrival_of, alerts), default=None)


def arrival_of(alert: ParsedAlert) -> int:
    return alert.starts_at if alert.observed_at is None else alert.observed_at


_many = msgspec.json.Decoder(list[msgspec.Raw])
_set = msgspec.structs.force_setattr
