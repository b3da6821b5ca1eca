"""Formats of the user's own, from the configuration: paths into a document, and tables of words (`[[formats]]`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from correlator.config import Config, FormatConfig
from correlator.domain import Edge, Severity, Status
from correlator.errors import InputError
from correlator.formats.alert import PLAIN, ParsedAlert, edge_of, identity, labels_of, plain, severity_of
from correlator.formats.format import Document, Element, Format, Headers, Notice, Payload, each, items_of
from correlator.formats.instants import told
from correlator.formats.links import links_of
from correlator.formats.table import FORMATS
from correlator.paths import Path, found, parse_path

_HEADER = "header:"
_ANYTHING = "*"


def formats_of(config: Config) -> tuple[Format, ...]:
    """Return all formats in the order in which they are tried; one of the user's takes the place of its namesake."""
    own = tuple(mapped(one) for one in config.formats)
    names = {one.name for one in own}
    return own + tuple(one for one in FORMATS if one.name not in names)


def mapped(config: FormatConfig) -> Format:
    """Return the format that a configuration describes."""
    mapping = _Mapping.of(config)

    header_texts = {
        place.removeprefix(_HEADER).lower(): text for place, text in config.when.items() if place.startswith(_HEADER)
    }
    texts = [(parse_path(place), text) for place, text in config.when.items() if not place.startswith(_HEADER)]

    def recognises(document: Document, headers: Headers) -> bool:
        return all(_matches(headers.get(name), text) for name, text in header_texts.items()) and all(
            _matches(found(document, path), text) for path, text in texts
        )

    def read(payload: Payload) -> list[Element]:
        document = payload.document
        if config.each is None:
            return [mapping.element(payload, document, "")]
        items = items_of(found(document, parse_path(config.each)), config.each)
        return each(items, lambda item, at: mapping.element(payload, item, at), at=config.each)

    return Format(name=config.name, recognises=recognises, read=read)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mapping:
    """The configuration of a format with its paths taken apart and its words in lower case."""

    config: FormatConfig
    paths: dict[str, tuple[Path, ...]]
    labels: dict[str, Path]
    statuses: dict[str, str]
    severities: dict[str, Severity]

    @classmethod
    def of(cls, config: FormatConfig) -> _Mapping:
        return cls(
            config=config,
            paths={key: tuple(map(parse_path, texts)) for key, texts in config.paths},
            labels={label: parse_path(text) for label, text in config.labels.items()},
            statuses={str(status): str(status) for status in Status}
            | {word.lower(): status for word, status in config.statuses.items()},
            severities={word.lower(): Severity(severity) for word, severity in config.severities.items()},
        )

    def element(self, payload: Payload, item: object, at: str) -> Element:
        word = self._status(item)
        if word == "ignored":
            return Notice("ignored")
        status = Status(word)
        name = self._text(item, "name")
        if name is None:
            raise InputError("missing_field", f"{self._place(at, 'name')}: no name stands there")
        entity, ends_at = self._text(item, "entity"), self._end(item)
        if ends_at is None and status is Status.FIRING:
            ends_at = payload.until(round(self.config.lease_seconds))
        return ParsedAlert(
            id=self._text(item, "id"),
            source=self.config.name,
            status=status,
            name=name,
            service=self._text(item, "service"),
            entity=entity,
            severity=self._severity(item),
            starts_at=self._start(item, at) or (status is Status.RESOLVED and ends_at) or payload.arrival(),
            ends_at=ends_at,
            fingerprint=self._fingerprint(item),
            scope=self._text(item, "scope"),
            edge=self._edge(item) or edge_of(entity),
            labels=self._labels(item, at),
            summary=self._text(item, "summary") or "",
            links=links_of(
                {},
                runbook=self._text(item, "runbook_url"),
                dashboard=self._text(item, "dashboard_url"),
                source=self._text(item, "url"),
            ),
        )

    def _value(self, item: object, key: str) -> Any:
        return next((value for path in self.paths[key] if (value := found(item, path)) is not None), None)

    def _text(self, item: object, key: str) -> str | None:
        return plain(self._value(item, key))

    def _place(self, at: str, key: str) -> str:
        path = getattr(self.config.paths, key)[0]
        return f"{at}.{path}" if at else path

    def _status(self, item: object) -> str:
        if not self.paths["status"]:
            return Status.FIRING
        return self.statuses.get((self._text(item, "status") or "").lower(), self.config.other_status)

    def _severity(self, item: object) -> Severity | None:
        word = (self._text(item, "severity") or "").lower()
        return self.severities.get(word) or severity_of(word)

    def _start(self, item: object, at: str) -> int | None:
        value = self._value(item, "starts_at")
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, PLAIN):
            raise InputError("wrong_type", f"{self._place(at, 'starts_at')}: expected an instant")
        return told(value, self._place(at, "starts_at"))

    def _end(self, item: object) -> int | None:
        """Return when it ended; there are many ways to write that it has not (0, the year 1, a dash)."""
        value = self._value(item, "ends_at")
        try:
            return told(value, "ends_at") if isinstance(value, PLAIN) else None
        except InputError:
            return None

    def _fingerprint(self, item: object) -> str | None:
        parts = [plain(found(item, path)) or "" for path in self.paths["fingerprint"]]
        return identity(self.config.name, *parts) if any(parts) else None

    def _edge(self, item: object) -> Edge | None:
        caller, callee = self._text(item, "caller"), self._text(item, "callee")
        return Edge(caller=caller, callee=callee) if caller and callee else None

    def _labels(self, item: object, at: str) -> dict[str, str]:
        value = self._value(item, "labels")
        if value is not None and not isinstance(value, dict):
            raise InputError("wrong_type", f"{self._place(at, 'labels')}: expected object")
        return labels_of({**(value or {}), **{label: found(item, path) for label, path in self.labels.items()}})


def _matches(value: object, text: str) -> bool:
    return value is not None and (text == _ANYTHING or plain(value) == text)
