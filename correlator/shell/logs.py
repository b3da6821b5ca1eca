"""Logs of the worker: JSON lines on standard error, ours and those of the libraries."""

from __future__ import annotations

import logging
import sys

import structlog

#: What a library says again within this time is left out: clients repeat themselves for as long as Kafka is away.
_REPEAT_SECONDS = 30.0
_NOISY = 1000  # distinct messages remembered; templates, not texts, so a handful in practice


class Repeats(logging.Filter):
    """Lets each message template through once in a while."""

    def __init__(self, interval_seconds: float = _REPEAT_SECONDS) -> None:
        super().__init__()
        self._interval = interval_seconds
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key = (record.name, str(record.msg))
        said = self._said.get(key)
        if said is not None and record.created - said < self._interval:
            return False
        if len(self._said) >= _NOISY:
            self._said.clear()
        self._said[key] = record.created
        return True


def set_up() -> None:
    """Send everything to standard error as JSON lines; warnings of libraries, and our own information."""
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    if not structlog.is_configured():
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                stamp,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Repeats())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.processors.add_log_level, stamp],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
