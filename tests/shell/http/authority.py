"""Certificates for tests, made with the command `openssl`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


class Authority:
    """Signs certificates; all files are in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cert = self.issue("ca", "-addext", "basicConstraints=critical,CA:TRUE")[0]

    @classmethod
    def made(cls, folder: Path) -> Authority:
        """Return one, or skip the test."""
        try:
            return cls(folder)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"needs the command openssl 3: {error}")

    def issue(self, name: str, *extra: str) -> tuple[Path, Path]:
        """Return a new certificate and its key."""
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        signed = [] if name == "ca" else ["-CA", str(self.cert), "-CAkey", str(self.folder / "ca.key")]
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "2", "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(cert), *signed, *extra]
        subprocess.run(command, check=True, capture_output=True)
        return cert, key
