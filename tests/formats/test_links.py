"""Links: what a sender gives a human to read more is known by its kind; what could break a page is none."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.config import Config, FormatConfig
from correlator.domain import AlertEvent
from correlator.formats.links import MAX_URL_CHARACTERS, address, links_of
from correlator.formats.mapped import mapped
from correlator.formats.reading import Formats
from correlator.shell.ingest import Message, Reader
from tests.formats.examples import AT, EXAMPLES
from topology.graph import ServiceGraph

#: https://datatracker.ietf.org/doc/html/rfc3986#appendix-A, as far as links need it.
_URL = re.compile(
    r"https?://[^/?#@\s]+(?:[/?](?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?"
    r"(?:#(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?",
    re.IGNORECASE,
)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://runbooks.example/HighErrorRate", "https://runbooks.example/HighErrorRate"),
        (" http://prom:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1 ", "http://prom:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1"),
        ("https://g.example", "https://g.example"),
        ("http://[::1]:3000/d/x", "http://[::1]:3000/d/x"),
        ("https://g/explore?left={\"a\":[1]}", "https://g/explore?left=%7B%22a%22:%5B1%5D%7D"),
        ("https://wiki/Störung#a#b", "https://wiki/St%C3%B6rung#a%23b"),
        ("https://wiki/100%/x|y>", "https://wiki/100%25/x%7Cy%3E"),
        ("javascript:alert(1)", ""),
        ("ftp://files/x", ""),
        ("//runbooks/x", ""),
        ("https://", ""),
        ("https://admin:pw@host/x", ""),
        ("https://host:port/x", ""),
        ("https://a/b see also https://c", ""),
        ("https://a/b\nhttps://c", ""),
        ("see https://a/b", ""),
        ("https://a/" + "x" * MAX_URL_CHARACTERS, ""),
        ("https://a/" + "ä" * (MAX_URL_CHARACTERS // 3), ""),
    ],
)  # fmt: skip
def test_an_address_is_one_of_http_that_every_target_takes(text: str, url: str) -> None:
    assert address(text) == url


@given(st.one_of(st.text(), st.text().map("https://host/{}".format), st.from_regex(r"https?://[a-z]+[/?#].*")))
def test_whatever_a_sender_writes_is_a_whole_address_or_none(text: str) -> None:
    found = address(text)
    assert not found or (_URL.fullmatch(found) and len(found) <= MAX_URL_CHARACTERS)
    assert address(found) == found


def test_what_is_no_text_or_too_long_for_an_address_is_passed_over() -> None:
    odd = {"runbook": ["https://r/1"], "runbook_url": {"a": 1}, "dashboard": True, "dashboard_url": "x" * 1_000_000}
    assert links_of(odd, source=7) == {}
    assert links_of(odd, runbook="https://r/2") == {"runbook": "https://r/2"}


def test_the_first_name_that_holds_an_address_counts() -> None:
    assert links_of({"runbook_url": "todo", "runbook": "https://r/1", "dashboard": 7}) == {"runbook": "https://r/1"}
    fields = {"runbook_url": "https://r/2", "dashboard_url": "https://d/annotated"}
    assert links_of(fields, dashboard="https://d/own", source="") == {
        "runbook": "https://r/2",
        "dashboard": "https://d/own",
    }


def event_of(document: Any, config: Config | None = None, **headers: bytes) -> AlertEvent:
    value = json.dumps(document).encode()
    message = Message(topic="alerts", partition=0, offset=0, timestamp=AT, value=value, headers=headers)
    reading = Reader(config or Config(), ServiceGraph.empty(), None).read(message)
    assert not reading.refused
    return next(iter(reading.scopes.values()))[0]


_GROUP = EXAMPLES["grafana"]
_PAGES = {
    "generatorURL": "https://g/alerting/1/edit", "dashboardURL": "https://g/d/1", "panelURL": "https://g/d/1?viewPanel=2",
}  # fmt: skip
_AZURE = EXAMPLES["azure"]
_SENTRY_EVENT = {"issue_id": "1", "title": "x", "web_url": "https://sentry/issues/1/"}
_DETAILS = {"summary": "s", "source": "h", "severity": "error"}


@pytest.mark.parametrize(
    ("document", "links"),
    [
        (
            {"status": "firing", "name": "N", "starts_at": "2026-11-23T03:40:00Z", "url": "https://m/1",
             "annotations": {"runbook_url": "https://r/N", "dashboard_url": "https://d/N"}},
            {"runbook": "https://r/N", "dashboard": "https://d/N", "source": "https://m/1"},
        ),
        (EXAMPLES["alertmanager"], {"source": "http://prometheus.example.org/graph?g0.expr=y"}),
        (
            EXAMPLES["prometheus"] | {"generatorURL": "http://p:9090/graph?g0.expr=up"},
            {"runbook": "https://runbooks.example.org/HighErrorRate", "source": "http://p:9090/graph?g0.expr=up"},
        ),
        (
            _GROUP | {"alerts": [_GROUP["alerts"][0] | _PAGES]},
            {"dashboard": "https://g/d/1?viewPanel=2", "source": "https://g/alerting/1/edit"},
        ),
        (_GROUP | {"alerts": [_GROUP["alerts"][0] | _PAGES | {"panelURL": "", "generatorURL": ""}]},
         {"dashboard": "https://g/d/1"}),
        (EXAMPLES["grafana-legacy"], {"source": "https://g.example/d/x"}),
        (
            {"routing_key": "k", "event_action": "trigger", "payload": _DETAILS, "client_url": "https://c/1",
             "links": [{"href": "https://x", "text": "Graph"}, {"href": "https://r/1", "text": "The Runbook"}, 7,
                       {"href": "https://d/1", "text": "Dashboard"}]},
            {"runbook": "https://r/1", "dashboard": "https://d/1", "source": "https://c/1"},
        ),
        (
            {"routing_key": "k", "event_action": "trigger", "links": [{"href": "https://x"}],
             "payload": _DETAILS | {"custom_details": {"runbook_url": "https://r/2"}}},
            {"runbook": "https://r/2", "source": "https://x"},
        ),
        (
            {"routing_key": "k", "payload": _DETAILS, "links": [{"href": "https://ci/220", "text": "View"}]},
            {"source": "https://ci/220"},
        ),
        (
            {"alert_transition": "Triggered", "alert_title": "t", "link": "https://dd/monitors/1",
             "tags": "runbook:https://r/3,team:a"},
            {"runbook": "https://r/3", "source": "https://dd/monitors/1"},
        ),
        ({"incident": EXAMPLES["gcp"]["incident"] | {"url": "https://console/1"}}, {"source": "https://console/1"}),
        (
            _AZURE | {"data": _AZURE["data"] | {
                "essentials": _AZURE["data"]["essentials"] | {"investigationLink": "https://portal/1"},
                "customProperties": {"runbook_url": "https://r/4"}}},
            {"runbook": "https://r/4", "source": "https://portal/1"},
        ),
        (
            {"incident_id": 1, "current_state": "open", "condition_name": "c", "incident_url": "https://nr/1",
             "runbook_url": "http://r/5"},
            {"runbook": "http://r/5", "source": "https://nr/1"},
        ),
        (
            {"id": "1", "issueUrl": "https://nr/accounts/1/issues/1", "state": "ACTIVATED", "title": "t"},
            {"source": "https://nr/accounts/1/issues/1"},
        ),
        ({"action": "triggered", "data": {"event": _SENTRY_EVENT, "triggered_rule": "r"}},
         {"source": "https://sentry/issues/1/"}),
        (
            {"action": "critical", "data": {"metric_alert": {"alert_rule": {"id": 7}}, "web_url": "https://sentry/a/1/"}},
            {"source": "https://sentry/a/1/"},
        ),
        ({"action": "created", "data": {"issue": {"id": 1, "shortId": "A-1", "web_url": "https://sentry/i/1/"}}},
         {"source": "https://sentry/i/1/"}),
        (
            EXAMPLES["zabbix"] | {"url": "https://zabbix.example/", "trigger_id": "14", "event_id": "10"},
            {"source": "https://zabbix.example/tr_events.php?triggerid=14&eventid=10"},
        ),
        (EXAMPLES["zabbix"] | {"url": "{$ZABBIX.URL}"}, {}),
        (
            {"hostname": "h", "trigger": "t", "severity": "High", "status": "PROBLEM", "link": "https://zabbix/10"},
            {"source": "https://zabbix/10"},
        ),
        (EXAMPLES["kibana"] | {"kibana.alert.url": "https://kibana/1"}, {"source": "https://kibana/1"}),
        (
            EXAMPLES["keep"] | {"url": "https://keep?alertId=1", "annotations": {"runbook": "https://r/6"}},
            {"runbook": "https://r/6", "source": "https://keep?alertId=1"},
        ),
        (
            {"action": "Create", "alert": {"alertId": "1", "message": "m", "details": {"runbook_url": "https://r/7"}}},
            {"runbook": "https://r/7"},
        ),
        (
            {"check": {"metadata": {"name": "c", "annotations": {"runbook": "https://r/8"}}, "status": 2},
             "entity": {"metadata": {"name": "e", "annotations": {"runbook": "https://r/9", "dashboard": "https://d/9"}}}},
            {"runbook": "https://r/8", "dashboard": "https://d/9"},
        ),
        (
            EXAMPLES["cloudwatch"],
            {"source": "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1"
                       "#alarmsV2:alarm/checkout-5xx-critical"},
        ),
        (EXAMPLES["cloudwatch"] | {"AlarmArn": "arn:aws-cn:cloudwatch:cn-north-1:1:alarm:x"}, {}),
    ],
)  # fmt: skip
def test_a_sender_tells_where_to_read_more(document: Any, links: dict[str, str]) -> None:
    assert event_of(document).links == links


def test_a_format_of_ones_own_says_where_links_stand() -> None:
    paths = {"name": "n", "runbook_url": "links.0", "dashboard_url": ["links.9", "board"], "url": "self"}
    own = mapped(FormatConfig.model_validate({"name": "own", "when": {"n": "*"}, "paths": paths}))
    document = {"n": "N", "links": ["https://r/1"], "board": "https://d/1", "self": "mailto:x"}
    (alert,) = Formats([own]).read(json.dumps(document).encode(), arrived_at=AT).alerts
    assert alert.links == {"runbook": "https://r/1", "dashboard": "https://d/1"}


# -- what must not be seen ------------------------------------------------------------------------------------------

_CANONICAL = {"status": "firing", "name": "N", "starts_at": "2026-11-23T03:40:00Z", "service": "shop"}


@pytest.mark.parametrize("url", ["https://g/d/1?password=hunter2", "https://g/d/1?u=a&password%3Dhunter2"])
def test_a_link_that_holds_a_secret_is_left_out(url: str) -> None:
    said = event_of(_CANONICAL | {"url": url, "annotations": {"runbook_url": "https://r/N"}})
    assert said.links == {"runbook": "https://r/N"}


def test_a_link_that_repeats_what_a_label_hides_is_left_out() -> None:
    config = Config.model_validate({"redaction": [{"names": ["customer"]}]})
    for value in ("acme", "ac me"):
        spelled = value.replace(" ", "%20")
        document = _CANONICAL | {"labels": {"customer": value}, "url": f"https://g/d/1?customer={spelled}"}
        assert event_of(document).links == {"source": f"https://g/d/1?customer={spelled}"}
        assert event_of(document, config).links == {}


@pytest.mark.parametrize("name", ["runbook_url", "runbook", "RUNBOOK*"])
def test_a_link_is_hidden_by_the_name_of_its_annotation(name: str) -> None:
    config = Config.model_validate({"redaction": [{"names": [name]}]})
    document = _CANONICAL | {"url": "https://m/1", "annotations": {"runbook_url": "https://r/N"}}
    assert event_of(document, config).links == {"source": "https://m/1"}
