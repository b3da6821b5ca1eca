"""What we say has every field of the documented examples, of the same type; what it has not is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from correlator.domain import IncidentEvent
from correlator.pager.alertmanager import AlertmanagerWebhook
from correlator.pager.cloudevents import CloudEvents
from correlator.pager.exchange import Delivered, Reply, Request
from correlator.pager.jsm import Jsm
from correlator.pager.links import Links
from correlator.pager.mark import NOTHING, Dialect, Verb
from correlator.pager.pagerduty import PagerDuty
from correlator.pager.routes import Routes
from correlator.pager.slack import SlackBot
from correlator.pager.webhook import Webhook
from tests.pager.incidents import incident

EXAMPLES = Path(__file__).parents[3] / "shared" / "payloads" / "output"
LINKS = Links(incident_url="https://i.example/{incident_id}", runbook_url="https://r.example/{alert}")
EVENT = incident(page=True, changes=[{"summary": "deploy", "image_url": "https://g.example/1.png"}])
ROUTES = Routes(default="d", addresses={"d": "0123456789abcdef0123456789abcdef"})
PAGERDUTY = PagerDuty(name="pd", base_url="https://e.example", routes=ROUTES, links=LINKS)
JSM = Jsm(name="jsm", base_url="https://j.example", routes=ROUTES, responders={"payments": "Payments"}, links=LINKS)
SLACK = SlackBot(name="slack", base_url="https://s.example", token="t", routes=ROUTES, links=LINKS)
ALERTMANAGER = AlertmanagerWebhook(name="irm", url="https://a.example", links=LINKS)
WEBHOOK = Webhook(name="hook", url="https://h.example", secrets=("whsec_" + "AQEB" * 8,))

#: Examples of what we do not say, and why.
NOT_OURS = {
    "grafana_irm_formatted_webhook.json": "IRM takes Alertmanager's shape too, which tells more",
    "slack_webhook_by_alertmanager.json": "attachments, which Slack calls a legacy: we send blocks",
    "pagerduty_events_v2_response_202.json": "PagerDuty's answer",
}


def said(dialect: Dialect, verb: Verb = Verb.TRIGGER, event: IncidentEvent = EVENT) -> Request:
    step = msgspec.structs.replace(dialect.step(event, NOTHING, missed=False, now=0.0), verb=verb)
    return dialect.request(event, step, 0.0)


def body(dialect: Dialect, verb: Verb = Verb.TRIGGER) -> Any:
    return json.loads(said(dialect, verb).body)


def record(mode: Any) -> Any:
    dialect = CloudEvents(name="k", topic="incidents", mode=mode, source="/eu", type_prefix="io.example.incident")
    request = said(dialect, Verb.POST)
    kafka = {"topic": request.url, "key": request.key, "headers": dict(request.headers)}
    return {"kafka": kafka, "value": json.loads(request.body)}


def webhook() -> Any:
    request = said(WEBHOOK, Verb.POST)
    headers = {name.lower(): text for name, text in request.headers.items()}
    return {"secret": WEBHOOK.secrets[0], "headers": headers, "body": request.body.decode()}


#: What is said in place of each example, and what that lacks: words of the example's own, and what is optional.
SAID: Mapping[str, tuple[Callable[[], Any], set[str]]] = {
    "alertmanager_webhook_v4_from_correlator.json": (lambda: body(ALERTMANAGER), set()),
    # Our value is the incident event, whose schema is ours; no address of it is published.
    "cloudevents_kafka_binary.json": (
        lambda: record("binary"), {".kafka.headers.ce_dataschema", ".value.id", ".value.state"},
    ),
    "cloudevents_kafka_structured.json": (
        lambda: record("structured"), {".value.dataschema", ".value.data.id", ".value.data.state"},
    ),
    "jsm_ops_integration_alert.json": (lambda: body(JSM), set()),
    # `details` are free; the severity is the priority there.
    "opsgenie_create_alert_by_alertmanager.json": (
        lambda: body(JSM), {".details.alertname", ".details.cluster", ".details.severity"},
    ),
    "pagerduty_events_v2_ack_resolve.json": (
        lambda: [body(PAGERDUTY, Verb.ACKNOWLEDGE), body(PAGERDUTY, Verb.RESOLVE)], set(),
    ),
    # Two keys and the action are all that a resolve needs.
    "pagerduty_events_v2_resolve_by_alertmanager.json": (
        lambda: body(PAGERDUTY, Verb.RESOLVE), {".payload", ".client", ".client_url"},
    ),
    # `custom_details` are free.
    "pagerduty_events_v2_trigger_by_alertmanager.json": (
        lambda: body(PAGERDUTY),
        {f".payload.custom_details.{name}" for name in ("firing", "num_firing", "num_resolved", "resolved")},
    ),
    "pagerduty_events_v2_trigger_example.json": (
        lambda: body(PAGERDUTY),
        {".images[0].href", *(f".payload.custom_details.{name}" for name in ("free space", "ping time", "load avg"))},
    ),
    # The counts are together in `counts`, the reasons beside the root; of an alert more is told than its fingerprint.
    "pagerduty_events_v2_trigger_from_correlator.json": (
        lambda: body(PAGERDUTY),
        {f".payload.custom_details.{name}" for name in (
            "alert_count", "suppressed_count", "root_cause.why", "alerts_sample[0]")},
    ),
    "slack_blocks_incident.json": (lambda: body(SLACK), set()),
    "standard_webhooks_incident.json": (webhook, set()),
}  # fmt: skip


def lacking(example: Any, ours: Any, at: str = "") -> set[str]:
    """Return where ours has not what the example has, or something of another type.

    Of a list each item of the example must have an equal in ours.
    """
    if isinstance(example, dict) and isinstance(ours, dict):
        found = {f"{at}.{key}" for key in example.keys() - ours.keys()}
        return found.union(*(lacking(example[key], ours[key], f"{at}.{key}") for key in example.keys() & ours.keys()))
    if isinstance(example, list) and isinstance(ours, list):
        best = [min((lacking(one, item, f"{at}[{place}]") for item in ours), key=len, default={f"{at}[{place}]"})
                for place, one in enumerate(example)]  # fmt: skip
        return set().union(*best)
    if isinstance(example, str):
        # `type` and the like are words of a closed set, which nothing else may stand for.
        same = isinstance(ours, str) and (not at.endswith(".type") or ours == example)
    elif isinstance(example, bool) or example is None:
        same = type(ours) is type(example)
    else:
        same = isinstance(ours, int | float) and not isinstance(ours, bool)
    return set() if same else {at}


@pytest.fixture(scope="module")
def examples() -> Path:
    if not EXAMPLES.is_dir():
        pytest.skip("the example payloads are not beside the repository")
    return EXAMPLES


@pytest.mark.parametrize("name", SAID)
def test_what_we_say_has_the_shape_of_the_example(name: str, examples: Path) -> None:
    ours, differences = SAID[name]
    assert lacking(json.loads((examples / name).read_text()), ours()) == differences


def test_every_example_is_compared_or_not_ours_to_say(examples: Path) -> None:
    assert {file.name for file in examples.iterdir()} == SAID.keys() | NOT_OURS.keys()


def test_the_answer_of_pagerduty_is_taken_for_one(examples: Path) -> None:
    answer = (examples / "pagerduty_events_v2_response_202.json").read_bytes()
    assert PAGERDUTY.verdict(Reply(status=202, body=answer), 0.0) == Delivered()


@pytest.mark.parametrize(
    ("example", "ours", "differences"),
    [
        ({"a": 1, "b": {"c": "x"}}, {"a": 2.5, "b": {"c": "y"}, "d": 0}, set()),
        ({"a": 1, "b": {"c": "x"}}, {"a": "1", "b": {}}, {".a", ".b.c"}),
        ({"a": [{"b": 1}]}, {"a": []}, {".a[0]"}),
        ([{"type": "button", "url": "u"}], [{"type": "text"}, {"type": "button", "url": "v"}], set()),
        ([{"type": "button"}], [{"type": "text"}], {"[0].type"}),
        ({"a": True}, {"a": 1}, {".a"}),
        ({"a": 1}, {"a": True}, {".a"}),
        ({"a": "x"}, {"a": {"b": "x"}}, {".a"}),
    ],
)
def test_a_difference_in_shape_is_found(example: Any, ours: Any, differences: set[str]) -> None:
    assert lacking(example, ours) == differences
