"""Who may send: tokens, rates, certificates."""

from __future__ import annotations

import asyncio
import base64
import ssl
from pathlib import Path

import pytest

from correlator.config import Config, load
from correlator.errors import ConfigError
from correlator.secrets import Secrets
from correlator.shell.http import tls
from correlator.shell.http.gate import Rates, Tokens, gate_of
from tests.shell.http.authority import Authority
from tests.shell.http.server import Server, served


def config(**http: object) -> Config:
    return Config.model_validate({"http": http})


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


# -- tokens ------------------------------------------------------------------------------------------------------


async def test_with_a_token_configured_nothing_is_taken_without_it() -> None:
    async with served(config(token_env="TOKEN"), environ={"TOKEN": "s3cret"}) as server:
        for wrong in (None, "", "Bearer", "Bearer s3cre", "Bearer s3cret2", "s3cret", "Basic x", basic("s3cret", "")):
            headers = {} if wrong is None else {"Authorization": wrong}
            status, _, answered = await server.post("/api/v2/alerts", b"[]", headers=headers)
            assert (status, answered["WWW-Authenticate"]) == (401, 'Bearer realm="correlator"')
        for right in ("Bearer s3cret", "bearer  s3cret", basic("anyone", "s3cret")):
            assert (await server.post("/api/v2/alerts", b"[]", headers={"Authorization": right}))[0] == 200
        for path in ("/health", "/ready", "/metrics", "/openapi.json"):
            async with server.session.get(server.url + path) as answer:
                assert answer.status == 200
        assert server.metric("correlator_http_refused_total", reason="no_token") == 8


def test_a_token_file_holds_several_and_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("old\n\n new \n")
    tokens = Tokens(Secrets("http.token", file=file))
    assert tokens.match("Bearer old") and tokens.match("Bearer new")
    replacement = tmp_path / "next"
    replacement.write_text("new\n")
    replacement.replace(file)
    assert not tokens.match("Bearer old")
    assert tokens.match("Bearer new")
    file.unlink()
    assert tokens.match("Bearer new")
    file.write_text("\n")
    assert tokens.match("Bearer new") and not tokens.match("Bearer ")


def test_a_token_that_is_not_there_is_an_error_that_names_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"http.token_env: the environment variable TOKEN is not set"):
        gate_of(config(token_env="TOKEN").http, {"TOKEN": " "}, lambda: 0)
    with pytest.raises(ConfigError, match=r"http.token_file: .*missing"):
        gate_of(config(token_file=str(tmp_path / "missing")).http, {}, lambda: 0)
    (tmp_path / "empty").touch()
    with pytest.raises(ConfigError, match="holds no secret"):
        gate_of(config(token_file=str(tmp_path / "empty")).http, {}, lambda: 0)


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("http.tls_cert_file=a", "tls_cert_file and tls_key_file go together"),
        ("http.tls_client_ca_file=a", "tls_client_ca_file needs"),
        ("worker.max_event_bytes=50000000", "http.max_in_flight_bytes is less than twice worker.max_event_bytes"),
    ],
)
def test_settings_that_contradict_each_other_are_told(setting: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load(None, [setting], {})


# -- rates -------------------------------------------------------------------------------------------------------


def test_each_client_has_its_burst_and_then_its_rate() -> None:
    rates = Rates(10, 5)
    assert [rates.wait("a", 100.0) == 0 for _ in range(6)] == [True] * 5 + [False]
    assert rates.wait("b", 100.0) == 0
    assert rates.wait("a", 100.0) == pytest.approx(0.1)
    # Being refused costs nothing: after the time that was told, it is in.
    assert rates.wait("a", 100.1) == 0
    assert rates.wait("a", 100.1) > 0
    assert [rates.wait("a", 1000.0) == 0 for _ in range(6)] == [True] * 5 + [False]


def test_clients_that_are_remembered_are_bounded() -> None:
    rates = Rates(1, 1)
    for number in range(10_001):
        assert rates.wait(f"client {number}", 0.0) == 0
    assert rates.wait("client 10000", 0.0) > 0
    assert rates.wait("client 0", 0.0) == 0


# -- TLS ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.made(tmp_path_factory.mktemp("authority"))


def client(authority: Authority, certificate: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.cert))
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context


async def status(server: Server, context: ssl.SSLContext, path: str = "/api/v2/alerts") -> int:
    async with server.session.post(server.url + path, data=b"[]", ssl=context) as answer:
        return answer.status


async def test_over_tls_a_client_certificate_of_the_authority_is_needed_to_send(authority: Authority) -> None:
    certificate, key = authority.issue("server", "-addext", "subjectAltName=IP:127.0.0.1")
    settings = config(tls_cert_file=certificate, tls_key_file=key, tls_client_ca_file=authority.cert)
    stranger_folder = authority.folder / "elsewhere"
    stranger_folder.mkdir(exist_ok=True)
    stranger = Authority(stranger_folder).issue("client")
    async with served(settings, tls=tls.context_of(settings.http)) as server:
        assert await status(server, client(authority)) == 403
        assert await status(server, client(authority, authority.issue("client"))) == 200
        with pytest.raises(OSError):
            await status(server, client(authority, stranger))
        async with server.session.get(server.url + "/ready", ssl=client(authority)) as answer:
            assert answer.status == 200


async def test_a_renewed_certificate_is_taken_over_without_a_restart(authority: Authority) -> None:
    def serial(port: int) -> str:
        return ssl.get_server_certificate(("127.0.0.1", port))

    certificate, key = authority.issue("renewed", "-addext", "subjectAltName=IP:127.0.0.1")
    settings = config(tls_cert_file=certificate, tls_key_file=key)
    context = tls.context_of(settings.http)
    assert context is not None
    async with asyncio.timeout(60), served(settings, tls=context) as server:
        port = int(server.url.rpartition(":")[2])
        before = await asyncio.to_thread(serial, port)
        looking = asyncio.create_task(tls.keep_fresh(context, settings.http, look_seconds=0.01))
        try:
            await asyncio.sleep(0)  # it has seen the files as they are
            authority.issue("renewed", "-addext", "subjectAltName=IP:127.0.0.1")
            while await asyncio.to_thread(serial, port) == before:
                await asyncio.sleep(0)
            assert await asyncio.to_thread(serial, port) == certificate.read_text()
        finally:
            looking.cancel()


def test_a_certificate_that_cannot_be_used_is_an_error_that_names_its_key(tmp_path: Path, authority: Authority) -> None:
    certificate, key = authority.issue("other")
    with pytest.raises(ConfigError, match=r"http.tls_cert_file: .*missing.pem"):
        tls.context_of(config(tls_cert_file=tmp_path / "missing.pem", tls_key_file=key).http)
    (tmp_path / "ca.pem").write_text("none")
    with pytest.raises(ConfigError, match=r"http\.tls_client_ca_file"):
        tls.context_of(config(tls_cert_file=certificate, tls_key_file=key, tls_client_ca_file=tmp_path / "ca.pem").http)
