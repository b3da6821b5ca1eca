"""Secrets of the web port: from the environment, or from a file that is read again when it has changed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from correlator.errors import ConfigError


class Secrets:
    """Secrets, one a line: several hold while one takes the place of another."""

    def __init__(self, key: str, text: str = "", *, file: Path | None = None) -> None:
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._lines = _lines(text)
        if file is not None:
            try:
                self._read(file)
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"{key}_file", [f"{file}: {error}"]) from error
            if not self._lines:
                raise ConfigError(f"{key}_file", [f"{file}: holds no secret"])

    def lines(self) -> tuple[bytes, ...]:
        """Return those that hold now."""
        if self._file is not None:
            # Between two versions of a mounted secret there may be none; the old ones hold until then.
            with suppress(OSError, UnicodeDecodeError):
                self._read(self._file)
        return self._lines

    def _read(self, file: Path) -> None:
        stat = file.stat()
        if (stat.st_mtime_ns, stat.st_ino) == self._seen:
            return
        lines = _lines(file.read_text(encoding="utf-8"))
        self._seen = (stat.st_mtime_ns, stat.st_ino)
        self._lines = lines or self._lines


def secrets_of(key: str, variable: str | None, file: Path | None, environ: Mapping[str, str]) -> Secrets | None:
    """Return the secrets that two settings name, `<key>_env` and `<key>_file`; None where neither does.

    Raises:
        ConfigError: there are none.
    """
    if file is not None:
        return Secrets(key, file=file)
    if variable is None:
        return None
    text = environ.get(variable, "")
    if not text.strip():
        raise ConfigError(f"{key}_env", [f"the environment variable {variable} is not set"])
    return Secrets(key, text)


def _lines(text: str) -> tuple[bytes, ...]:
    return tuple(line.strip().encode() for line in text.splitlines() if line.strip())
