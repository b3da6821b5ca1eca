"""The description of the interface is right, and the interface keeps to it whatever is sent."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from correlator.config import Config
from correlator.formats.table import FORMATS
from correlator.shell.http.endpoints import endpoints_of
from correlator.shell.http.openapi import document
from tests.shell.http.server import served

DESCRIPTION = document(endpoints_of(FORMATS), Config().http)
NASTY = (
    b"",
    b" ",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf[]",
    b"null",
    b"[" * 100_000,
    b'{"a":' * 10_000,
    b"[[[[[[[[[]]]]]]]]]",
    b'{"labels": {"alertname": "\\ud800"}}',
    b"1e999",
    json.dumps([{"labels": {"alertname": "x"}, "startsAt": "99999-01-01T00:00:00Z"}]).encode(),
    json.dumps({"routing_key": "k", "event_action": "trigger", "dedup_key": {"a": 1}}).encode(),
)


def test_every_endpoint_is_described_with_its_shape_and_every_schema_is_one() -> None:
    names = {one.name for one in FORMATS}
    clones = {"/api/v2/alerts", "/v2/enqueue", "/v2/change/enqueue", "/webhooks/"}
    feedback = {"/feedback", "/feedback/pagerduty"}
    assert set(DESCRIPTION["paths"]) == feedback | clones | {f"/webhooks/{name}" for name in names}
    for schema in DESCRIPTION["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    body = DESCRIPTION["paths"]["/api/v2/alerts"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    shape = DESCRIPTION["components"]["schemas"][body["items"]["$ref"].rpartition("/")[2]]
    assert shape["required"] == ["labels"]


def test_the_documentation_lists_every_path_and_every_answer() -> None:
    text = (Path(__file__).parents[3] / "docs" / "ingestion.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `POST (/[\w/<>]+)` \|", text, re.MULTILINE))
    described = {re.sub(r"^/webhooks/.+", "/webhooks/<format>", path) for path in DESCRIPTION["paths"]}
    assert listed == described
    rows = re.findall(r"^\| ([\d, ]+) \| ", text, re.MULTILINE)
    statuses = {status for row in rows for status in row.split(", ")}
    answered = {status for path in DESCRIPTION["paths"].values() for status in path["post"]["responses"]}
    # Of what has no path or is no POST, OpenAPI does not tell.
    assert statuses == answered | {"404", "405"}


def test_what_a_sender_must_show_is_described() -> None:
    config = Config.model_validate(
        {"http": {"token_env": "T", "tls_cert_file": "c", "tls_key_file": "k", "tls_client_ca_file": "a"}}
    )
    described = document(endpoints_of(FORMATS), config.http)
    assert described["security"] == [{"token": [], "certificate": []}]
    assert set(described["components"]["securitySchemes"]) == {"token", "certificate"}
    assert DESCRIPTION["security"] == []


@contextmanager
def running() -> Iterator[str]:
    """Serve from a thread, since the fuzzer is not asynchronous."""
    started: list[str] = []
    ready, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        config = Config.model_validate({"http": {"client_requests_per_second": 0, "body_timeout_seconds": 1}})
        async with served(config) as server:
            started.append(server.url)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running() as address:
        yield address


CHECKS = (
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
)
#: The same examples at every run: what fails here fails anywhere.
BOUNDED = settings(
    max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


#: What is behind the paths of webhooks differs in the parser alone, which `tests/formats` tries with anything.
CASES = [(path, GenerationMode.POSITIVE) for path in sorted(DESCRIPTION["paths"])]
CASES += [
    (path, GenerationMode.NEGATIVE) for path in ("/api/v2/alerts", "/v2/enqueue", "/v2/change/enqueue", "/webhooks/")
]


@pytest.fixture(scope="module")
def described(url: str) -> Any:
    return schemathesis.openapi.from_url(f"{url}/openapi.json")


@pytest.mark.parametrize(("path", "mode"), CASES)
def test_whatever_is_sent_the_answer_is_one_that_is_described(path: str, mode: GenerationMode, described: Any) -> None:
    operation = described[path]["POST"]
    statuses: set[int] = set()

    @BOUNDED
    @given(case=operation.as_strategy(generation_mode=mode))
    def post(case: Any) -> None:
        response = case.call()
        statuses.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    post()
    assert statuses


def test_bytes_of_any_kind_get_an_answer_that_is_described(url: str) -> None:
    async def all_of() -> None:
        async with aiohttp.ClientSession() as session:
            for path in DESCRIPTION["paths"]:
                described = DESCRIPTION["paths"][path]["post"]["responses"]
                for data in NASTY:
                    async with session.post(url + path, data=data) as answer:
                        assert answer.status < 500 and str(answer.status) in described, (path, data[:40])

    asyncio.run(all_of())
