"""A real Prometheus and a real Alertmanager as processes, for the tests of this folder."""

from __future__ import annotations

import http.server
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from correlator.devkafka import free_ports

_ALERTMANAGERS = ("prometheus-alertmanager", "alertmanager")


def program(*names: str) -> str:
    """Return the path of the first program there is, or skip the test."""
    for name in names:
        if path := shutil.which(name):
            return path
    pytest.skip(f"needs the program {' or '.join(names)} (Debian: prometheus, prometheus-alertmanager)")


def prometheus_program() -> str:
    return program("prometheus")


def alertmanager_program() -> str:
    return program(*_ALERTMANAGERS)


@contextmanager
def process(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the end of the block."""
    with log.open("ab") as sink:
        running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(timeout=15)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


@contextmanager
def prometheus(folder: Path, alerting: str, *, job: str, target: int) -> Iterator[Path]:
    """Run a Prometheus that watches one target and alerts `ServiceDown` once it is gone; give its log.

    Args:
        alerting: the items below `alertmanagers:`, YAML.
    """
    name = prometheus_program()
    folder.mkdir()
    (folder / "rules.yml").write_text(
        "groups: [{name: test, interval: 1s, rules: [{alert: ServiceDown, expr: up == 0, labels: {severity: critical},"
        " annotations: {summary: '{{ $labels.job }} is down'}}]}]"
    )
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        "rule_files: [rules.yml]\n"
        f"alerting:\n  alertmanagers:\n{alerting}"
        f"scrape_configs: [{{job_name: {job}, static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}]\n"
    )
    (port,) = free_ports(1)
    command = [name, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--rules.alert.resend-delay=1s"]
    log = folder / "prometheus.log"
    with process(command, log):
        yield log


@contextmanager
def alertmanager(folder: Path, receiver: str) -> Iterator[int]:
    """Run an Alertmanager with one receiver, YAML, that it tells at once; give its port."""
    name = alertmanager_program()
    folder.mkdir()
    config = folder / "alertmanager.yml"
    config.write_text(
        "route: {receiver: correlator, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}\n"
        f"receivers:\n- name: correlator\n{receiver}"
    )
    (port,) = free_ports(1)
    command = [name, f"--config.file={config}", f"--storage.path={folder / 'data'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    with process(command, folder / "alertmanager.log"):
        yield port


class Target:
    """Something to scrape, which can go away and come back."""

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        self._server: http.server.HTTPServer | None = None

    def start(self) -> None:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), _Scraped)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Scraped(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"shop_up 1\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
