"""What the pager reads: incident events, replies of the targets, windows."""

from __future__ import annotations

import msgspec

from correlator.domain import IncidentEvent
from correlator.pager.alertmanager import Alertmanager, AlertmanagerWebhook
from correlator.pager.cloudevents import CloudEvents
from correlator.pager.console import Console
from correlator.pager.exchange import Delivered, Refused, Reply, Retry
from correlator.pager.intake import Poison, decode
from correlator.pager.jsm import Jsm
from correlator.pager.links import Links
from correlator.pager.mark import NOTHING, Dialect, Verb
from correlator.pager.pagerduty import PagerDuty
from correlator.pager.routes import Routes
from correlator.pager.slack import SlackBot, SlackWebhook
from correlator.pager.webhook import Webhook
from correlator.pager.windowbook import parse, state_of
from correlator.pager.windows import silencing
from correlator.pager.windowtopic import understood
from tests.fuzz.targets.messages import split
from tests.pager.incidents import incident as an_incident

_NOW = 1_795_405_230.0
_KEY = "0123456789abcdef0123456789abcdef"
_ROUTES = Routes(default="KEY", addresses={"KEY": _KEY})
_LINKS = Links(incident_url="https://i.example/{incident_id}", runbook_url="https://r.example/{alert}?s={service}")
_DIALECTS: tuple[Dialect, ...] = (
    PagerDuty(name="pagerduty", base_url="https://pd.example", routes=_ROUTES, links=_LINKS),
    Jsm(name="jsm", base_url="https://jsm.example", routes=_ROUTES, responders={}, links=_LINKS),
    SlackBot(name="bot", base_url="https://s.example", token="xoxb", routes=_ROUTES, links=_LINKS),
    SlackWebhook(name="slack", routes=_ROUTES, links=_LINKS),
    Alertmanager(name="am", url="https://am.example", token=None, resend_seconds=60, labels={}, links=_LINKS),
    AlertmanagerWebhook(name="irm", url="https://irm.example", token=None, links=_LINKS),
    Webhook(name="hook", url="https://h.example", token=None),
    CloudEvents(name="topic", topic="t", mode="structured", source="/c", type_prefix="x"),
    CloudEvents(name="binary", topic="t", mode="binary", source="/c", type_prefix="x"),
    Console(name="console", colour=True),
)


def reply(data: bytes) -> None:
    """Let every target judge a reply: the status in the first line, headers, an empty line, the body."""
    status, _, rest = data.partition(b"\n")
    headers, body = split(rest)
    answer = Reply(status=200 + int.from_bytes(status[-2:]) % 400, headers=headers, body=body)
    for dialect in _DIALECTS:
        verdict = dialect.verdict(answer, _NOW)
        assert isinstance(verdict, Delivered | Refused | Retry)
        if isinstance(verdict, Retry) and verdict.after_seconds is not None:
            assert 0 <= verdict.after_seconds <= 3600
        if isinstance(verdict, Refused):
            assert _KEY not in verdict.detail and len(verdict.detail) < 1000


def incident(data: bytes) -> None:
    """Read an incident event and tell every target of it."""
    try:
        event = decode(data)
    except Poison as poison:
        assert str(poison)
        return
    assert decode(msgspec.json.encode(event)) == event
    for dialect in _DIALECTS:
        _told(dialect, event)


def _told(dialect: Dialect, event: IncidentEvent) -> None:
    step = dialect.step(event, NOTHING, missed=False, now=_NOW)
    if step.verb is Verb.NONE:
        return
    request = dialect.request(event, step, _NOW)
    assert isinstance(request.body, bytes)
    if request.url.startswith("https:"):
        assert all(text.isprintable() for text in request.headers.values())


def windows(data: bytes) -> None:
    """Read windows from a file and from a topic, and ask each whether it silences an incident."""
    found, problems = parse(data)
    assert all(problems)
    try:
        found += (understood("w", data),)
    except ValueError as error:
        assert str(error)
    silencing(found, an_incident(), _NOW)
    for window in found:
        assert state_of(window, _NOW) in ("open", "waiting", "over")
