"""How secrets are read: out of an environment variable, or out of a file, which somebody may have replaced since.

No text of an error holds any of what was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import SecretStr

from correlator.errors import ConfigError


def of_variable(key: str, variable: str, environ: Mapping[str, str]) -> str:
    """Return what the environment variable holds that the setting `key` names, without space around it.

    Raises:
        ConfigError: nothing.
    """
    value = environ.get(variable, "").strip()
    if not value:
        raise ConfigError(key, [f"the environment variable {variable} is not set"])
    return value


def of_file(key: str, file: Path) -> str:
    """Return what the file holds that the setting `key` names; its last line ending is no part of it.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise ConfigError(key, [f"{file}: {error.strerror or error}"]) from None
    except UnicodeDecodeError:
        raise ConfigError(key, [f"{file}: is no UTF-8"]) from None


def of_setting(key: str, value: SecretStr | None, file: Path | None) -> str:
    """Return the secret that is the setting `key`, or in the file of `<key>_file`; empty where there is neither.

    Raises:
        ConfigError: the file cannot be read.
    """
    if value is not None:
        return value.get_secret_value()
    return "" if file is None else of_file(f"{key}_file", file)


class Secrets:
    """Secrets, one a line: several hold while one takes the place of another."""

    def __init__(self, key: str, text: str = "", *, file: Path | None = None) -> None:
        self._key = f"{key}_file"
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._lines = _lines(text)
        if file is not None:
            self._read(file)
            if not self._lines:
                raise ConfigError(self._key, [f"{file}: holds no secret"])

    def lines(self) -> tuple[bytes, ...]:
        """Return those that hold now."""
        if self._file is not None:
            # Between two versions of a mounted secret there may be none; the old ones hold until then.
            with suppress(ConfigError):
                self._read(self._file)
        return self._lines

    def _read(self, file: Path) -> None:
        mark = _mark(file)
        if mark is None or mark != self._seen:
            lines = _lines(of_file(self._key, file))
            self._seen = mark
            self._lines = lines or self._lines


def secrets_of(key: str, variable: str | None, file: Path | None, environ: Mapping[str, str]) -> Secrets | None:
    """Return the secrets that two settings name, `<key>_env` and `<key>_file`; None where neither does.

    Raises:
        ConfigError: there are none.
    """
    if file is not None:
        return Secrets(key, file=file)
    return None if variable is None else Secrets(key, of_variable(f"{key}_env", variable, environ))


def _mark(file: Path) -> tuple[int, int] | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino


def _lines(text: str) -> tuple[bytes, ...]:
    return tuple(line.strip().encode() for line in text.splitlines() if line.strip())
