"""Reading a message of any format: recognise it, read it, look into what it encloses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from correlator.errors import InputError
from correlator.formats import canonical
from correlator.formats.alert import ParsedAlert
from correlator.formats.format import Enclosed, Format, Headers, Notice, Payload, Refusal, decoded
from correlator.formats.table import FORMATS

#: The header of a message that names its format.
FORMAT_HEADER = "format"
#: CloudEvent in SNS in Lambda's records, and one to spare.
_MAX_DEPTH = 4


#: Bytes, and what they tell.
_Event = tuple[bytes, ParsedAlert | InputError]


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One event of a message: an alert, or why it is none; with its bytes, or those of the message."""

    event: ParsedAlert | InputError
    data: bytes
    #: Its index among the events of the message; None where it is the only one.
    index: int | None = None

    def id(self, place: str) -> str:
        """Return the id the sender gave it, else one made of the message's place."""
        if isinstance(self.event, ParsedAlert) and self.event.id:
            return self.event.id
        return place if self.index is None else f"{place}-{self.index}"


@dataclass(slots=True, kw_only=True)
class Contents:
    """What a message holds, in its order. Notices are no events."""

    events: list[Read] = field(default_factory=list)
    #: (format, word) -> how often
    notices: dict[tuple[str, str], int] = field(default_factory=dict)
    #: The format of each message within the message.
    formats: list[str] = field(default_factory=list)

    @property
    def alerts(self) -> list[ParsedAlert]:
        return [read.event for read in self.events if isinstance(read.event, ParsedAlert)]


class Formats:
    """Read messages: a function of the table of formats, in the order given."""

    def __init__(self, formats: Iterable[Format] = FORMATS) -> None:
        self._formats = tuple(formats)
        self._named = {one.name: one for one in self._formats}

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
                return Contents(events=[Read(event=alert, data=data)], formats=[canonical.FORMAT.name])
        contents = Contents()
        found = list(self._open(Payload(data=data, headers=headers or {}, arrived_at=arrived_at), contents, 0))
        only = len(found) == 1
        contents.events = [
            Read(event=event, data=part, index=None if only else index) for index, (part, event) in enumerate(found)
        ]
        return contents

    def _open(self, payload: Payload, contents: Contents, depth: int) -> Iterator[_Event]:
        """Yield the events of a message; an array is a batch, each of its elements a message of its own."""
        try:
            if depth > _MAX_DEPTH:
                raise InputError("wrong_value", f"messages within messages, {depth} deep")
            chosen = self._claimed(payload.headers)
            if chosen is None and (parts := self._parts(payload)) is not None:
                yield from self._batch(payload, parts, contents, depth)
                return
            chosen = chosen or self._choose(payload)
            contents.formats.append(chosen.name)
            elements = list(chosen.read(payload))
        except InputError as error:
            yield payload.data, error
            return
        for element in elements:
            if isinstance(element, Notice):
                key = (chosen.name, element.word)
                contents.notices[key] = contents.notices.get(key, 0) + element.count
            elif isinstance(element, Refusal):
                yield payload.data if element.data is None else element.data, element.error
            elif isinstance(element, Enclosed):
                yield from _dressed(element, list(self._open(element.payload, contents, depth + 1)))
            else:
                yield payload.data, element

    def _batch(
        self, payload: Payload, parts: Sequence[msgspec.Raw], contents: Contents, depth: int
    ) -> Iterator[_Event]:
        for index, part in enumerate(parts):
            for data, event in self._open(replace(payload, data=bytes(part)), contents, depth + 1):
                if isinstance(event, InputError):
                    event = InputError(event.reason, f"[{index}]: {event.detail}")
                yield data, event

    def _parts(self, payload: Payload) -> list[msgspec.Raw] | None:
        """Return the elements of an array, None of anything else."""
        if not payload.data.lstrip(b" \t\r\n").startswith(b"["):
            return None
        try:
            return decoded(payload.data, _many)
        except InputError:
            if payload.headers.get(FORMAT_HEADER) in self._named:
                return None  # A binary form may begin with these bytes too: its reader knows.
            raise

    def _claimed(self, headers: Headers) -> Format | None:
        """Return the format that the headers alone tell, unless they name another one."""
        if not headers or FORMAT_HEADER in headers:
            return None
        return next((one for one in self._formats if one.claims is not None and one.claims(headers)), None)

    def _choose(self, payload: Payload) -> Format:
        if (name := payload.headers.get(FORMAT_HEADER)) is not None:
            if name not in self._named:
                raise InputError("unknown_format", f"the header {FORMAT_HEADER} says {name[:40]!r}, which is none")
            return self._named[name]
        document = payload.document
        if not isinstance(document, dict):
            return canonical.FORMAT  # which says what is wrong with it
        headers = payload.headers
        return next((one for one in self._formats if one.recognises(document, headers)), canonical.FORMAT)


def _dressed(enclosed: Enclosed, events: list[_Event]) -> Iterator[_Event]:
    """Add to the events of an enclosed message what its envelope says."""
    for index, (data, event) in enumerate(events):
        if isinstance(event, ParsedAlert):
            if enclosed.dress is not None:
                event = enclosed.dress(event)
            if enclosed.id is not None and event.id is None:
                event = msgspec.structs.replace(event, id=enclosed.id + ("" if len(events) == 1 else f"-{index}"))
        yield data, event


def arrival(alerts: Iterable[ParsedAlert]) -> int | None:
    """Return when a message arrived by the account of its alerts: none arrives before what it tells of began."""
    return max(map(arrival_of, alerts), default=None)


def arrival_of(alert: ParsedAlert) -> int:
    return alert.starts_at if alert.observed_at is None else alert.observed_at


_many = msgspec.json.Decoder(list[msgspec.Raw])
