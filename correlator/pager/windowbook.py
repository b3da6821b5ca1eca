"""The windows of the moment: of the configuration, of a file that is read again when it changes, and of a topic.

A window that cannot be understood silences nothing, and so does a file that cannot be read: in doubt, page.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydantic
import structlog

from correlator.config_pager import WindowConfig
from correlator.errors import ConfigError
from correlator.pager.metrics import PagerMetrics
from correlator.pager.windows import open_until
from correlator.pager.windowtopic import WindowTopic

POLL_SECONDS = 2.0
MAX_FILE_BYTES = 4_000_000

log = structlog.get_logger("correlator.pager")


class WindowBook:
    """Knows the windows. Call `refresh` now and then."""

    def __init__(
        self,
        configured: Sequence[WindowConfig],
        path: Path | None,
        metrics: PagerMetrics,
        topic: WindowTopic | None = None,
    ) -> None:
        self._topic = topic
        self._configured = tuple(configured)
        self._path = path
        self._metrics = metrics
        self._content: bytes | None = None
        self._read: tuple[WindowConfig, ...] = ()
        self._invalid = 0

    def windows(self) -> tuple[WindowConfig, ...]:
        """Return all windows, open or not."""
        found = self._configured + self._read
        if self._topic is None:
            return found
        # Where an id is taken, the window of the topic counts too: each silences what it says.
        return found + tuple(self._topic.windows.values())

    async def refresh(self, now: float) -> None:
        """Read the file if it changed, and count the windows; `now` is seconds since the epoch."""
        if self._path is not None:
            content, problem = await asyncio.to_thread(_content, self._path)
            if content != self._content or (problem and not self._invalid):
                self._content = content
                self._take_over(content, problem)
        states = Counter(state_of(window, now) for window in self.windows())
        for state in ("open", "waiting", "over"):
            self._metrics.windows.labels(state).set(states[state])
        sent = 0 if self._topic is None else len(self._topic.invalid)
        self._metrics.windows.labels("invalid").set(self._invalid + sent)

    def _take_over(self, content: bytes | None, problem: str | None) -> None:
        found, problems = ((), [problem]) if content is None else parse(content)
        taken = {window.id for window in self._configured}
        double = [window.id for window in found if window.id in taken]
        problems = [text for text in problems if text] + [f"window {name}: its id is taken" for name in double]
        self._read = tuple(window for window in found if window.id not in taken)
        self._invalid = len(problems)
        for text in problems:
            log.error("a window that silences nothing", file=str(self._path), problem=text)
        log.info("windows read", file=str(self._path), windows=[window.id for window in self._read])


def load(path: Path) -> tuple[WindowConfig, ...]:
    """Read a file of windows that must be free of mistakes, for a check before it is put in place.

    Raises:
        ConfigError: naming every problem.
    """
    content, problem = _content(path)
    found, problems = ((), [problem or ""]) if content is None else parse(content)
    if problems:
        raise ConfigError(str(path), problems)
    return found


def parse(content: bytes) -> tuple[tuple[WindowConfig, ...], list[str]]:
    """Read a file of `[[windows]]` tables; return those that are understood, and what is wrong with the others."""
    try:
        tree = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return (), [str(error)]
    problems = [f"{key}: unknown key" for key in tree if key != "windows"]
    tables = tree.get("windows", [])
    if not isinstance(tables, list):
        return (), [*problems, "windows: not an array of tables"]
    found: dict[str, WindowConfig] = {}
    for number, table in enumerate(tables):
        window = _understood(table, number, problems)
        if window is None:
            continue
        if window.id in found:
            problems.append(f"window {window.id}: its id is taken")
            continue
        found[window.id] = window
    return tuple(found.values()), problems


def state_of(window: WindowConfig, now: float) -> str:
    """Return `open`, `waiting` or `over`."""
    if open_until(window, now) is not None:
        return "open"
    return "over" if window.ends is not None and window.ends.timestamp() <= now else "waiting"


def _understood(table: Any, number: int, problems: list[str]) -> WindowConfig | None:
    try:
        return WindowConfig.model_validate(table)
    except pydantic.ValidationError as error:
        for item in error.errors():
            key = ".".join(str(part) for part in ("windows", number, *item["loc"]))
            problems.append(f"{key}: {item['msg']}")
        return None


def _content(path: Path) -> tuple[bytes | None, str | None]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return None, error.strerror or type(error).__name__
    return (content, None) if len(content) <= MAX_FILE_BYTES else (None, f"larger than {MAX_FILE_BYTES} bytes")
