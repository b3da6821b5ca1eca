"""From the bytes of a post to the record it becomes: a function of body and headers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from correlator.config import FormatConfig
from correlator.errors import InputError
from correlator.formats.format import Document, Format, Payload
from correlator.formats.reading import FORMAT_HEADER, Formats
from correlator.shell.http.answers import Taken
from correlator.shell.http.endpoints import Endpoint
from correlator.shell.http.refusal import unusable

#: Headers by which formats of the table are recognised, beside CloudEvents' and what formats claim by a content type.
_HEADERS = frozenset(("sentry-hook-resource",))
_CLOUDEVENT = "ce-"
_CONTENT_TYPE = "content-type"
_UNKNOWN = "unknown"
_OPENS = {"array": b"[", "object": b"{"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A post that is understood. `value` is None where it tells nothing at all, such as an empty list.

    `envelopes` are those within it whose sender signs them.
    """

    value: bytes | None
    headers: Mapping[str, str]
    format: str
    taken: Taken
    envelopes: Sequence[Document]


class Passed:
    """Which headers of a post go into its record: those that tell a format. Among the others are secrets.

    Args:
        formats: all formats.
        own: those of the configuration, which may name headers.
    """

    def __init__(self, formats: Iterable[Format], own: Iterable[FormatConfig]) -> None:
        places = (place for one in own for place in one.when if place.startswith("header:"))
        self._names = _HEADERS | {place.removeprefix("header:").lower() for place in places}
        self._claims = [one.claims for one in formats if one.claims is not None]

    def of(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the part of the headers (names in lower case) that goes along."""
        kept = {name: text for name, text in headers.items() if name in self._names or name.startswith(_CLOUDEVENT)}
        if content_type := headers.get(_CONTENT_TYPE):
            alone = {_CONTENT_TYPE: content_type}
            if any(claims(alone) for claims in self._claims):
                kept |= alone
        return kept


def understand(
    endpoint: Endpoint,
    data: bytes,
    headers: Mapping[str, str],
    *,
    formats: Formats,
    passed: Passed,
    arrived_at: int,
    new_key: Callable[[], str],
) -> Post:
    """Read a post.

    Args:
        headers: names in lower case.
        passed: which of them go into the record.
        new_key: makes a `dedup_key` for a sender that leaves that to us.

    Raises:
        Refused: 400, nothing of it can be used.
    """
    kept = passed.of(headers)
    key = None
    if endpoint.format is not None:
        kept[FORMAT_HEADER] = endpoint.format.name
    try:
        _check_outside(data, endpoint)
        if endpoint.gives_key:
            data, key = _with_key(data, new_key)
    except InputError as error:
        raise unusable([error]) from None
    contents = formats.read(data, kept, arrived_at=arrived_at)
    problems = [read.event for read in contents.events if isinstance(read.event, InputError)]
    notices = sum(contents.notices.values())
    events = len(contents.events) - len(problems)
    if problems and not events and not notices:
        raise unusable(problems)
    return Post(
        value=data if events or notices else None,
        headers=kept,
        format=contents.formats[0] if contents.formats else endpoint.format.name if endpoint.format else _UNKNOWN,
        taken=Taken(events=events, notices=notices, refused=problems, dedup_key=key),
        envelopes=contents.envelopes,
    )


def _check_outside(data: bytes, endpoint: Endpoint) -> None:
    begins = data.lstrip()[:1]
    if not begins:
        raise InputError("not_json", "the body is empty")
    opens = _OPENS.get(endpoint.body, begins)
    if begins != opens:
        Payload(data).document  # noqa: B018  what is no JSON at all says so
        raise InputError("wrong_type", f"expected {endpoint.body}")


def _with_key(data: bytes, new_key: Callable[[], str]) -> tuple[bytes, str | None]:
    """Return an event of PagerDuty's with its key, and that key."""
    document = Payload(data).document
    key = document.get("dedup_key")
    if key is None and document.get("event_action") == "trigger":
        key = new_key()
        return msgspec.json.encode({**document, "dedup_key": key}), key
    return data, key if isinstance(key, str) else None
