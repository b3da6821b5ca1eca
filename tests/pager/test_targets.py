from __future__ import annotations

import io
import json

import aiohttp
import msgspec
import pydantic
import pytest
import structlog
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from correlator.config_pager import PagerConfig, PagerDutyTarget, WebhookTarget
from correlator.domain import Action
from correlator.errors import ConfigError
from correlator.pager.alertmanager import Alertmanager, AlertmanagerWebhook
from correlator.pager.connection import Outage
from correlator.pager.console import text_of
from correlator.pager.courier import Channel
from correlator.pager.exchange import Backoff, Delivered
from correlator.pager.gate import Gate, Policy
from correlator.pager.intake import Poison, decode
from correlator.pager.jsm import Jsm
from correlator.pager.links import Links
from correlator.pager.mark import NOTHING, mark_after
from correlator.pager.metrics import PagerMetrics
from correlator.pager.pagerduty import PagerDuty
from correlator.pager.routes import Routes
from correlator.pager.slack import SlackWebhook
from correlator.pager.targets import channels
from correlator.pager.transports import Topics
from correlator.pager.web import application
from correlator.pager.webhook import Webhook
from tests.pager.incidents import incident, paged

KEY = "0123456789abcdef0123456789abcdef"
TOPICS = Topics({})


async def test_a_missing_secret_is_named_and_every_problem_told_at_once() -> None:
    pager = PagerConfig(
        targets=(
            PagerDutyTarget(name="pd", routing_key_env="PD_KEY"),
            WebhookTarget(name="hook", url="ftp://x", token_env="HOOK_TOKEN"),
        )
    )
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ConfigError) as caught:
            channels(pager, environ={}, session=session, topics=TOPICS, windows=tuple, console=None)
    assert [word in str(caught.value) for word in ("PD_KEY", "HOOK_TOKEN", "http://")] == [True, True, True]


async def test_a_pager_without_a_target_is_an_error() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ConfigError, match="no target"):
            channels(PagerConfig(), environ={}, session=session, topics=TOPICS, windows=tuple, console=None)


async def test_targets_are_built_with_their_secrets() -> None:
    pager = PagerConfig(targets=(PagerDutyTarget(name="pd"), WebhookTarget(name="hook", url="http://x/y")))
    async with aiohttp.ClientSession() as session:
        made = channels(
            pager, environ={"PAGERDUTY_ROUTING_KEY": KEY}, session=session, topics=TOPICS, windows=tuple, console=None
        )
    assert [(channel.dialect.name, channel.per_minute) for channel in made] == [("pd", 110), ("hook", None)]
    event = paged()
    request = made[0].dialect.request(event, made[0].dialect.step(event, NOTHING, missed=False, now=0.0), 0.0)
    assert request.url == "https://events.pagerduty.com/v2/enqueue"
    assert msgspec.json.decode(request.body)["routing_key"] == KEY


ALL_KINDS: list[dict[str, object]] = [
    {"type": "pagerduty", "name": "pd", "routing_key_envs": {"db": "PD_DB"}},
    {"type": "jsm", "name": "jsm", "api_key_envs": {"db": "JSM_DB"}},
    {"type": "alertmanager", "name": "am", "url": "http://am:9093", "token_env": "AM_TOKEN"},
    {"type": "alertmanager_webhook", "name": "irm", "url": "http://irm", "token_env": "IRM_TOKEN"},
    {"type": "slack", "name": "chat", "url_env": "SLACK_URL", "url_envs": {"db": "SLACK_DB"}},
    {"type": "slack", "name": "bot", "token_env": "SLACK_TOKEN", "channel": "C1"},
    {"type": "webhook", "name": "hook", "url": "http://hook", "secret_env": "HOOK_SECRET"},
    {"type": "kafka", "name": "topic", "topic": "t"},
    {"type": "console", "name": "screen"},
]
VARIABLES = {
    "PAGERDUTY_ROUTING_KEY": KEY,
    "PD_DB": "d" * 32,
    "JSM_API_KEY": "j",
    "JSM_DB": "jd",
    "AM_TOKEN": "a",
    "IRM_TOKEN": "i",
    "SLACK_URL": "https://hooks.example/1",
    "SLACK_DB": "https://hooks.example/2",
    "SLACK_TOKEN": "xoxb-1",
    "HOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}


async def built(pager: PagerConfig, environ: dict[str, str]) -> dict[str, Channel]:
    async with aiohttp.ClientSession() as session:
        made = channels(pager, environ=environ, session=session, topics=TOPICS, windows=tuple, console=None)
    return {channel.dialect.name: channel for channel in made}


async def test_every_kind_of_target_is_built_and_speaks() -> None:
    made = await built(PagerConfig.model_validate({"targets": ALL_KINDS}), VARIABLES)
    assert list(made) == [target["name"] for target in ALL_KINDS]
    event = paged()
    for channel in made.values():
        step = channel.dialect.step(event, NOTHING, missed=False, now=0.0)
        assert channel.dialect.request(event, step, 0.0).body


async def test_of_all_targets_every_missing_variable_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        await built(PagerConfig.model_validate({"targets": ALL_KINDS}), {})
    assert [name for name in VARIABLES if name not in str(caught.value)] == []
    assert "pager.targets.pd.routing_key_envs.db" in str(caught.value)


@pytest.mark.parametrize("secret", ["whsec_!hush", "whsec_", f"{VARIABLES['HOOK_SECRET']} whsec_hush"])
async def test_a_signing_secret_that_is_none_is_told_without_showing_it(secret: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await built(PagerConfig.model_validate({"targets": ALL_KINDS}), VARIABLES | {"HOOK_SECRET": secret})
    assert "secret_env" in str(caught.value)
    assert "hush" not in str(caught.value)


async def test_a_resolve_finds_the_key_of_the_opening_after_the_table_has_changed() -> None:
    before = PagerConfig.model_validate(
        {"targets": [{"type": "pagerduty", "name": "pd", "routing_key_envs": {"payments": "PD_DB"}}]}
    )
    after = PagerConfig.model_validate({"targets": [{"type": "pagerduty", "name": "pd"}]})
    opening = (await built(before, VARIABLES))["pd"].dialect.step(paged(), NOTHING, missed=False, now=0.0)
    mark = mark_after(paged(), opening, NOTHING, Delivered(), partition=0, at=0)
    assert "d" * 32 not in msgspec.json.encode(mark).decode(), "no secret is written to Kafka"
    dialect = (await built(after, VARIABLES))["pd"].dialect
    # The owner has changed too.
    end = incident(revision=2, action=Action.RESOLVED, team="another")
    request = dialect.request(end, dialect.step(end, mark, missed=False, now=0.0), 0.0)
    assert msgspec.json.decode(request.body)["routing_key"] == "d" * 32


async def test_what_interrupts_a_human_is_behind_quiet_hours_and_windows_unless_told_otherwise() -> None:
    settings = {"targets": [*ALL_KINDS, {"type": "jsm", "name": "free", "quiet_hours": False, "windows": False}]}
    made = await built(PagerConfig.model_validate(settings), VARIABLES)

    def policy(name: str) -> Policy:
        gate = made[name].dialect
        assert isinstance(gate, Gate)
        return gate.policy

    assert {name for name in made if policy(name).quiet_hours} == {"pd", "jsm", "am", "irm"}
    assert {name for name in made if made[name].hour_class} == {"pd", "jsm", "am", "irm"}
    assert {name for name in made if policy(name).windows} == {"pd", "jsm", "am", "irm", "chat", "bot"}


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ({"type": "slack", "name": "a"}, "either url_env"),
        ({"type": "slack", "name": "a", "url_env": "U", "token_env": "T", "channel": "C"}, "either url_env"),
        ({"type": "slack", "name": "a", "token_env": "T"}, "needs a channel"),
        ({"type": "slack", "name": "a", "url_env": "U", "channels": {"x": "C"}}, "channels to token_env"),
        ({"type": "kafka", "name": "a", "topic": "no/topic"}, "topic"),
        ({"type": "webhook", "name": "a", "url": "http://x", "quiet_hours": True}, "quiet_hours"),
        ({"type": "pagerduty", "name": "a", "min_severity": "unknown"}, "min_severity"),
    ],
)
def test_a_target_that_cannot_be_is_refused(target: dict[str, object], problem: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=problem):
        PagerConfig.model_validate({"targets": [target]})


@pytest.mark.parametrize(
    "template", ["https://x/{nonsense}", "https://x/{0}", "https://x/{", "ftp://x", "{service}", "{service.x}"]
)
def test_a_template_of_links_that_cannot_be_filled_in_is_refused(template: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=r"filled in|http"):
        PagerConfig(runbook_url=template)


def test_a_link_quotes_what_is_filled_in_and_is_left_out_where_there_is_nothing_to_fill_in() -> None:
    links = Links(incident_url="https://i/{incident_id}", runbook_url="https://r/{alert}?s={service}")
    event = paged()
    root = msgspec.structs.replace(event.root_cause, alert="a b/c", service="x&y")
    named = msgspec.structs.replace(event, root_cause=root)
    assert links.of(named) == [("Incident", "https://i/inc-00000001"), ("Runbook", "https://r/a%20b%2Fc?s=x%26y")]
    silent = msgspec.structs.replace(event, root_cause=msgspec.structs.replace(event.root_cause, alert=None))
    assert [text for text, _ in links.of(silent)] == ["Incident"]
    assert Links().of(event) == []


def test_what_an_alert_brought_comes_before_what_is_made_of_a_template() -> None:
    links = Links(runbook_url="https://r/{alert}", dashboard_url="https://d/{service}")
    brought = incident(page=True, links={"runbook": "https://wiki/postgres", "source": "https://prom/graph"})
    assert links.of(brought) == [
        ("Runbook", "https://wiki/postgres"),
        ("Dashboard", "https://d/payments-db"),
        ("Alert", "https://prom/graph"),
    ]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://x/y", "https://u:p@host/", "https://x/" + "y" * 2000])
def test_a_link_that_a_target_could_refuse_a_page_for_is_none(url: str) -> None:
    links = Links(runbook_url="https://r/{alert}")
    bad = incident(page=True, links={"runbook": url, "source": url, "something-new": "https://n/1"})
    assert links.of(bad) == [("Runbook", "https://r/PostgresDown")]


def test_every_target_shows_what_the_alerts_brought() -> None:
    brought = {
        "runbook": "https://wiki/a%3Cb",
        "dashboard": "https://graf/d/1",
        "source": "https://prom/graph?g0.expr=up",
    }
    event = incident(page=True, links=brought)
    routes = Routes(table={}, default="d", addresses={"d": "https://hooks.example/x"})
    for dialect in (
        PagerDuty(name="pd", base_url="https://e.example", routes=routes),
        SlackWebhook(name="slack", routes=routes),
        Jsm(name="jsm", base_url="https://j.example", routes=routes),
        Alertmanager(name="am", url="https://am.example"),
        AlertmanagerWebhook(name="irm", url="https://irm.example"),
        Webhook(name="hook", url="https://hook.example"),
    ):
        body = dialect.request(event, dialect.step(event, NOTHING, missed=False, now=0.0), 0.0).body.decode()
        assert [url for url in brought.values() if url not in body] == [], dialect.name
    assert "runbook https://wiki/a%3Cb" in text_of(event)


async def test_links_of_the_configuration_reach_whoever_is_paged() -> None:
    templates = {f"{name}_url": f"https://{name}.example/{{service}}" for name in ("incident", "runbook", "dashboard")}
    config = PagerConfig.model_validate({"targets": [{"type": "pagerduty", "name": "pd"}], **templates})
    dialect = (await built(config, VARIABLES))["pd"].dialect
    body = dialect.request(paged(), dialect.step(paged(), NOTHING, missed=False, now=0.0), 0.0).body
    assert [link["href"] for link in json.loads(body)["links"]] == [
        f"https://{name}.example/payments-db" for name in ("incident", "runbook", "dashboard")
    ]


async def test_the_terminal_prints_what_it_is_given() -> None:
    screen = io.StringIO()
    async with aiohttp.ClientSession() as session:
        (channel,) = channels(PagerConfig(), environ={}, session=session, topics=TOPICS, windows=tuple, console=screen)
        event = paged()
        request = channel.dialect.request(event, channel.dialect.step(event, NOTHING, missed=False, now=0.0), 0.0)
        reply = await channel.transport(request)
    assert reply.status == 200
    assert "PAGE" in screen.getvalue()


def test_an_incident_event_survives_the_wire() -> None:
    assert decode(msgspec.json.encode(paged())) == paged()


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        (b"\xff\xfe", "not_json"),
        (b"", "not_json"),
        (b"{", "not_json"),
        (b'{"x": ' + b"[" * 100_000, "not_json"),
        (b"[]", "wrong_schema"),
        (b'{"schema": "incident-event/1"}', "wrong_schema"),
        (msgspec.json.encode(msgspec.structs.replace(paged(), schema="incident-event/2")), "wrong_schema"),
        (msgspec.json.encode(msgspec.structs.replace(paged(), incident_id="")), "wrong_schema"),
        (msgspec.json.encode(msgspec.structs.replace(paged(), revision=0)), "wrong_schema"),
        (msgspec.json.encode(msgspec.structs.replace(paged(), incident_id="a\r\nX-Admin: 1")), "wrong_schema"),
        (msgspec.json.encode(msgspec.structs.replace(paged(), started_at="yesterday")), "wrong_schema"),
        (msgspec.json.encode(msgspec.structs.replace(paged(), published_at="0001-01-01T00:00:00Z")), "wrong_schema"),
        (msgspec.json.encode(msgspec.structs.replace(paged(), resolved_at="2026-11-24T03:00:00")), "wrong_schema"),
    ],
)
def test_what_is_no_incident_event_is_told_apart(value: bytes, outcome: str) -> None:
    with pytest.raises(Poison) as caught:
        decode(value)
    assert caught.value.outcome == outcome


async def test_readiness_is_that_of_every_target_and_liveness_of_none() -> None:
    states = {"pd": True, "hook": False}
    metrics = PagerMetrics(CollectorRegistry())
    metrics.notifications.labels("pd", "trigger", "delivered").inc()
    async with TestClient(TestServer(application(metrics.registry, readiness=lambda: states))) as client:
        assert (await client.get("/health")).status == 200
        assert (await client.get("/ready")).status == 503
        states["hook"] = True
        assert (await client.get("/ready")).status == 200
        text = await (await client.get("/metrics")).text()
    assert 'correlator_notifications_total{action="trigger",outcome="delivered",target="pd"} 1.0' in text


def test_an_outage_is_told_of_once_paced_and_over_with_the_first_success() -> None:
    outage = Outage(lambda: 0.5, backoff=Backoff(min_seconds=1, max_seconds=4))
    with structlog.testing.capture_logs() as logs:
        outage.succeeded()
        assert not outage.lasting
        assert [outage.failed("no route") for _ in range(4)] == [1.5, 2.5, 2.5, 2.5]
        assert outage.lasting
        outage.succeeded()
        assert not outage.lasting
    assert [(entry["log_level"], entry["event"]) for entry in logs] == [
        ("warning", "Kafka does not serve, waiting"),
        ("info", "Kafka serves again"),
    ]
