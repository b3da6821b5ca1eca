"""What a post becomes, and what its sender hears."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from correlator.config import Config
from correlator.formats.format import Format, Headers
from correlator.formats.table import FORMATS
from correlator.shell.http.post import Passed
from correlator.shell.ingest import Message, Reader
from tests.formats.examples import EXAMPLES
from tests.shell.http.server import NOW, Sent, served
from topology.graph import ServiceGraph

PAYLOADS = Path(__file__).parents[2] / "formats" / "payloads"
ALERT = {"labels": {"alertname": "Down", "service": "db"}, "startsAt": "2026-11-24T10:00:00Z"}
TRIGGER = {
    "routing_key": "k",
    "event_action": "trigger",
    "payload": {"summary": "db is down", "severity": "critical", "source": "db"},
}
CHANGE = {"routing_key": "k", "payload": {"summary": "db 2.1", "source": "ci"}}


def payload(name: str) -> bytes:
    return (PAYLOADS / name).read_bytes()


# -- one record a post -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["firing", "resolved"])
async def test_what_prometheus_posts_is_one_record_of_its_bytes_and_an_empty_answer(name: str) -> None:
    data = payload(f"prometheus_post_api_v2_alerts_{name}.json")
    async with served() as server:
        status, body, _ = await server.post("/api/v2/alerts", data)
        assert (status, body) == (200, None)
        assert server.sent == [Sent(data, b"127.0.0.1", {"format": "prometheus"}, NOW)]
        assert server.metric("correlator_http_requests_total", format="prometheus", status="200") == 1
        assert server.metric("correlator_http_request_bytes_total", format="prometheus") == len(data)
        assert server.metric("correlator_http_request_seconds_count") == 1


async def test_a_webhook_of_a_named_format_is_one_record_that_names_it() -> None:
    data = payload("alertmanager_webhook_v4_firing.json")
    async with served() as server:
        status, body, _ = await server.post("/webhooks/alertmanager", data)
        assert status == 200
        assert body == {"status": "success", "events": len(json.loads(data)["alerts"]), "notices": 0}
        assert [(one.value, one.headers) for one in server.sent] == [(data, {"format": "alertmanager"})]


@pytest.mark.parametrize("path", ["/webhooks/", "/webhooks"])
async def test_without_a_name_the_format_is_recognised_and_counted(path: str) -> None:
    async with served() as server:
        assert (await server.post(path, payload("alertmanager_webhook_v4_firing.json")))[0] == 200
        assert (await server.post(path, json=TRIGGER))[0] == 200
        assert [one.headers for one in server.sent] == [{}, {}]
        assert server.metric("correlator_http_requests_total", format="alertmanager", status="200") == 1
        assert server.metric("correlator_http_requests_total", format="pagerduty", status="200") == 1


async def test_a_cloudevent_of_http_keeps_the_headers_that_tell_it_and_no_others() -> None:
    headers = {"ce-id": "1", "ce-source": "/eu", "ce-specversion": "1.0", "ce-type": "t", "Content-Type": "text/plain"}
    secret = {"Cookie": "s", "X-Api-Key": "s", "type": "tick"}
    structured = {"specversion": "1.0", "id": "2", "source": "/eu", "type": "t", "data": ALERT}
    batch = {"Content-Type": "application/cloudevents-batch+json"}
    async with served() as server:
        assert (await server.post("/webhooks/", json.dumps(ALERT), headers=headers | secret))[0] == 200
        assert (await server.post("/webhooks/", json.dumps([structured]), headers=batch))[0] == 200
        assert (await server.post("/webhooks/cloudevents", json.dumps(ALERT), headers=headers))[0] == 200
        first, second, third = server.sent
        assert first.headers == {name: text for name, text in headers.items() if name.startswith("ce-")}
        assert second.headers == {"content-type": "application/cloudevents-batch+json"}
        assert third.headers == {**first.headers, "format": "cloudevents"}


async def test_a_header_that_a_format_of_the_user_is_told_by_goes_along() -> None:
    own: Any = {"name": "acme", "when": {"header:X-Acme-Kind": "alarm"}, "paths": {"name": "title"}}
    async with served(Config(formats=(own,))) as server:
        assert (await server.post("/webhooks/", json={"title": "x"}, headers={"X-Acme-Kind": "alarm"}))[0] == 200
        assert (await server.post("/webhooks/acme", json={"title": "x"}))[0] == 200
        assert [one.headers for one in server.sent] == [{"x-acme-kind": "alarm"}, {"format": "acme"}]


def test_a_content_type_that_a_format_is_told_by_goes_along_and_no_other() -> None:
    def claims(headers: Headers) -> bool:
        return headers.get("content-type") == "application/x-protobuf"

    binary = Format(name="b", recognises=lambda document, headers: False, read=lambda payload: [], claims=claims)
    passed = Passed([binary], [])
    assert passed.of({"content-type": "application/x-protobuf"}) == {"content-type": "application/x-protobuf"}
    assert passed.of({"content-type": "application/json", "authorization": "s"}) == {}
    assert passed.of({"sentry-hook-resource": "issue"}) == {"sentry-hook-resource": "issue"}


@pytest.mark.parametrize("path", ["/api/v2/alerts", "/webhooks/prometheus"])
async def test_a_post_that_tells_nothing_is_taken_and_no_record(path: str) -> None:
    async with served() as server:
        assert (await server.post(path, b" [] "))[0] == 200
        assert server.sent == []


@pytest.mark.parametrize("name", EXAMPLES)
async def test_ingest_finds_in_the_record_what_the_sender_was_told_of(name: str) -> None:
    reader = Reader(Config(), ServiceGraph.empty(), now=lambda: NOW)
    async with served() as server:
        for path in (f"/webhooks/{name}", "/webhooks/"):
            status, body, _ = await server.post(path, json=EXAMPLES[name])
            assert status == 200
            sent = server.sent.pop()
            headers = {key: text.encode() for key, text in sent.headers.items()}
            message = Message(topic="a", partition=0, offset=0, timestamp=sent.at, value=sent.value, headers=headers)
            reading = reader.read(message)
            assert sum(map(len, reading.scopes.values())) == body["events"] > 0
            assert (reading.refused, reading.formats[0]) == ([], name)


async def test_every_format_of_the_table_has_its_path() -> None:
    async with served() as server:
        for one in FORMATS:
            status, body, _ = await server.post(f"/webhooks/{one.name}", json={})
            assert (status, body["status"]) == (400, "error")
        status, body, _ = await server.post("/webhooks/nagiosxi", json={})
        assert status == 404
        assert "alertmanager" in body["detail"]
        assert server.sent == []


# -- what is wrong, and where ------------------------------------------------------------------------------------

WRONG = [
    ("/api/v2/alerts", b"", "the body is empty"),
    ("/api/v2/alerts", b"{", "truncated"),
    ("/api/v2/alerts", json.dumps(ALERT).encode(), "expected array"),
    ("/api/v2/alerts", b'[{"labels": []}]', "[0]: labels: expected object, got array"),
    ("/webhooks/alertmanager", b'{"alerts": [{"status": "firing"}]}', "alerts[0]: missing required field `labels`"),
    ("/webhooks/alertmanager", b'{"alert": []}', "missing required field `alerts`"),
    ("/webhooks/", b'{"hello": "world"}', "of no known format"),
    ("/webhooks/", b"\xff", ""),
    ("/v2/enqueue", b"[]", "expected object"),
    ("/v2/enqueue", b"7", "expected object"),
    ("/v2/enqueue", json.dumps({**TRIGGER, "event_action": "fire"}).encode(), "event_action: 'fire' is none of"),
    ("/v2/change/enqueue", b'{"routing_key": "k"}', "missing required field `payload`"),
]


@pytest.mark.parametrize(("path", "data", "told"), WRONG)
async def test_a_wrong_body_gets_a_400_that_says_what_and_where(path: str, data: bytes, told: str) -> None:
    async with served() as server:
        status, body, _ = await server.post(path, data)
        assert status == 400
        assert told in json.dumps(body).replace("\\", "")
        assert server.sent == []


async def test_unknown_fields_are_never_wrong() -> None:
    async with served() as server:
        assert (await server.post("/api/v2/alerts", json=[{**ALERT, "new": {"a": [1]}}]))[0] == 200
        assert (await server.post("/v2/enqueue", json={**TRIGGER, "images": [], "new": 1}))[0] == 202
        assert len(server.sent) == 2


async def test_the_good_part_of_a_post_is_taken_and_its_sender_hears_of_the_bad_one() -> None:
    data = json.dumps([ALERT, {"labels": 7}]).encode()
    group = {"version": "4", "groupKey": "g", "alerts": [{**ALERT, "status": "firing"}, {"status": "firing"}]}
    async with served() as server:
        # As Alertmanager does: what is good is in, and the answer is 400.
        status, body, _ = await server.post("/api/v2/alerts", data)
        assert (status, body) == (400, "[1]: labels: expected object, got integer")
        status, body, _ = await server.post("/webhooks/alertmanager", json=group)
        assert status == 200
        assert (body["events"], body["refused"]) == (1, ["alerts[1]: missing required field `labels`"])
        assert [one.value for one in server.sent] == [data, json.dumps(group).encode()]
        assert server.metric("correlator_http_refused_total", reason="wrong_type") == 1


# -- PagerDuty's answers -----------------------------------------------------------------------------------------


async def test_pagerduty_s_senders_hear_what_they_know() -> None:
    async with served() as server:
        status, body, _ = await server.post("/v2/enqueue", json={**TRIGGER, "dedup_key": "db/down"})
        assert (status, body) == (202, {"status": "success", "message": "Event processed", "dedup_key": "db/down"})
        status, body, _ = await server.post("/v2/change/enqueue", json=CHANGE)
        assert (status, body) == (202, {"status": "success", "message": "Change event processed"})
        status, body, _ = await server.post("/v2/enqueue", json={"routing_key": "k"})
        assert (status, body["status"], body["message"]) == (400, "invalid event", "Event object is invalid")
        assert body["errors"] == ["missing required field `event_action`"]
        assert [one.headers["format"] for one in server.sent] == ["pagerduty", "pagerduty-change"]


async def test_a_trigger_without_a_key_gets_one_by_which_it_can_be_resolved() -> None:
    async with served() as server:
        _, body, _ = await server.post("/v2/enqueue", json=TRIGGER)
        assert body["dedup_key"] == "key-1"
        assert json.loads(server.sent[0].value) == {**TRIGGER, "dedup_key": "key-1"}
        acknowledged = {"routing_key": "k", "event_action": "acknowledge", "dedup_key": "key-1"}
        assert (await server.post("/v2/enqueue", json=acknowledged))[0] == 202


# -- gzip and sizes ----------------------------------------------------------------------------------------------

GZIP = {"Content-Encoding": "gzip"}
SMALL = Config.model_validate({"worker": {"max_event_bytes": 20_000}, "http": {"max_in_flight_bytes": 1 << 20}})


async def test_a_gzip_body_becomes_the_same_record_in_whatever_pieces_it_comes() -> None:
    data = payload("prometheus_post_api_v2_alerts_firing.json")
    members = gzip.compress(data[:100], mtime=0) + gzip.compress(data[100:])

    async def pieces() -> Any:
        for start in range(0, len(members), 7):
            yield members[start : start + 7]

    async with served() as server:
        assert (await server.post("/api/v2/alerts", gzip.compress(data, mtime=0), headers=GZIP))[0] == 200
        assert (await server.post("/api/v2/alerts", pieces(), headers=GZIP))[0] == 200
        assert [one.value for one in server.sent] == [data, data]


async def test_what_is_too_large_is_refused_before_it_is_in_memory() -> None:
    bomb = gzip.compress(b"[" + b" " * 10_000_000 + b"]", mtime=0)
    assert len(bomb) < 20_000

    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 1000

    async with served(SMALL) as server:
        for data, headers in ((b" " * 20_001, {}), (endless(), {}), (bomb, GZIP)):
            status, body, _ = await server.post("/api/v2/alerts", data, headers=headers)
            assert status == 413
            assert "20000" in body
        assert (await server.post("/api/v2/alerts", b"[" + b" " * 19_998 + b"]"))[0] == 200
        assert server.metric("correlator_http_refused_total", reason="too_large") == 3


@pytest.mark.parametrize("data", [b"no gzip", gzip.compress(b"[]", mtime=0)[:-4], b"", zlib.compress(b"[]")])
async def test_what_is_no_whole_gzip_is_a_400(data: bytes) -> None:
    async with served() as server:
        assert (await server.post("/api/v2/alerts", data, headers=GZIP))[0] == 400


async def test_another_encoding_is_a_415_that_says_which_there_is() -> None:
    async with served() as server:
        status, _, headers = await server.post("/webhooks/", b"x", headers={"Content-Encoding": "br"})
        assert (status, headers["Accept-Encoding"]) == (415, "gzip")


async def test_a_body_that_does_not_come_is_given_up() -> None:
    config = Config.model_validate({"http": {"body_timeout_seconds": 0.05}})
    never = asyncio.Event()

    async def stalls() -> Any:
        yield b"["
        await never.wait()

    async with served(config) as server:
        status, _, _ = await server.post("/api/v2/alerts", stalls())
        assert status == 408


# -- what is to be sent again ------------------------------------------------------------------------------------


async def test_while_kafka_is_away_the_answer_is_503_and_when_to_try_again() -> None:
    async with served() as server:
        server.outbox.is_away = True
        for path, document in (("/api/v2/alerts", [ALERT]), ("/webhooks/", ALERT), ("/v2/enqueue", TRIGGER)):
            status, _, headers = await server.post(path, json=document)
            assert status == 503
            assert int(headers["Retry-After"]) >= 1
        server.outbox.is_away = False
        assert (await server.post("/api/v2/alerts", json=[ALERT]))[0] == 200


async def test_bytes_in_flight_are_bounded_and_given_back() -> None:
    config = Config.model_validate({"worker": {"max_event_bytes": 500_000}, "http": {"max_in_flight_bytes": 1 << 20}})
    large = json.dumps([{**ALERT, "annotations": {"text": "x" * 450_000}}])
    async with asyncio.timeout(30), served(config) as server:
        server.outbox.gate = asyncio.Event()
        waiting = [asyncio.create_task(server.post("/api/v2/alerts", large)) for _ in range(2)]
        while len(server.sent) < 2:
            await asyncio.sleep(0)
        async with server.session.get(server.url + "/metrics") as answer:
            text = await answer.text()
        assert "correlator_http_in_flight_requests 2.0" in text
        assert float(text.partition("\ncorrelator_http_in_flight_bytes ")[2].split()[0]) > 900_000
        status, _, headers = await server.post("/api/v2/alerts", large)
        assert (status, "Retry-After" in headers) == (503, True)
        server.outbox.gate.set()
        assert [one[0] for one in await asyncio.gather(*waiting)] == [200, 200]
        for _ in range(3):
            assert (await server.post("/api/v2/alerts", large))[0] == 200
        assert server.metric("correlator_http_refused_total", reason="in_flight") == 1


async def test_a_client_that_sends_too_often_gets_503_until_its_time_has_come() -> None:
    config = Config.model_validate({"http": {"client_requests_per_second": 2, "client_burst": 3}})
    time = [0.0]
    async with served(config, clock=lambda: time[0]) as server:
        statuses = [(await server.post("/api/v2/alerts", b"[]"))[0] for _ in range(4)]
        assert statuses == [200, 200, 200, 503]
        time[0] += 0.5
        assert [(await server.post("/api/v2/alerts", b"[]"))[0] for _ in range(2)] == [200, 503]


async def test_a_client_that_leaves_early_costs_nothing_for_good() -> None:
    async with asyncio.timeout(30), served() as server:
        reader, writer = await asyncio.open_connection(*address_of(server.url))
        writer.write(b"POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n[")
        await writer.drain()
        while "correlator_http_in_flight_requests 1.0" not in await metrics(server):
            await asyncio.sleep(0)
        writer.close()
        while "correlator_http_in_flight_requests 0.0" not in await metrics(server):
            await asyncio.sleep(0)
        assert "correlator_http_in_flight_bytes 0.0" in await metrics(server)
        del reader


async def test_a_post_on_its_way_to_kafka_is_answered_though_the_worker_stops() -> None:
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        async with served() as server:
            server.outbox.gate = asyncio.Event()
            posting = asyncio.create_task(session.post(server.url + "/api/v2/alerts", json=[ALERT]))
            while not server.sent:
                await asyncio.sleep(0)
            asyncio.get_running_loop().call_soon(server.outbox.gate.set)
        async with await posting as answer:
            assert answer.status == 200


def address_of(url: str) -> tuple[str, int]:
    host, _, port = url.partition("://")[2].partition(":")
    return host, int(port)


async def metrics(server: Any) -> str:
    async with aiohttp.ClientSession() as session, session.get(server.url + "/metrics") as answer:
        return await answer.text()
