"""What we give other systems to run: Zabbix's script in a JavaScript engine, Nagios' and Checkmk's in a process."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml

from correlator.domain import Severity, Status
from tests.formats.examples import AT, alert
from tests.formats.vendor_examples import VENDORS

TEMPLATES = Path(__file__).parents[2] / "deploy" / "templates"
START = AT - 30_000


# -- Zabbix ----------------------------------------------------------------------------------------------------------

#: What Zabbix gives a script, and what the script does with it.
_NODE = """
const [script, params, status] = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const sent = {headers: []};
class HttpRequest {
  addHeader(header) { sent.headers.push(header); }
  setProxy(proxy) { sent.proxy = proxy; }
  post(url, body) { sent.url = url; sent.body = body; return 'answer'; }
  getStatus() { return status; }
}
try {
  sent.returned = new Function('value', 'HttpRequest', script)(JSON.stringify(params), HttpRequest);
} catch (error) {
  sent.thrown = String(error);
}
console.log(JSON.stringify(sent));
"""


def media_type() -> dict[str, Any]:
    (found,) = yaml.safe_load((TEMPLATES / "zabbix-media-type.yaml").read_text())["zabbix_export"]["media_types"]
    assert isinstance(found, dict)
    return found


def zabbix(
    macros: Mapping[str, str] = MappingProxyType({}), *, zone: str = "Europe/Berlin", status: int = 202
) -> dict[str, Any]:
    """Run the script as Zabbix would, its macros resolved as given; others are left as they stand."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Zabbix's script needs a JavaScript engine: no `node` on the path")
    values = {"EVENT.SOURCE": "0", "EVENT.ID": "10528", "EVENT.VALUE": "1", "EVENT.UPDATE.STATUS": "0",
              "EVENT.NSEVERITY": "4", "EVENT.NAME": 'Disk "/" is full', "EVENT.DATE": "2026.11.23",
              "EVENT.TIME": "04:40:00", "EVENT.TAGSJSON": '[{"tag":"service","value":"db"}]', "TRIGGER.ID": "14032",
              "HOST.HOST": "db-1", "$CORRELATOR.URL": "http://c/webhooks/zabbix", **macros}  # fmt: skip
    params = {
        one["name"]: re.sub(r"\{([^{}]+)\}", lambda match: values.get(match[1], match[0]), one.get("value", ""))
        for one in media_type()["parameters"]
    }
    done = subprocess.run(
        [node, "-e", _NODE], input=json.dumps([media_type()["script"], params, status]), text=True, check=True,
        capture_output=True, timeout=60, env={**os.environ, "TZ": zone},
    )  # fmt: skip
    sent: dict[str, Any] = json.loads(done.stdout)
    return sent


def test_zabbixs_script_sends_a_problem_with_the_instant_of_the_servers_zone() -> None:
    sent = zabbix()
    assert (sent["url"], sent["returned"], sent["headers"]) == (
        "http://c/webhooks/zabbix", "OK", ["Content-Type: application/json"],
    )  # fmt: skip
    one = alert(json.loads(sent["body"]))
    assert (one.status, one.name, one.service, one.entity) == (Status.FIRING, 'Disk "/" is full', "db", "db-1")
    assert (one.severity, one.starts_at, one.instance) == (Severity.ERROR, START, "10528")


@pytest.mark.parametrize(
    ("zone", "date", "time"),
    [
        ("UTC", "2026.11.23", "03:40:00"),
        ("America/New_York", "2026.11.22", "22:40:00"),
        ("Asia/Kolkata", "2026.11.23", "09:10:00"),
    ],
)
def test_whatever_the_zone_it_is_the_same_instant(zone: str, date: str, time: str) -> None:
    sent = zabbix({"EVENT.DATE": date, "EVENT.TIME": time}, zone=zone)
    assert alert(json.loads(sent["body"])).starts_at == START


def test_a_date_of_summer_is_read_by_the_clock_of_summer() -> None:
    sent = zabbix({"EVENT.DATE": "2026.07.01", "EVENT.TIME": "02:00:00"})
    assert alert(json.loads(sent["body"])).starts_at == 1_782_864_000_000


def test_zabbixs_script_sends_a_recovery_of_the_same_problem() -> None:
    recovered = {"EVENT.VALUE": "0", "EVENT.RECOVERY.DATE": "2026.11.23", "EVENT.RECOVERY.TIME": "04:40:10"}
    one = alert(json.loads(zabbix(recovered)["body"]))
    assert (one.status, one.starts_at, one.ends_at) == (Status.RESOLVED, START, AT - 20_000)
    assert one.fingerprint == alert(json.loads(zabbix()["body"])).fingerprint


def test_zabbixs_token_is_a_header_and_never_in_the_body() -> None:
    sent = zabbix({"$CORRELATOR.TOKEN": "s3cret"})
    assert "Authorization: Bearer s3cret" in sent["headers"]
    assert "s3cret" not in sent["body"]


def test_zabbix_is_told_to_try_again_and_what_is_not_set() -> None:
    assert zabbix(status=503)["thrown"] == "the correlator answered 503: answer"
    assert "CORRELATOR.URL" in zabbix({"$CORRELATOR.URL": "{$CORRELATOR.URL}"})["thrown"]
    assert "triggers" in zabbix({"EVENT.SOURCE": "3"})["thrown"]


# -- Nagios ----------------------------------------------------------------------------------------------------------


@contextmanager
def receiver(*statuses: int) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Answer requests with these, in turn; yield the address and what came."""
    got: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(statuses[min(len(got), len(statuses)) - 1])
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/webhooks/nagios", got
        finally:
            server.shutdown()
            thread.join()


def notify(url: str, *options: str, command: str = "service", **macros: str) -> subprocess.CompletedProcess[str]:
    """Run the command of our configuration as Nagios would: by a shell, its macros replaced."""
    text = (TEMPLATES / "nagios-notify.cfg").read_text()
    match = re.search(rf"notify-{command}-by-correlator\s+command_line\s+(.*)", text)
    assert match is not None
    line = match[1].replace("$USER1$/nagios-notify.py", f"{sys.executable} {TEMPLATES / 'nagios-notify.py'}")
    line = re.sub(r"--url \S+", " ".join(["--url", url, "--pause", "0", *options]), line)
    values = {"NOTIFICATIONTYPE": "PROBLEM", "HOSTNAME": "web1", "HOSTSTATE": "UP", "SERVICEDESC": "HTTP",
              "SERVICESTATE": "CRITICAL", "SERVICESTATETYPE": "HARD", "LASTSERVICESTATECHANGE": "1795405200",
              "SERVICEOUTPUT": "HTTP CRITICAL - a=b; timeout", **macros}  # fmt: skip
    line = re.sub(r"\$([A-Z0-9]+)\$", lambda found: values.get(found[1], ""), line)
    return subprocess.run(line, shell=True, text=True, capture_output=True, timeout=60)


def test_nagios_command_tells_of_a_service() -> None:
    with receiver(200) as (url, got):
        assert notify(url).returncode == 0
    ((headers, body),) = got
    one = alert(json.loads(body))
    assert headers["Content-Type"] == "application/json"
    assert (one.name, one.entity, one.severity, one.starts_at) == ("HTTP", "web1", Severity.CRITICAL, START)
    assert one.summary == "HTTP CRITICAL - a=b; timeout"


def test_nagios_command_tells_of_a_host() -> None:
    with receiver(202) as (url, got):
        notify(url, command="host", HOSTSTATE="DOWN", LASTHOSTSTATECHANGE="1795405200", HOSTOUTPUT="no answer")
    one = alert(json.loads(got[0][1]))
    assert (one.name, one.severity, one.starts_at, one.summary) == ("host down", Severity.CRITICAL, START, "no answer")


def test_nagios_command_tries_again_while_the_correlator_is_not_well() -> None:
    with receiver(503, 503, 200) as (url, got):
        assert notify(url).returncode == 0
    assert len(got) == 3
    with receiver(400) as (url, got):
        done = notify(url)
    assert (done.returncode, len(got)) == (1, 1)
    assert "400" in done.stderr


def test_nagios_command_reads_its_token_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    with receiver(200) as (url, got):
        notify(url, "--token-file", str(tmp_path / "token"))
    assert got[0][0]["Authorization"] == "Bearer s3cret"


# -- Checkmk ---------------------------------------------------------------------------------------------------------


def run_checkmk(url: str, token_file: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script as Checkmk would: without arguments, what it has to tell in the environment."""
    told = {**VENDORS["checkmk"], "NOTIFY_CONTACTEMAIL": "someone@shop.example", "NOTIFY_PARAMETER_1": url}
    environment = {**told, "NOTIFY_PARAMETER_2": token_file, **variables}
    script = [sys.executable, str(TEMPLATES / "checkmk-notify.py")]
    return subprocess.run(script, env=environment, text=True, capture_output=True, timeout=60)


def test_checkmk_script_tells_what_the_format_reads_and_no_contact(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    with receiver(200) as (url, got):
        assert run_checkmk(url, str(tmp_path / "token")).returncode == 0
    ((headers, body),) = got
    assert headers["Authorization"] == "Bearer s3cret"
    assert alert(json.loads(body)) == alert(VENDORS["checkmk"])
    assert b"someone@shop.example" not in body


@pytest.mark.parametrize(("status", "code"), [(202, 0), (503, 1), (429, 1), (400, 2)])
def test_checkmk_script_says_whether_to_try_again(status: int, code: int) -> None:
    with receiver(status) as (url, _):
        done = run_checkmk(url)
    assert done.returncode == code
    assert (str(status) in done.stderr) is (code != 0)


def test_checkmk_script_without_an_address_says_so() -> None:
    done = run_checkmk("")
    assert (done.returncode, "no address" in done.stderr) == (2, True)
