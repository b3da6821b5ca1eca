"""A worker, a pager and the commands on a Kafka that lets nobody in without credentials."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from correlator.config import Config
from correlator.devkafka import Broker, Listener, free_ports
from correlator.errors import CorrelatorError
from correlator.shell.topics import verify
from tests.integration.certificates import Authority
from tests.integration.secured import secured_broker, unsigned_token
from tests.integration.workers import REPOSITORY, World, storm, wait_for

PASSWORD = "a-password-that-nobody-logs"
CLIENT_SECRET = "a-client-secret-that-nobody-logs"


@dataclass(frozen=True)
class Secured:
    broker: Broker
    authority: Authority
    folder: Path
    token_url: str

    def kafka(self, mode: str) -> tuple[str, dict[str, Any]]:
        """Return the bootstrap servers of a way to be let in, and what the configuration says of it."""
        tls = {"ca_file": str(self.authority.certificate)}
        oauth = {"sasl_mechanism": "OAUTHBEARER", "security_protocol": "SASL_SSL", **tls}
        if mode == "certificate":
            identity = self.authority.issue("client")
            files = {"cert_file": str(identity.certificate), "key_file": str(identity.key)}
            return self.broker.address(Listener.SSL), {"security_protocol": "SSL", **tls, **files}
        address = self.broker.address(Listener.SASL_SSL)
        if mode == "oauth-file":
            return address, {**oauth, "oauth_token_file": str(self._file("token", unsigned_token()))}
        if mode == "oauth-server":
            file = str(self._file("client-secret", CLIENT_SECRET))
            identity_there = {"oauth_client_id": "alice", "oauth_client_secret_file": file}
            return address, {**oauth, "oauth_token_url": self.token_url, **identity_there}
        password = str(self._file("password", PASSWORD))
        return address, {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": "alice",
            "sasl_password_file": password,
            **tls,
        }

    def _file(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.write_text(text + "\n")
        return file


class AuthorizationServer(BaseHTTPRequestHandler):
    """Gives tokens to who knows the secret."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        login = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
        known = login == f"alice:{CLIENT_SECRET}"
        answer = {"access_token": unsigned_token(), "expires_in": 600} if known else {"error": "invalid_client"}
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    authority = Authority(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), AuthorizationServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with secured_broker(authority, password=PASSWORD) as broker:
        yield Secured(broker, authority, folder, f"http://127.0.0.1:{server.server_port}/token")
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "mode", ["scram", *(pytest.param(mode, marks=pytest.mark.long) for mode in ("certificate", "oauth-server"))]
)
def test_every_client_is_let_in_and_no_secret_is_logged(secured: Secured, tmp_path: Path, mode: str) -> None:
    address, kafka = secured.kafka(mode)
    world = World(address, tmp_path, kafka=kafka | {"pager_state_topic": f"pager-{mode}"}, model="none")
    (port,) = free_ports(1)
    with world.file.open("a") as file:
        file.write(f'\n[pager]\ngroup_id = "{mode}"\nweb_port = {port}\n[[pager.targets]]\n')
        file.write('type = "console"\nname = "console"\n')
    told, pager_log = tmp_path / "told", tmp_path / "pager.log"
    with told.open("wb") as out, pager_log.open("wb") as log:
        pager = subprocess.Popen(
            [sys.executable, "-m", "correlator", "pager", "--config", str(world.file)],
            cwd=REPOSITORY,
            stdout=out,
            stderr=log,
        )
    try:
        world.start()
        lines = list(storm(faults=1))
        world.play(lines)
        wait_for(lambda: "resolved" in told.read_text().lower(), "the pager tells of the end", seconds=90)
        dumped = world.dump(world.config.kafka.incidents_topic)
    finally:
        pager.terminate()
        pager.wait(timeout=30)
        world.close()
    assert len(dumped) == len(world.expected(lines))
    said = world.log.read_text() + pager_log.read_text() + told.read_text()
    assert "worker started" in said and "pager started" in said
    for secret in (PASSWORD, CLIENT_SECRET, base64.b64encode(f"alice:{CLIENT_SECRET}".encode()).decode(), "eyJ"):
        assert secret not in said


async def test_a_token_in_a_file_opens_too(secured: Secured, tmp_path: Path) -> None:
    assert await verify(configured(secured, "oauth-file"), create=False)


REFUSED = [
    ("scram", {"sasl_password_file": None, "sasl_password": "wrong-one"}, "user 'alice' or the password is refused"),
    ("oauth-file", {"oauth_token_file": "/none"}, "no token: /none"),
    ("oauth-server", {"oauth_client_id": "mallory"}, "answers 401, invalid_client for client 'mallory'"),
    ("scram", {"ca_file": None}, "TLS fails: the broker's certificate cannot be verified"),
    ("certificate", {"cert_file": None, "key_file": None}, "it may want another certificate (kafka.cert_file)"),
    ("scram", {"security_protocol": "SASL_PLAINTEXT"}, "the broker closes the connection: it may want TLS"),
]


@pytest.mark.parametrize(("mode", "change", "why"), REFUSED)
async def test_who_is_not_let_in_is_told_why(
    secured: Secured, caplog: pytest.LogCaptureFixture, mode: str, change: dict[str, Any], why: str
) -> None:
    with pytest.raises(CorrelatorError) as refused:
        await verify(configured(secured, mode, **change), create=False)
    assert why in str(refused.value)
    assert "wrong-one" not in str(refused.value) + caplog.text


def configured(secured: Secured, mode: str, **change: Any) -> Config:
    address, kafka = secured.kafka(mode)
    return Config.model_validate({"kafka": {"bootstrap_servers": address} | kafka | change})
