"""Formats of the user's own: recognised and read by configuration, and every problem of it told at once."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.config import Config, FormatConfig, FormatPaths, load
from correlator.domain import Edge, Severity, Status
from correlator.errors import ConfigError, InputError
from correlator.formats.alert import ParsedAlert
from correlator.formats.mapped import formats_of
from correlator.formats.reading import Contents, Formats
from correlator.formats.table import FORMATS
from correlator.paths import found, parse_path
from tests.formats.examples import AT, EXAMPLES, errors
from tests.test_configuration import accepted, documented

DOCS = (Path(__file__).parents[2] / "docs" / "inputs.md").read_text(encoding="utf-8")
TEXT = """
[[formats]]
name = "acme"
when = { tool = "acme", "meta.version" = "*" }
each = "alarms"
severities = { catastrophe = "critical" }
statuses = { open = "firing", closed = "resolved", seen = "ignored" }
lease_seconds = 600

[formats.paths]
name = "rule.title"
status = "state"
severity = "prio"
service = ['tags."service.name"', "tags.app"]
entity = "hosts.0"
starts_at = "since"
ends_at = "until"
summary = "text"
scope = "zone"
id = "uuid"
fingerprint = ["rule.id", "hosts.0"]
labels = "tags"

[formats.labels]
rack = "location.rack"
"""
ALARM: dict[str, Any] = {
    "rule": {"id": 7, "title": "Disk full"}, "state": "OPEN", "prio": "Catastrophe", "hosts": ["db-1", "db-2"],
    "tags": {"service.name": "db", "app": "x", "n": 1, "deep": {}}, "location": {"rack": 12}, "since": 1795405200,
    "until": 0, "text": "no space", "zone": "eu", "uuid": "u-1",
}  # fmt: skip


def config(text: str = TEXT) -> Config:
    return Config.model_validate(tomllib.loads(text))


def read(document: Any, text: str = TEXT, headers: dict[str, str] | None = None, at: int | None = AT) -> Contents:
    data = json.dumps(document).encode("utf-8", "surrogatepass")
    return Formats(formats_of(config(text))).read(data, headers, arrived_at=at)


def acme(*alarms: Any, **fields: Any) -> dict[str, Any]:
    return {"tool": "acme", "meta": {"version": 2}, "alarms": list(alarms), **fields}


def one(**changes: Any) -> ParsedAlert:
    contents = read(acme({**ALARM, **changes}))
    assert errors(contents) == []
    return contents.alerts[0]


def test_every_part_of_an_alert_is_found_where_the_configuration_says() -> None:
    alert = one()
    assert (alert.name, alert.service, alert.entity, alert.scope, alert.id) == ("Disk full", "db", "db-1", "eu", "u-1")
    assert (alert.status, alert.severity, alert.summary) == (Status.FIRING, Severity.CRITICAL, "no space")
    assert (alert.starts_at, alert.ends_at, alert.source) == (AT - 30_000, AT + 600_000, "acme")
    assert alert.labels == {"service.name": "db", "app": "x", "n": "1", "rack": "12"}


def test_the_first_path_that_leads_anywhere_counts() -> None:
    assert one(tags={"app": "x"}).service == "x"


def test_the_parts_of_the_fingerprint_count_together() -> None:
    assert one().fingerprint == one(state="closed", text="new").fingerprint
    assert len({one().fingerprint, one(hosts=["db-2"]).fingerprint, one(rule={"title": "t"}).fingerprint}) == 3


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("open", Status.FIRING),
        ("CLOSED", Status.RESOLVED),
        ("Resolved", Status.RESOLVED),
        ("again", Status.FIRING),
        (None, Status.FIRING),
    ],
)
def test_words_for_states_are_those_of_the_table_and_any_other_fires(word: str | None, status: Status) -> None:
    assert one(state=word).status is status


def test_a_state_that_is_to_be_ignored_is_no_alert() -> None:
    contents = read(acme({**ALARM, "state": "seen"}))
    assert (contents.events, contents.notices) == ([], {("acme", "ignored"): 1})


@pytest.mark.parametrize(
    ("word", "severity"),
    [("catastrophe", Severity.CRITICAL), ("P2", Severity.ERROR), ("warn", Severity.WARNING), ("purple", None)],
)
def test_words_for_severities_are_those_of_the_table_and_the_common_ones(word: str, severity: Severity | None) -> None:
    assert one(prio=word).severity is severity


def test_what_has_no_times_begins_and_ends_when_it_arrives() -> None:
    assert one(since=None).starts_at == AT
    resolved = one(state="closed", since=None, until="2026-11-23T03:40:10Z")
    assert resolved.starts_at == resolved.ends_at == AT - 20_000
    assert one(state="closed", since=None).ends_at is None


def test_a_bad_item_spoils_no_other_and_its_place_is_told() -> None:
    contents = read(acme(ALARM, {**ALARM, "rule": {}}, {**ALARM, "since": "x"}, {**ALARM, "tags": 5}, ALARM))
    assert len(contents.alerts) == 2
    assert [error.partition(": ")[2] for error in errors(contents)] == [
        "alarms[1].rule.title: no name stands there",
        "alarms[2].since: 'x' is no date of ISO 8601",
        "alarms[3].tags: expected object",
    ]
    assert errors(read(acme(alarms=5))) == ["wrong_type: alarms: expected array, got integer"]


LEAST = '[[formats]]\nname = "mine"\nwhen = { %s }\npaths = { name = "n" }\n'


@pytest.mark.parametrize(
    ("when", "document", "is_it"),
    [
        ('tool = "*"', {"tool": 0}, True),
        ('tool = "*"', {"tool": None}, False),
        ('tool = "2"', {"tool": 2}, True),
        ('tool = "true"', {"tool": True}, True),
        ('"a.0.b" = "x"', {"a": [{"b": "x"}]}, True),
        ('"a.1.b" = "x"', {"a": [{"b": "x"}]}, False),
        ('"header:X-Tool" = "acme"', {}, True),
        ('"header:X-Tool" = "other"', {}, False),
        ('tool = "*", other = "*"', {"tool": 1}, False),
    ],
)
def test_a_document_is_recognised_when_all_conditions_hold(when: str, document: dict[str, Any], is_it: bool) -> None:
    contents = read({**document, "n": "N"}, LEAST % when, {"x-tool": "acme"})
    assert contents.formats == (["mine"] if is_it else ["unknown"])


def test_a_call_is_an_edge() -> None:
    text = '[[formats]]\nname = "mine"\nwhen = { n = "*" }\npaths = { name = "n", caller = "a", callee = "b" }\n'
    (alert,) = read({"n": "N", "a": "web", "b": "cart"}, text).alerts
    assert alert.edge == Edge(caller="web", callee="cart")


def test_a_format_of_ones_own_is_tried_first_and_may_replace_a_built_in_one() -> None:
    text = LEAST.replace("mine", "alertmanager") % 'groupKey = "*"'
    formats = formats_of(config(text))
    assert [one.name for one in formats].count("alertmanager") == 1
    assert formats[0].name == "alertmanager" and len(formats) == len(FORMATS)
    assert read({"groupKey": "g", "n": "N"}, text).alerts[0].name == "N"
    assert read(EXAMPLES["keep"], text).formats == ["keep"]


def test_every_problem_is_told_at_once_by_its_key(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("""
[[formats]]
name = "Upper Case"
when = {}
each = "a..b"
colour = "red"
statuses = { open = "burning" }
lease_seconds = -1
paths = { name = "a.", status = ["ok", "no good"], nme = "x" }
[[formats]]
name = "b"
when = { "a b" = "x" }
paths = { service = "s" }
""")
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    told = "\n".join(caught.value.problems)
    for key in (
        "formats.0.name", "formats.0.when", "formats.0.each", "formats.0.colour", "formats.0.statuses.open",
        "formats.0.lease_seconds", "formats.0.paths.name.0", "formats.0.paths.status.1", "formats.0.paths.nme",
        "formats.1.when", "formats.1.paths.name",
    ):  # fmt: skip
        assert f"{key}: " in told, (key, told)
    twice = (LEAST % 'a = "*"') * 2
    path.write_text(twice)
    with pytest.raises(ConfigError, match="two formats have the same name"):
        load(path, environ={})


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ALARM, "title", "0"]), inner),
    max_leaves=10,
)


@given(document=_json, key=st.sampled_from(sorted(ALARM)))
def test_no_document_makes_it_fail_otherwise(document: Any, key: str) -> None:
    for whole in (document, acme(document), acme({**ALARM, key: document}), acme(alarms=document)):
        contents = read(whole, headers={"format": "acme"})
        assert all(isinstance(event.event, ParsedAlert | InputError) for event in contents.events)


@given(st.text(max_size=12))
def test_every_text_is_a_path_or_no_path(text: str) -> None:
    try:
        path = parse_path(text)
    except ValueError as error:
        assert repr(text) in str(error)
    else:
        assert path and all(path)
        assert found({}, path) is None


def test_keys_with_dots_are_quoted() -> None:
    assert parse_path('labels."service.name".0') == ("labels", "service.name", "0")


def test_the_example_of_the_docs_reads_the_document_beside_it() -> None:
    section = DOCS.partition("## Formats of your own\n")[2]
    document = section.partition("`{")[2].partition("}`")[0]
    text = section.partition("```toml\n")[2].partition("```")[0]
    (alert,) = read(json.loads("{" + document + "}"), text).alerts
    assert (alert.name, alert.status, alert.severity) == ("Disk full", Status.FIRING, Severity.CRITICAL)
    assert (alert.starts_at, alert.labels) == (AT - 30_000, {"app": "db"})
    assert alert.fingerprint


@pytest.mark.parametrize(("model", "title"), [(FormatConfig, "Keys of a format"), (FormatPaths, "Keys of `paths`")])
def test_every_key_is_documented(model: Any, title: str) -> None:
    section = DOCS.partition(f"### {title}\n")[2].partition("\n#")[0]
    assert documented(section) == dict(accepted(model))
