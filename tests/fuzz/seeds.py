"""Where fuzzing begins: documents of this repository and our own, one list for each target.

What is nested deep, long or out of range is here because no mutation gets there soon.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from correlator import rankers
from correlator.config import EngineConfig
from correlator.domain import AlertEvent, Status
from correlator.engine import snapshot as codec
from correlator.engine.engine import Engine
from correlator.formats import log
from tests.engine.drive import START, event, graph_of
from tests.formats.examples import EXAMPLES
from tests.fuzz.seeds_topology import TOPOLOGIES
from tests.pager.incidents import incident

_PAYLOADS = Path(__file__).parents[1] / "formats" / "payloads"
_DEEP = b'{"a":' * 1500 + b"1" + b"}" * 1500
_DEEP_LIST = b"[" * 2500 + b"]" * 2500
_ODD = [_DEEP, _DEEP_LIST, b'{"starts_at": 1e400, "a": -0, "b": "\\ud800"}', b"\xef\xbb\xbf{}", b'{"a": "\xff"}']


def seeds(target: str) -> list[bytes]:
    """Return the inputs with which the fuzzing of a target begins."""
    return list(_SEEDS[target]())


def words() -> list[bytes]:
    """Return the keys and short values of all documents, for a fuzzer to put in."""
    found: dict[bytes, None] = {}
    for document in (*EXAMPLES.values(), *TOPOLOGIES.values(), msgspec.to_builtins(incident())):
        found.update(dict.fromkeys(_words(document)))
    return list(found)


def _words(value: object) -> Iterator[bytes]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield json.dumps(key).encode()
            yield from _words(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _words(inner)
    elif isinstance(value, str) and len(value) <= 40:
        yield json.dumps(value).encode()


def _bodies() -> Iterator[tuple[str, bytes]]:
    for name, document in EXAMPLES.items():
        yield name, json.dumps(document).encode()
    for path in sorted(_PAYLOADS.glob("*.json")):
        yield "", path.read_bytes()


def _detected() -> Iterator[bytes]:
    yield from (body for _, body in _bodies())
    yield from _ODD


def _named() -> Iterator[bytes]:
    yield from (name.encode() + b"\n" + body for name, body in _bodies() if name)
    yield from (name.encode() + b"\n" + odd for name in EXAMPLES for odd in _ODD[2:])


def _headers() -> Iterator[bytes]:
    event_ = json.dumps(EXAMPLES["canonical"]).encode()
    yield b"ce-specversion: 1.0\nce-id: 7\nce-source: /eu\nce-type: alert\nce-time: 2026-11-23T03:40:00Z\n\n" + event_
    yield b"sentry-hook-resource: metric_alert\n\n" + json.dumps(EXAMPLES["sentry"]).encode()
    yield b"content-type: application/x-protobuf\n\n" + _otlp_logs()
    yield b"content-type: application/cloudevents+json\n\n" + json.dumps(EXAMPLES["cloudevents"]).encode()
    yield b"format: canonical\n\n" + event_


def _mapped() -> Iterator[bytes]:
    alarm = {
        "rule": "N",
        "state": "ok",
        "since": "2026-11-23T03:40:00Z",
        "until": 1795405230,
        "app": "cart",
        "level": "fatal",
        "text": "t",
        "id": 7,
        "tags": {"app": "cart", "n": 1},
        "place": {"zone": "a"},
    }
    yield json.dumps({"tool": "acme", "body": {"alarms": [alarm, {**alarm, "app": None}, {}]}}).encode()
    yield json.dumps({"tool": "acme", "body": {"alarms": [[]]}}).encode()


def _replayed() -> Iterator[bytes]:
    lines = [
        {"id": str(number), "status": status, "name": "N", "service": service, "starts_at": f"2026-11-23T03:4{at}:00Z"}
        for number, (status, service, at) in enumerate(
            [("firing", "db", 0), ("firing", "payments", 0), ("resolved", "db", 4), ("firing", "db", 2)]
        )
    ]
    yield b"\n".join(json.dumps(line).encode() for line in lines)
    yield b"\n".join(body.replace(b"\n", b" ") for _, body in _bodies())[:30_000]
    yield b'{"status":"firing","name":"N","starts_at":"9999-12-31T23:59:59Z"}\n'
    yield b'{"status":"firing","name":"N","starts_at":"0001-01-01T00:00:00+14:00"}\n'


def _posts() -> Iterator[bytes]:
    for name, body in _bodies():
        yield f"/webhooks/{name}\ncontent-type: application/json\n\n".encode() + body
    prometheus = json.dumps([EXAMPLES["prometheus"]]).encode()
    yield b"/api/v2/alerts\ncontent-encoding: gzip\n\n" + gzip.compress(prometheus, mtime=0)
    yield b"/api/v2/alerts\ncontent-encoding: gzip\n\n" + gzip.compress(bytes(2_000_000), mtime=0)
    yield b"/v2/enqueue\n\n" + json.dumps(EXAMPLES["pagerduty"]).encode()
    yield b"/v2/enqueue\n\n" + b'{"event_action": "trigger"}'
    yield b"/v2/change/enqueue\n\n" + json.dumps(EXAMPLES["pagerduty-change"]).encode()
    yield b"/webhooks/\n\n" + _DEEP
    yield b"/webhooks/otlp\ncontent-type: application/x-protobuf\n\n" + _otlp_logs()


def _log() -> Iterator[bytes]:
    source = log.Source(partition=0, offset=7, part="default", floor=3)
    alerts = log.Alerts(at=START, events=[event("a", "N"), event("b", "M", 3, Status.RESOLVED)], source=source)
    tick = log.Tick(at=START)
    yield log.encode(alerts)
    yield log.encode(tick)
    yield log.encode(log.TopologyVersion(at=START, version="abc"))
    yield log.encode(log.ModelVersion(at=START, version="abc", document=msgspec.Raw(rankers.document(None))))
    yield log.join([log.encode(alerts), log.encode(alerts)])
    yield b'{"type":"tick","at":1,"x":' + _DEEP + b"}"


def _snapshot() -> Iterator[bytes]:
    engine = Engine(EngineConfig(), graph=graph_of({"a": ["db"], "b": ["db"]}))
    for number, service in enumerate(["db", "a", "b"]):
        one: AlertEvent = event(service, "HighErrorRate", number, summary="calls to db fail")
        engine.on_event(one, one.observed_at)
    engine.tick(START + 60_000)
    kept = codec.Snapshot(offset=7, mark="m", state=engine.state, deliveries={})
    whole = codec.encode(kept)
    yield whole
    yield msgspec.msgpack.encode(kept)
    yield whole[:-9]
    yield b'{"slot":1,"parts":2,"digest":"x"}\na\nb'


def _config() -> Iterator[bytes]:
    yield b"""hold_min_seconds = 5
correlation_window_seconds = 300.5
[[kind_rules]]
kind = "down"
name = "(?i)down$"
[naming]
scope_labels = ["env"]
[kafka]
bootstrap_servers = "a:9092"
[worker]
clock = "records"
[http]
token_env = "TOKEN"
[[formats]]
name = "acme"
when = { tool = "acme", "header:x" = "*" }
each = "alarms"
paths = { name = "rule", labels = "tags" }
statuses = { ok = "resolved" }
"""
    yield b"""[topology]
[[topology.sources]]
type = "prometheus"
name = "p"
url = "http://prometheus:9090"
[[topology.sources]]
type = "file"
path = "t.yaml"
[pager]
incident_url = "https://x/{incident_id}"
[[pager.targets]]
type = "pagerduty"
name = "pd"
routing_key_envs = { db = "PD" }
[[pager.targets]]
type = "slack"
name = "s"
token_env = "T"
channel = "#a"
[[pager.windows]]
id = "w"
services = ["a*"]
starts = 2026-11-23T00:00:00Z
ends = 2026-11-24T00:00:00Z
"""


def _topology_sources() -> Iterator[bytes]:
    for name, document in TOPOLOGIES.items():
        yield name.encode() + b"\n" + json.dumps(document).encode()
        yield name.encode() + b"\n" + _DEEP
    yield b"backstage\nkind: Component\nmetadata: {name: &x a, y: *x}\n---\n- 2026-01-01\n- !!binary aGk=\n"


def _topology_file() -> Iterator[bytes]:
    document = {
        "services": [
            {"name": "a", "kind": "service", "owner": "t", "tier": 1, "aliases": ["A", "aa"], "system": "s"},
            {"name": "b", "kind": "datastore"},
        ],
        "dependencies": [{"from": "a", "to": "b", "type": "calls", "strength": 0.5}],
        "instances": {"a-1": "a"},
    }
    yield json.dumps(document).encode()
    yield b"services:\n- name: a\n- {name: 'on', aliases: [no]}\ndependencies:\n- {from: a, to: 'on', type: runs_on}\n"
    yield b"services: &s [*s]\ndependencies: []\n"
    yield b"services: []\ndependencies: []\n? {a: b}\n: 2026-01-01\n"
    yield _DEEP
    yield b"a: " + b"[" * 3000


def _otlp_spans() -> Iterator[bytes]:
    document = json.dumps(TOPOLOGIES["otlp"]).encode()
    yield document
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    name = resource.resource.attributes.add()
    name.key, name.value.string_value = "service.name", "a"
    spans = resource.scope_spans.add().spans
    client, server = spans.add(), spans.add()
    client.trace_id = server.trace_id = bytes(range(16))
    client.span_id, server.span_id, server.parent_span_id = b"12345678", b"abcdefgh", b"12345678"
    client.kind, server.kind = Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_SERVER
    system = client.attributes.add()
    system.key, system.value.string_value = "db.system", "redis"
    yield request.SerializeToString()


def _otlp_logs() -> bytes:
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    name = resource.resource.attributes.add()
    name.key, name.value.string_value = "service.name", "a"
    record = resource.scope_logs.add().log_records.add()
    record.time_unix_nano, record.severity_text = START * 1_000_000, "ERROR"
    record.severity_number = SeverityNumber.SEVERITY_NUMBER_ERROR
    record.body.string_value = "it fails"
    label = record.attributes.add()
    label.key, label.value.int_value = "alertname", 7
    return bytes(request.SerializeToString())


def _replies() -> Iterator[bytes]:
    yield b"\x00\x00\n\n" + b'{"ok":true,"channel":"C1","ts":"1.2"}'
    yield b"\x00\x00\n\n" + b'{"ok":false,"error":"channel_not_found"}'
    yield b"\x00\x00\n\n" + b'{"ok":false,"error":"ratelimited"}'
    yield b"\x00\x02\n\n" + b'{"status":"success","dedup_key":"k","message":"Event processed"}'
    yield b"\x00\xc8\n\n" + b'{"status":"invalid event","errors":["0123456789abcdef0123456789abcdef"]}'
    yield b"\x00\xe5\nretry-after: 17\n\n"
    yield b"\x00\xe5\nretry-after: Wed, 21 Oct 2026 07:28:00 GMT\n\n"
    yield b"\x01\x2f\nretry-after: Wed, 21 Oct 2026 07:28:00 -0000\n\nbusy"
    yield b"\x00\x00\n\n" + _DEEP
    yield b'\x00\x00\n\n{"ok": true, "ts": "\xff"}'


def _incidents() -> Iterator[bytes]:
    yield msgspec.json.encode(incident())
    change = {"url": "https://x", "summary": "<b>", "image_url": "https://y"}
    yield msgspec.json.encode(incident(route="r", summary="a\nb", changes=[change], title="t" * 200))
    yield _DEEP


def _windows() -> Iterator[bytes]:
    yield b"""[[windows]]
id = "w"
author = "a"
comment = "c"
services = ["payments*"]
starts = 2026-11-23T00:00:00Z
ends = 2026-11-24T00:00:00Z
[[windows]]
id = "daily"
kind = "silence"
author = "a"
comment = "c"
teams = ["payments"]
severities = ["critical"]
weekdays = ["mon", "sun"]
daily_from = 22:00:00
daily_to = 06:00:00
time_zone = "Europe/Berlin"
"""
    window = {"id": "w", "author": "a", "comment": "c", "services": ["a*"]}
    bounded = {**window, "starts": "2026-11-23T00:00:00Z", "ends": "2026-11-24T00:00:00+01:00"}
    yield json.dumps(bounded).encode()
    daily = {"weekdays": ["mon"], "daily_from": "22:00", "daily_to": "06:00", "time_zone": "America/New_York"}
    yield json.dumps({**window, **daily, "ends": "0001-01-01T00:00:00Z"}).encode()
    yield _DEEP


def _engine() -> Iterator[bytes]:
    edges = bytes([3, 0x10, 0x20, 0x32])
    for config in range(3):
        fire = [0, 0, 3, 4, 1, 1, 3, 4, 2, 2, 4, 3]
        end = [3, 0, 6, 0, 3, 1, 5, 0, 67, 2, 7, 0]
        yield bytes([config]) + edges + bytes(fire + end + fire + [15, 0, 8, 0, *end])
        yield bytes([config]) + edges + bytes(range(0, 240))


_SEEDS = {
    "detected": _detected,
    "named": _named,
    "headers": _headers,
    "mapped": _mapped,
    "replayed": _replayed,
    "posts": _posts,
    "log": _log,
    "snapshot": _snapshot,
    "config": _config,
    "topology_file": _topology_file,
    "topology_sources": _topology_sources,
    "otlp_spans": _otlp_spans,
    "replies": _replies,
    "incidents": _incidents,
    "windows": _windows,
    "engine": _engine,
}
