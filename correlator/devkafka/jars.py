"""Kafka's jars: pinned by their digests, fetched once into a cache, by Maven or from a Maven repository."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from correlator.devkafka.errors import BrokerError, Unavailable, tail

REPOSITORY_VARIABLE = "CORRELATOR_MAVEN_REPOSITORY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A jar by its path in a Maven repository and the SHA-256 it must have."""

    path: str
    sha256: str


def bundle_folder() -> Path:
    """Return the folder of `pom.xml` and `kafka.sha256`: inside the package when installed, else in the checkout."""
    packaged = Path(__file__).parents[1] / "kafka"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "deploy" / "kafka"


def cache_folder(environ: Mapping[str, str]) -> Path:
    if chosen := environ.get("CORRELATOR_CACHE"):
        return Path(chosen)
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path(environ.get("HOME") or Path.home()) / ".cache") / "correlator"


def read_pins(file: Path) -> tuple[Pin, ...]:
    """Read lines of `sha256  path`, as `sha256sum` writes them, in the order of the class path."""
    rows = (line.split() for line in file.read_text(encoding="ascii").splitlines() if line and not line.startswith("#"))
    return tuple(Pin(sha256=sha256, path=path) for sha256, path in rows)


def fetch(environ: Mapping[str, str] = os.environ, bundle: Path | None = None) -> tuple[Path, ...]:
    """Return Kafka's jars, each checked against its pin, brought into the cache where they are not there yet.

    Raises:
        Unavailable: neither Maven nor a repository can bring them.
        BrokerError: what was brought is not what is pinned.
    """
    bundle = bundle or bundle_folder()
    pins = read_pins(bundle / "kafka.sha256")
    home = cache_folder(environ) / _cache_key(pins)
    with locked(home):
        if _mismatches(home, pins):
            with tempfile.TemporaryDirectory(prefix=".incoming-", dir=home.parent) as incoming:
                brought = Path(incoming) / "jars"
                _bring(pins, brought, bundle, environ)
                if wrong := _mismatches(brought, pins):
                    raise BrokerError("not the pinned jars, nothing was kept:\n" + "\n".join(wrong))
                shutil.rmtree(home, ignore_errors=True)
                brought.rename(home)
    return tuple(home / pin.path for pin in pins)


def _cache_key(pins: Sequence[Pin]) -> str:
    """Name the version of Kafka and all the pins: a changed pin never meets an old cache."""
    versions = [found[1] for pin in pins if (found := re.search(r"/kafka_[\d.]+-([^/]+)\.jar$", pin.path))]
    return f"kafka-{versions[0] if versions else 'unknown'}-{hashlib.sha256(repr(pins).encode()).hexdigest()[:12]}"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock beside `path` against other processes and threads; the system frees it when its holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _mismatches(home: Path, pins: Sequence[Pin]) -> list[str]:
    return [problem for pin in pins if (problem := _mismatch(home / pin.path, pin))]


def _mismatch(jar: Path, pin: Pin) -> str | None:
    if not jar.is_file():
        return f"{pin.path}: missing"
    actual = hashlib.sha256(jar.read_bytes()).hexdigest()
    return None if actual == pin.sha256 else f"{pin.path}: SHA-256 is {actual}, pinned is {pin.sha256}"


def _bring(pins: Sequence[Pin], into: Path, bundle: Path, environ: Mapping[str, str]) -> None:
    if maven := shutil.which("mvn", path=environ.get("PATH", "")):
        _bring_by_maven(maven, into, bundle, environ)
    elif base := environ.get(REPOSITORY_VARIABLE):
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(lambda pin: download(_repository_address(base, pin.path), into / pin.path), pins))
    else:
        raise Unavailable(
            f"Kafka's jars are not in {cache_folder(environ)} and nothing here can bring them: install Maven (mvn on "
            f"PATH), or set {REPOSITORY_VARIABLE} to the https:// base address of a Maven repository"
        )


def _bring_by_maven(maven: str, into: Path, bundle: Path, environ: Mapping[str, str]) -> None:
    command = [maven, "-q", "-B", "-f", str(bundle / "pom.xml"), "dependency:copy-dependencies"]
    done = subprocess.run([*command, f"-DoutputDirectory={into}"], env=environ, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"Maven could not bring Kafka's jars:\n{tail(done.stdout + done.stderr)}")


def _repository_address(base: str, path: str) -> str:
    """Join them; plain HTTP is for this machine alone."""
    parts = urllib.parse.urlsplit(base)
    loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and loopback)):
        raise Unavailable(f"{REPOSITORY_VARIABLE} is {base!r}: it must be an https:// address")
    return f"{base.rstrip('/')}/{urllib.parse.quote(path)}"


def download(address: str, into: Path, *, pauses_seconds: Sequence[float] = (0.5, 2, 5)) -> None:
    """Write what the address holds to a file; try again after each pause, unless the server refuses for good."""
    into.parent.mkdir(parents=True, exist_ok=True)
    for pause in (*pauses_seconds, None):
        try:
            with urllib.request.urlopen(address, timeout=30) as answer, into.open("wb") as jar:
                shutil.copyfileobj(answer, jar)
                if answer.length:
                    raise ConnectionError(f"cut short, {answer.length} bytes are missing")
            return
        except (OSError, http.client.HTTPException) as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code != 429
            if pause is None or refused:
                raise Unavailable(f"{address}: {error}") from error
            time.sleep(pause)
