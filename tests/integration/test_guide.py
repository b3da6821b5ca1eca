"""docs/ingestion.md: the newcomer's guide works as it is written, command by command."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from correlator.devkafka import Broker, free_ports
from tests.integration import peers
from tests.integration.workers import REPOSITORY
from tests.pager.recorder import Recorder

TEXT = (REPOSITORY / "docs" / "ingestion.md").read_text(encoding="utf-8")
GUIDE = TEXT.partition("## Prometheus → correlator → PagerDuty")[2].partition("\n## ")[0]
FILES = re.findall(r"`([\w.]+\.(?:toml|yml))`:\n\n```\w+\n(.*?)```", GUIDE, re.DOTALL)
SCRIPT = "\n".join(re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL))
KEY = "0123456789abcdef0123456789abcdef"


def test_the_guide_has_the_files_and_commands_that_it_speaks_of() -> None:
    assert [name for name, _ in FILES] == ["correlator.toml", "prometheus.yml", "rules.yml"]
    words = {"check-config", "topics", "worker", "pager", "curl", "promtool", "prometheus", "dump"}
    assert words <= set(SCRIPT.split())


@pytest.mark.long
async def test_the_guide_ends_with_two_pages_at_pagerduty(kafka: Broker, tmp_path: Path) -> None:
    prometheus = peers.prometheus_program()
    peers.program("curl"), peers.program("promtool"), peers.program("bash")
    web, pager_web, scraped, prometheus_web = free_ports(4)
    # A Kafka of its own, since the guide takes the default topics.
    with Broker() as broker:
        async with Recorder() as recorder:
            places = {
                "localhost:9092": broker.bootstrap_servers,
                "localhost:6066": f"localhost:{web}",
                "localhost:8099": f"localhost:{scraped}",
                'name = "pagerduty"\n': f'name = "pagerduty"\nbase_url = "{recorder.url()}"\n',
            }
            for name, text in FILES:
                (tmp_path / name).write_text(placed(text, places))
            ports = f"--set worker.web_port={web} --set pager.web_port={pager_web}"
            programs = tmp_path / "bin"
            programs.mkdir()
            command(programs / "correlator", f'exec {sys.executable} -m correlator "$@" {ports}')
            command(programs / "prometheus", f'exec {prometheus} "$@" --web.listen-address=127.0.0.1:{prometheus_web}')
            environment = {
                **os.environ,
                "PATH": f"{programs}:{os.environ['PATH']}",
                "PYTHONPATH": str(REPOSITORY),
                "PAGERDUTY_ROUTING_KEY": KEY,
            }
            script = "set -euo pipefail\n" + placed(SCRIPT, places)
            running = await asyncio.create_subprocess_exec(
                "bash",
                "-c",
                script,
                cwd=tmp_path,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=(tmp_path / "out").open("wb"),
                stderr=(tmp_path / "errors").open("wb"),
                start_new_session=True,
            )
            try:
                async with asyncio.timeout(240):
                    assert await running.wait() == 0, (tmp_path / "errors").read_text()
                    while not {"DiskFull", "ServiceDown"} <= paged(recorder):
                        await asyncio.sleep(0.05)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(running.pid, signal.SIGKILL)
            assert recorder.breaches == []
            out = (tmp_path / "out").read_text()
            assert "configuration is valid" in out
            assert 'correlator_http_requests_total{format="prometheus",status="200"}' in out


def placed(text: str, places: dict[str, str]) -> str:
    for place, other in places.items():
        text = text.replace(place, other)
    return text


def command(file: Path, line: str) -> None:
    file.write_text(f"#!/bin/sh\n{line}\n")
    file.chmod(0o755)


def paged(recorder: Recorder) -> set[str]:
    """Return which alerts PagerDuty has heard of."""
    triggers = [call.body for call in recorder.taken if call.body["event_action"] == "trigger"]
    return {name for name in ("DiskFull", "ServiceDown") for body in triggers if name in body["payload"]["summary"]}
