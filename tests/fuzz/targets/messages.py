"""Alerts of any format: recognised by themselves, by a header, by a configured mapping, and replayed to their end."""

from __future__ import annotations

from zlib import crc32

from correlator.config import Config, FormatConfig, FormatPaths
from correlator.errors import InputError
from correlator.formats import log
from correlator.formats.alert import ParsedAlert
from correlator.formats.format import Headers
from correlator.formats.mapped import mapped as mapped_format
from correlator.formats.naming import Namer
from correlator.formats.reading import FORMAT_HEADER, Formats, Read
from correlator.formats.table import FORMATS
from correlator.replay import Replay
from correlator.sinks import Sinks
from tests.engine.drive import graph_of
from tests.fuzz.targets.nowhere import Nowhere

AT = 1_795_405_230_000
REASONS = {"not_utf8", "not_json", "missing_field", "wrong_type", "wrong_value", "bad_timestamp", "unknown_format"}

_FORMATS = Formats()
_NAMES = [one.name for one in FORMATS]
_GRAPH = graph_of({"checkout": ["cart", "payments"], "cart": ["redis"], "payments": ["db"]}, {"db": "storage"})
_CONFIG = Config()
_NAMER = Namer(_CONFIG.naming, _GRAPH)
_MAPPED = Formats(
    [
        mapped_format(
            FormatConfig(
                name="acme",
                when={"tool": "acme"},
                each="body.alarms",
                paths=FormatPaths(
                    name=("rule",), status=("state",), starts_at=("since",), ends_at=("until",),
                    service=("app", "tags.app"), summary=("text",), severity=("level",), id=("id",), labels=("tags",),
                ),
                labels={"zone": "place.zone"},
                severities={"fatal": "critical", "minor": "warning"},
                statuses={"ok": "resolved"},
            )
        ),
        *FORMATS,
    ]
)  # fmt: skip


def detected(data: bytes) -> None:
    """Read a message that nothing is known of."""
    check(_FORMATS, data, {})


def named(data: bytes) -> None:
    """Read a message as the format that the first line names."""
    name, _, body = data.partition(b"\n")
    chosen = name.decode("latin-1")
    check(_FORMATS, body, {FORMAT_HEADER: chosen if chosen in _NAMES else _NAMES[crc32(name) % len(_NAMES)]})


def headers(data: bytes) -> None:
    """Read a message with headers, as a message of HTTP is written."""
    head, body = split(data)
    check(_FORMATS, body, head)


def mapped(data: bytes) -> None:
    """Read a message of a format that is described in the configuration."""
    check(_MAPPED, data, {})


def replayed(data: bytes) -> None:
    """Replay lines to their end: every event has one disposition."""
    run = Replay(_CONFIG, _GRAPH, Sinks(Nowhere(), Nowhere()))
    for number, line in enumerate(data.split(b"\n")[:50], start=1):
        run.feed(number, line)
    summary = run.finish()
    assert summary.events == sum(summary.dispositions.values()), summary
    assert summary.dispositions.get("rejected", 0) == summary.rejected, summary


def split(data: bytes) -> tuple[dict[str, str], bytes]:
    """Return the lines `name: value` before the first empty one, and what follows."""
    head, _, body = data.partition(b"\n\n")
    pairs = (line.decode("latin-1").partition(":") for line in head.split(b"\n")[:20])
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}, body


def check(formats: Formats, data: bytes, given: Headers) -> None:
    """Read a message; what is an alert can be named and written to the log, what is none says why."""
    contents = formats.read(data, given, arrived_at=AT)
    assert all(contents.formats) and all(count > 0 for count in contents.notices.values())
    for read in contents.events:
        if isinstance(read.event, ParsedAlert):
            _check_forwarded(read, read.event)
        else:
            assert read.event.reason in REASONS and read.event.detail, read.event
            assert isinstance(read.data, bytes)
    assert len({read.index for read in contents.events}) == len(contents.events)


def _check_forwarded(read: Read, alert: ParsedAlert) -> None:
    try:
        event = _NAMER.name(alert, event_id=read.id("alerts-0-7"), observed_at=AT)
    except InputError as error:
        assert error.reason in REASONS, error
        return
    assert event.service and event.name and event.fingerprint and event.scope
    record = log.Alerts(at=AT, events=[event])
    assert log.decode(log.encode(record)) == record
