"""No secret that the rules name survives anywhere; what they do not name stays as it was; no two alerts become one."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.config import Config, load
from correlator.config_redaction import DEFAULTS, RedactionRule
from correlator.domain import AlertEvent
from correlator.errors import ConfigError
from correlator.formats import log
from correlator.formats.redacted import redacted
from correlator.formats.redaction import BUILT_IN, MASK, Redaction, redaction_of
from correlator.partition import Partition
from correlator.replay import Replay
from correlator.shell.ingest import Message, Reader, divide
from correlator.sinks import Sinks
from tests.formats.examples import EXAMPLES
from topology.graph import ServiceGraph

AT = 1_767_225_600_000
KEY = "AKIAIOSFODNN7EXAMPLE"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"

#: A text with a secret, and the secret.
SAMPLES = {
    "authorization": [
        ("request with Authorization: Bearer abcdefgh12345678 failed", "abcdefgh12345678"),
        ('curl -H "authorization: Basic YWxhZGRpbjpvcGVu" said 401', "YWxhZGRpbjpvcGVu"),
        ("sent bearer  abc.def-ghi_jkl~mno+pqr/stu=", "abc.def-ghi_jkl~mno+pqr/stu="),
    ],
    "aws": [
        (f"key {KEY} is disabled", KEY),
        (
            "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        ),
    ],
    "email": [("disk of jane.doe+ops@mail.example.org is full", "jane.doe+ops@mail.example.org")],
    "jwt": [(f"token {JWT} is expired", JWT)],
    "passwords": [
        ("cannot connect: user=app password=hunter2!x host=db", "hunter2!x"),
        ("dsn: PWD='s3cr3t;", "s3cr3t"),
        ('config {"api_key": "0123456789"} refused', "0123456789"),
    ],
    "private-key": [
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY----- was logged",
            "MIIEpAIBAAKCAQEA",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA and cut off", "MIIEpAIBAAKCAQEA"),
    ],
    "tokens": [
        ("ghp_0123456789abcdefghijklmnopqrstuvwxyz", "ghp_0123456789abcdefghijklmnopqrstuvwxyz"),
        ("slack xoxb-123456789012-abcdefghij", "xoxb-123456789012-abcdefghij"),
        ("glpat-0123456789abcdefghij", "glpat-0123456789abcdefghij"),
    ],
    "url": [
        ("probe of https://admin:hunter2@db.example.org:5432/x fails", "hunter2"),
        ("redis://:p@ss:word@cache:6379 is down", "p@ss:word"),
    ],
}
CASES = [(name, text, secret) for name, samples in SAMPLES.items() for text, secret in samples]
EVERYTHING = Config(redaction_defaults=tuple(BUILT_IN))


@pytest.mark.parametrize(("name", "text", "secret"), [case for case in CASES if case[0] != "private-key"])
def test_a_built_in_rule_finds_its_secrets_and_leaves_the_rest_of_the_text(name: Any, text: str, secret: str) -> None:
    assert Redaction([BUILT_IN[name]]).text(text) == text.replace(secret, MASK)


def test_a_private_key_is_redacted_as_a_whole() -> None:
    whole, cut_off = (Redaction([BUILT_IN["private-key"]]).text(text) for text, _ in SAMPLES["private-key"])
    assert (whole, cut_off) == (f"{MASK} was logged", MASK)


def test_all_built_in_rules_but_the_one_for_addresses_of_people_hold_by_default() -> None:
    assert set(BUILT_IN) - set(Config().redaction_defaults) == {"email"}
    assert set(SAMPLES) == set(BUILT_IN) - {"labels"}


ORDINARY = [
    "Error rate of checkout is 12.5% (> 5%) for 5m, see https://runbooks.example.org/HighErrorRate?team=shop",
    "bearer authentication failed for user alice",
    "Certificate in secret db-credentials expires in 3 days",
    "http://prometheus:9090/graph?g0.expr=up%3D%3D0&g0.tab=1",
    "token bucket empty: passwordless login disabled",
    "keyJail moved, AKIA is a prefix, eyJ too",
    "größer als erwartet: 5 € — 🔥",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_text_stays_as_it_is(text: str) -> None:
    assert redaction_of(Config()).text(text) == text
    assert redaction_of(Config()).identity(text) == text


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_message_without_secrets_stays_byte_for_byte(name: str) -> None:
    data = json.dumps(EXAMPLES[name]).encode()
    assert redacted(data, redaction_of(Config())) == data


# -- nowhere ------------------------------------------------------------------------------------------------------

secrets = st.sampled_from([(text, secret) for _, text, secret in CASES])
words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)


@st.composite
def leaking(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    """Return an alert that tells a secret in some of its parts, and the secret."""
    text, secret = draw(secrets)
    before = draw(words)
    leak = st.sampled_from([f"{before} {text}", f"{text}"])
    alert: dict[str, Any] = {
        "id": draw(st.one_of(st.just("e1"), leak)),
        "status": draw(st.sampled_from(["firing", "resolved"])),
        "name": draw(st.one_of(st.just("Down"), leak)),
        "starts_at": "2026-01-01T00:00:00Z",
        "observed_at": "2026-01-01T00:00:10Z",
        "labels": {draw(st.sampled_from(["service", "instance", "region", "replica", "source"])): draw(leak)},
        "annotations": {draw(st.sampled_from(["summary", "description", "message"])): draw(leak)},
        "severity": "critical",
    }
    for key in ("service", "entity", "scope", "fingerprint"):
        if draw(st.booleans()):
            alert[key] = draw(leak)
    if draw(st.booleans()):
        alert["edge"] = {"caller": draw(leak), "callee": "db"}
    return alert, secret


@given(leaking())
@settings(max_examples=150, deadline=None)
def test_no_secret_survives_in_log_snapshot_incidents_or_assignments(leak: tuple[dict[str, Any], str]) -> None:
    alert, secret = leak
    config = EVERYTHING.model_copy(update={"worker": EVERYTHING.worker.model_copy(update={"model": "none"})})
    data = json.dumps(alert).encode()
    incidents, assignments = BytesIO(), BytesIO()
    run = Replay(config, ServiceGraph.empty(), Sinks(incidents, assignments))
    run.feed(1, data)
    run.finish()
    reader = Reader(config, ServiceGraph.empty(), None)
    message = Message(topic="alerts", partition=0, offset=0, timestamp=AT + 10_000, value=data, headers={})
    records, _ = divide(reader.read(message), partition=0, offset=0, floor=0, largest=1_000_000)
    assert records
    partition = Partition(config, {})
    for _, record in records:
        list(partition.apply(log.decode(record), {}))
    snapshot = msgspec.json.encode(partition.snapshot())
    for written in (incidents.getvalue(), assignments.getvalue(), snapshot, *(record for _, record in records)):
        assert not _holds(written, secret)


def _holds(written: bytes, secret: str) -> bool:
    return any(secret in line for line in (written.decode(), *_strings(written)))


def _strings(written: bytes) -> list[str]:
    """Return every text within lines of JSON, without its escapes."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, str):
            found.append(value)
        for inner in [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(inner)

    for line in written.splitlines():
        walk(json.loads(line))
    return found


@given(leak=leaking(), wrecked=st.sampled_from(["starts_at", "status", "cut", "latin", "text", "escaped", "batch"]))
@settings(max_examples=150, deadline=None)
def test_no_secret_survives_in_a_dead_letter(leak: tuple[dict[str, Any], str], wrecked: str) -> None:
    alert, secret = leak
    text = json.dumps(alert if wrecked in ("cut", "latin") else {**alert, "starts_at": 5}, ensure_ascii=False)
    data = {
        "cut": text[:-1].encode(),
        "latin": text.encode() + b"\xff",
        "text": "\n".join(_strings(text.encode())).encode(),
        "batch": json.dumps([text, {"inside": text}]).encode(),
    }.get(wrecked, text.encode())
    if wrecked == "escaped":
        data = json.dumps({"x": alert}).encode().replace(secret[0].encode(), f"\\u{ord(secret[0]):04x}".encode())
        if not _parses(data):
            return
    clean = redacted(data, redaction_of(EVERYTHING)).decode("utf-8", "replace")
    assert secret not in clean
    if _parses(clean.encode()):
        assert not _holds(clean.encode(), secret)


def _parses(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


# -- rules of one's own -------------------------------------------------------------------------------------------


def named(config: Config, **alert: Any) -> AlertEvent:
    data = json.dumps(
        {"status": "firing", "name": "Down", "starts_at": "2026-01-01T00:00:00Z", "severity": "critical"} | alert
    ).encode()
    message = Message(topic="alerts", partition=0, offset=0, timestamp=AT, value=data, headers={})
    reading = Reader(config, ServiceGraph.empty(), None).read(message)
    ((event,),) = reading.scopes.values()
    return event


def configured(*rules: dict[str, Any], key: str | None = "one key") -> Config:
    return Config.model_validate({"redaction": rules, "redaction_key": key})


def test_a_redacted_alert_keeps_its_fingerprint_and_different_ones_stay_different() -> None:
    rules = configured({"names": ["user"], "action": "drop"}, {"values": [r"\bcard-(\d+)"]})
    seen = []
    for user in ("alice", "bobby"):
        labels = {"service": "shop", "user": user}
        summary = f"card-123456 of {user} is refused"
        plain = named(Config(redaction_defaults=()), labels=labels, summary=summary)
        clean = named(rules, labels=labels, summary=summary)
        assert clean.fingerprint == plain.fingerprint
        assert clean.summary == "card-[redacted] of  is refused"
        seen.append(clean.fingerprint)
    assert len(set(seen)) == 2
    keys = [named(Config(), fingerprint=f"https://u:{password}@host", service="s") for password in ("one1", "two2")]
    assert len({one.fingerprint for one in keys}) == 2
    assert all("one1" not in one.fingerprint and "two2" not in one.fingerprint for one in keys)


def test_what_a_label_hides_is_hidden_wherever_the_alert_repeats_it() -> None:
    rules = configured({"names": ["customer*"], "action": "hash"})
    one = named(
        rules,
        name="Refused for ACME-Corp",
        entity="ACME-Corp/eu",
        service="shop",
        labels={"Customer_Name": "ACME-Corp"},
        annotations={"description": "all cards of ACME-Corp are refused"},
    )
    assert "ACME" not in msgspec.json.encode(one).decode()
    digest = one.name.removeprefix("Refused for ")
    assert one.summary == f"all cards of {digest} are refused"
    assert named(rules, labels={"customer": "ACME-Corp"}, summary="ACME-Corp").summary == digest
    other = configured({"names": ["customer*"], "action": "hash"}, key="another key")
    assert named(other, labels={"customer": "ACME-Corp"}, summary="ACME-Corp").summary != digest


def test_a_team_is_hidden_too() -> None:
    assert named(configured({"names": ["team"]}), labels={"team": "secret-project"}).team == MASK
    assert named(configured({"values": ["secret-[a-z]+"]}), labels={"team": "secret-project"}).team == MASK


def test_a_label_that_names_the_service_is_hidden_too() -> None:
    rules = configured({"names": ["app"], "action": "mask"}, {"names": ["pod"], "action": "drop"})
    one = named(rules, labels={"app": "secret-project", "pod": "secret-project-5d9f8c7b6-x2x9z"})
    assert (one.service, one.entity) == (MASK, None)


@pytest.mark.parametrize("annotation", ["summary", "description", "message"])
def test_an_annotation_is_hidden_by_its_name(annotation: str) -> None:
    rules = configured({"names": [annotation], "action": "mask"})
    assert named(rules, service="s", annotations={annotation: "what happened"}).summary == MASK
    other = "description" if annotation == "summary" else "summary"
    assert named(rules, service="s", annotations={other: "what happened"}).summary == "what happened"


def test_a_secret_that_a_summary_breaks_off_in_is_found_before_it_is_cut() -> None:
    clean = named(Config(), service="s", summary="x" * 490 + " " + KEY)
    assert clean.summary == ("x" * 490 + " " + MASK)[:500]


def test_a_dead_letter_hides_values_by_name_in_every_shape() -> None:
    redaction = redaction_of(configured({"names": ["pin"]}))
    assert json.loads(
        redacted(b'{"pin": 1234, "a": [{"name": "pin", "value": "98765"}], "b": "98765"}', redaction)
    ) == {
        "pin": MASK,
        "a": [{"name": "pin", "value": MASK}],
        "b": MASK,
    }
    assert redacted(b'["pin:98765", "pin = 98765", {"pin": {"deep": ["98765", null]}}]', redaction) == (
        b'["pin:[redacted]","pin = [redacted]",{"pin":{"deep":["[redacted]",null]}}]'
    )
    assert redacted(b'{"pin": "98765", "text": "98765', redaction) == b'{"pin": "[redacted]", "text": "[redacted]'
    assert redacted(b'{"pin": "98765\xff", ', redaction) == b'{"pin": "[redacted]", '
    assert json.loads(redacted(json.dumps({"Message": '{"pin": "98765"}'}).encode(), redaction)) == {
        "Message": '{"pin": "[redacted]"}'
    }


def test_what_comes_together_when_something_is_dropped_is_dropped_too() -> None:
    redaction = Redaction([RedactionRule(values=("abc",), action="drop")])
    assert redaction.text("aabcbc ababcc") == " "
    assert "abc" not in redaction.text("a" * 20 + "abc" + "bc" * 20)


def test_without_rules_everything_passes() -> None:
    redaction = redaction_of(Config(redaction_defaults=()))
    data = json.dumps({"password": KEY}).encode()
    assert redacted(data, redaction) is data
    assert redaction.text(KEY) == KEY


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"values": ["(a"]}, "no regular expression"),
        ({"values": [r"(a)\1"]}, "no regular expression"),
        ({"values": ["a*"]}, "matches where there is nothing"),
        ({"names": ["**"]}, "would redact every label"),
        ({}, "either names or values"),
        ({"names": ["a"], "values": ["b"]}, "either names or values"),
        ({"names": ["a"], "action": "hash"}, "CORRELATOR_REDACTION_KEY"),
    ],
)
def test_a_rule_that_cannot_be_used_is_told(rule: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        configured(rule, key=None)


def test_the_key_comes_from_the_environment_and_is_never_shown(tmp_path: Any) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[[redaction]]\nnames = ["user"]\naction = "hash"\n')
    with pytest.raises(ConfigError, match="CORRELATOR_REDACTION_KEY"):
        load(file, environ={})
    config = load(file, environ={"CORRELATOR_REDACTION_KEY": "a key of some length"})
    assert "a key of some length" not in repr(config)


def test_an_expression_of_the_user_takes_linear_time() -> None:
    redaction = Redaction([RedactionRule(values=("(?:a+)+b",))])
    assert redaction.text("a" * 100_000) == "a" * 100_000


def test_defaults_are_those_of_the_documentation() -> None:
    assert Config().redaction_defaults == DEFAULTS
