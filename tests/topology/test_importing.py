"""Sources as they are configured: read from where they lie, asked with their own credentials, failing alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pydantic
import pytest
from aiohttp import web

from correlator.config import Config, load, with_sources
from correlator.config_topology import (
    BackstageSource,
    DatadogSource,
    FileSource,
    JaegerSource,
    KeepSource,
    PagerDutySource,
    TopologyConfig,
    ZipkinSource,
)
from correlator.errors import ConfigError, SourceError
from correlator.shell.fetching import HttpGet, headers
from correlator.shell.importing import Import, ask_all
from tests.topology.sources.payloads import edges
from topology.findings import Findings
from topology.importing import read

NOW = 1_700_000_000_000
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve every path by one function, on a free port; return its address."""
    runners: list[web.AppRunner] = []

    async def start(answer: Handler) -> str:
        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


async def get(source: Any, path: str, sleep: Callable[[float], Awaitable[object]] | None = None) -> bytes:
    async def none(seconds: float) -> None:
        pass

    async with aiohttp.ClientSession() as session:
        return await HttpGet(session, source, {}, sleep=sleep or none)(path)


# -- credentials -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "name", "value"),
    [
        (BackstageSource(url="http://x", token_env="T"), "Authorization", "Bearer secret"),
        (PagerDutySource(url="http://x", token_env="T"), "Authorization", "Token token=secret"),
        (KeepSource(url="http://x", token_env="T"), "X-API-KEY", "secret"),
        (DatadogSource(url="http://x", token_env="T"), "DD-API-KEY", "secret"),
        (DatadogSource(url="http://x", application_key_env="T"), "DD-APPLICATION-KEY", "secret"),
        (ZipkinSource(url="http://x", basic_auth_env="T"), "Authorization", "Basic c2VjcmV0"),
        (ZipkinSource(url="http://x", headers={"X-Scope-OrgID": "shop"}), "X-Scope-OrgID", "shop"),
    ],
)
def test_each_source_gets_its_credentials_as_it_wants_them(source: Any, name: str, value: str) -> None:
    assert headers(source, {"T": "secret\n"})[name] == value


def test_a_variable_that_is_not_set_is_the_users_mistake() -> None:
    with pytest.raises(ConfigError, match=r"source shop.*T is not set"):
        headers(BackstageSource(name="shop", url="http://x", token_env="T"), {})


# -- the client --------------------------------------------------------------------------------------------------


async def test_overload_is_waited_out_as_long_as_the_server_asks(serve: Serve) -> None:
    pauses: list[float] = []
    answers = iter([(429, "7"), (503, None), (200, None)])

    async def answer(request: web.Request) -> web.Response:
        status, after = next(answers)
        return web.Response(status=status, text="[]", headers={"Retry-After": after} if after else {})

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    assert await get(ZipkinSource(url=await serve(answer)), "x", sleep) == b"[]"
    assert pauses == [7, 3]


@pytest.mark.parametrize(("status", "asked"), [(401, 1), (404, 1), (500, 1), (302, 1), (503, 4)])
async def test_what_will_not_pass_is_not_asked_again(serve: Serve, status: int, asked: int) -> None:
    requests = []

    async def answer(request: web.Request) -> web.Response:
        requests.append(request.path)
        return web.Response(status=status, text="no\nway", headers={"Location": "/other"})

    with pytest.raises(SourceError, match=f"/api/x: status {status}: no way"):
        await get(ZipkinSource(url=await serve(answer) + "/api/"), "x")
    assert requests == ["/api/x"] * asked


async def test_a_server_that_does_not_end_its_answer_is_left(serve: Serve) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"[")
        await asyncio.Event().wait()
        return response

    with pytest.raises(SourceError):
        await get(ZipkinSource(url=await serve(answer), timeout_seconds=0.2), "x")


async def test_the_secret_is_not_told_when_a_source_fails() -> None:
    source = BackstageSource(url="http://127.0.0.1:1", token_env="T")
    answers = await ask_all([source], {"T": "very-secret"}, NOW)
    assert isinstance(answers["backstage"], SourceError)
    assert "very-secret" not in str(answers["backstage"])


# -- imports -----------------------------------------------------------------------------------------------------

LINKS = b'[{"parent":"web","child":"api","callCount":5}]'


async def test_one_source_that_fails_does_not_fail_the_others(serve: Serve, tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=500) if request.path.startswith("/broken") else web.Response(body=LINKS)

    address = await serve(answer)
    (tmp_path / "topology.yaml").write_text("services: [{name: web, owner: shop}]\ndependencies: []\n")
    config = TopologyConfig(
        sources=(
            ZipkinSource(url=address),
            JaegerSource(url=f"{address}/broken"),
            FileSource(path=tmp_path / "topology.yaml"),
            BackstageSource(path=tmp_path / "missing.yaml"),
        )
    )
    run = Import(config, {})
    answers = await run.run(NOW)
    assert [isinstance(answer, Findings) for answer in answers.values()] == [True, False, True, False]
    merged = run.merged()
    assert [(service.name, service.owner) for service in merged.document.services] == [("api", None), ("web", "shop")]
    assert merged.provenance[0].observed_by == ("zipkin",)


async def test_what_was_seen_is_remembered_from_one_import_to_the_next(tmp_path: Path) -> None:
    links = tmp_path / "links.json"
    config = TopologyConfig(sources=(ZipkinSource(path=links),), memory=tmp_path / "memory.json")

    async def imported(now: int) -> set[str]:
        run = Import(config, {})
        run.remember()
        await run.run(now)
        run.save()
        return edges(run.ledger.findings()["zipkin"])

    links.write_bytes(LINKS)
    assert await imported(NOW) == {"web -> api"}
    links.write_bytes(LINKS.replace(b"api", b"db"))
    assert await imported(NOW + 1) == {"web -> api", "web -> db"}
    assert await imported(NOW + 8 * 86_400_000) == {"web -> db"}
    links.unlink()
    assert await imported(NOW + 30 * 86_400_000) == {"web -> db"}
    (tmp_path / "memory.json").write_bytes(b"damaged")
    with pytest.raises(ConfigError, match="memory"):
        Import(config, {}).remember()


def test_a_folder_of_catalogs_is_read_whole(tmp_path: Path) -> None:
    for number in (1, 2):
        folder = tmp_path / f"repository-{number}"
        folder.mkdir()
        entity = {"kind": "Component", "metadata": {"name": f"s{number}"}, "spec": {"dependsOn": ["component:s1"]}}
        (folder / "catalog-info.yaml").write_text(json.dumps(entity))
    found = read(BackstageSource(path=tmp_path), tmp_path)
    assert edges(found) == {"s2 -> s1 (depends_on)"} and len(found.services) == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"no catalog-info\.yaml"):
        read(BackstageSource(path=tmp_path / "empty"), tmp_path / "empty")


# -- configuration -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[topology.sources]]\ntype = "jaeger"', ["topology.sources.0", "either url or path"]),
        ('[[topology.sources]]\ntype = "prometheus"\npath = "x"', ["needs url"]),
        ('[[topology.sources]]\ntype = "kiali"\nurl = "http://x"', ["namespaces"]),
        ('[[topology.sources]]\ntype = "otlp"', ["either topic or path"]),
        ('[[topology.sources]]\ntype = "zipkin"\nurl = "ftp://x"', ["url"]),
        ('[[topology.sources]]\ntype = "zipkin"\nurl = "http://x"\ntoken = "secret"', ["token: unknown key"]),
        ('[[topology.sources]]\ntype = "zipkin"\npath = "x"\n' * 2, ["same name"]),
        ("[topology]\nrefresh_interval_seconds = 60", ["no sources"]),
    ],
)
def test_a_source_that_cannot_be_asked_is_refused_by_its_key(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "c.toml", environ={})
    for word in words:
        assert word in str(caught.value)


def test_sources_of_the_command_line_stand_behind_those_of_the_file() -> None:
    config = Config(topology=TopologyConfig(sources=(ZipkinSource(path=Path("x")),)))
    written = {"type": "kiali", "url": "http://k", "namespaces": '["a", "b"]', "window_seconds": "600"}
    added = with_sources(config, [written]).topology.sources
    assert [source.label for source in added] == ["zipkin", "kiali"]
    assert added[1].model_dump()["namespaces"] == ("a", "b")
    with pytest.raises(ConfigError, match=r"--source: sources\.1"):
        with_sources(config, [{"type": "kiali", "url": "nowhere"}])


def test_settings_do_not_change() -> None:
    with pytest.raises(pydantic.ValidationError):
        ZipkinSource(path=Path("x")).path = Path("y")
