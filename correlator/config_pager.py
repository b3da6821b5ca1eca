"""The pager's part of the configuration: targets with their routes, quiet hours, windows.

Secrets never stand in a file: a setting that ends in `_env` names the environment variable that holds one.
"""

from __future__ import annotations

from datetime import date, time, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

import pydantic
from pydantic import AwareDatetime, Field

from correlator.config_base import Seconds, Section

#: A window longer than this is a mistake or a decision to live without the alert; neither may silence for ever.
LONGEST_WINDOW = timedelta(days=31)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name!r}") from None
    return name


Zone = Annotated[str, pydantic.AfterValidator(_known_zone)]
FloorName = Literal["critical", "error", "warning", "info"]
HourClass = Literal["business", "off", "sleep"]
#: A critical incident is not among them: it is never held.
HoldableSeverity = Literal["error", "warning", "info", "unknown"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Pattern = Annotated[str, Field(min_length=1, max_length=255)]


class _TargetConfig(Section):
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")]
    timeout_seconds: Seconds = 10
    #: Incidents below it are not told, until they rise. `unknown` counts as `warning`.
    min_severity: FloorName = "info"


class _PagingTarget(_TargetConfig):
    """A target that hears of incidents that page, and of those only."""

    quiet_hours: bool = True
    windows: bool = True


class PagerDutyTarget(_PagingTarget):
    """PagerDuty Events API v2."""

    type: Literal["pagerduty"] = "pagerduty"
    base_url: str = "https://events.pagerduty.com"
    #: Name of the environment variable that holds the integration key of this target.
    routing_key_env: str = "PAGERDUTY_ROUTING_KEY"
    #: Route or team -> name of the environment variable that holds its integration key.
    routing_key_envs: dict[str, str] = {}
    #: PagerDuty accepts about 120 events a minute and key.
    events_per_minute: Annotated[int, Field(ge=1)] = 110


class JsmTarget(_PagingTarget):
    """Jira Service Management operations, and Opsgenie, which differs by its address only."""

    type: Literal["jsm"] = "jsm"
    base_url: str = "https://api.atlassian.com/jsm/ops/integration"
    api_key_env: str = "JSM_API_KEY"
    #: Route or team -> name of the environment variable that holds its integration's key.
    api_key_envs: dict[str, str] = {}
    #: Team here -> name of the team there, which is made a responder.
    responders: dict[str, str] = {}
    requests_per_minute: Annotated[int, Field(ge=1)] = 100


class AlertmanagerTarget(_PagingTarget):
    """Alertmanager's own API: an incident is one alert, renewed until it is resolved."""

    type: Literal["alertmanager"] = "alertmanager"
    url: str
    token_env: str | None = None
    #: An alert is sent again so often, and forgotten by Alertmanager after four times as long without us.
    resend_seconds: Annotated[float, Field(ge=1, le=3600)] = 60
    labels: dict[str, str] = {}


class AlertmanagerWebhookTarget(_PagingTarget):
    """Whatever takes the webhook of Alertmanager, version 4."""

    type: Literal["alertmanager_webhook"] = "alertmanager_webhook"
    url: str
    token_env: str | None = None


class SlackTarget(_PagingTarget):
    """Slack: an incoming webhook, or a bot whose message is edited in place."""

    type: Literal["slack"] = "slack"
    quiet_hours: bool = False
    #: Name of the environment variable that holds the address of an incoming webhook ...
    url_env: str | None = None
    #: ... and of those of routes or teams.
    url_envs: dict[str, str] = {}
    #: Name of the environment variable that holds a bot token, with the channel to write to.
    token_env: str | None = None
    channel: str = ""
    channels: dict[str, str] = {}
    base_url: str = "https://slack.com/api"
    #: Slack accepts about one message a second and channel.
    messages_per_minute: Annotated[int, Field(ge=1)] = 50

    @pydantic.model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.url_env is None) == (self.token_env is None):
            raise ValueError("give either url_env, of an incoming webhook, or token_env, of a bot")
        if self.token_env is not None and not self.channel:
            raise ValueError("token_env needs a channel")
        if (self.url_envs and self.url_env is None) or (self.channels and self.token_env is None):
            raise ValueError("url_envs belong to url_env, channels to token_env")
        return self


class WebhookTarget(_TargetConfig):
    """POST each incident event as it is."""

    type: Literal["webhook"] = "webhook"
    url: str
    #: Name of the environment variable that holds a bearer token.
    token_env: str | None = None
    #: Name of the environment variable that holds a signing secret (Standard Webhooks, `whsec_...`), or several.
    secret_env: str | None = None


class KafkaTarget(_TargetConfig):
    """Each incident event as a CloudEvent in a topic."""

    type: Literal["kafka"] = "kafka"
    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
    mode: Literal["binary", "structured"] = "binary"
    source: Annotated[str, Field(min_length=1)] = "/correlator"
    type_prefix: Annotated[str, Field(min_length=1)] = "io.correlator.incident"


class ConsoleTarget(_TargetConfig):
    """Print each incident event on standard output."""

    type: Literal["console"] = "console"


Target = Annotated[
    PagerDutyTarget
    | JsmTarget
    | AlertmanagerTarget
    | AlertmanagerWebhookTarget
    | SlackTarget
    | WebhookTarget
    | KafkaTarget
    | ConsoleTarget,
    Field(discriminator="type"),
]


class TeamHours(Section):
    """What one team does differently; what it leaves out is as for everybody."""

    time_zone: Zone | None = None
    classes: tuple[HourClass, ...] | None = None
    severities: tuple[HoldableSeverity, ...] | None = None
    holidays: tuple[date, ...] | None = None


class QuietHoursConfig(Section):
    """When pages that are not critical are held until the hours end. Without a class of hours nothing is held."""

    classes: tuple[HourClass, ...] = ()
    severities: tuple[HoldableSeverity, ...] = ("error", "warning", "info")
    time_zone: Zone = "UTC"
    holidays: tuple[date, ...] = ()
    teams: dict[str, TeamHours] = {}

    @pydantic.model_validator(mode="after")
    def _end(self) -> Self:
        for classes in (self.classes, *(team.classes for team in self.teams.values())):
            if len(set(classes or ())) == 3:
                raise ValueError("all three classes of hours are quiet: a held page would never go out")
        return self


class WindowConfig(Section):
    """A maintenance window or a silence: what it matches is not paged while it lasts.

    Either from `starts` to `ends`, or on `weekdays` from `daily_from` to `daily_to`, where `starts` and `ends` bound
    the recurrence. A matcher is a list of names, of which `*` and `?` are wildcards; all matchers must match.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,80}$")]
    kind: Literal["maintenance", "silence"] = "maintenance"
    author: Annotated[str, Field(min_length=1)]
    comment: Annotated[str, Field(min_length=1)]
    starts: AwareDatetime | None = None
    ends: AwareDatetime | None = None
    weekdays: tuple[Weekday, ...] = ()
    daily_from: time | None = None
    daily_to: time | None = None
    time_zone: Zone = "UTC"
    services: tuple[Pattern, ...] = ()
    teams: tuple[Pattern, ...] = ()
    scopes: tuple[Pattern, ...] = ()
    severities: tuple[Literal["critical", "error", "warning", "info", "unknown"], ...] = ()
    alerts: tuple[Pattern, ...] = ()

    @pydantic.model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.starts is not None and self.ends is not None and self.ends <= self.starts:
            raise ValueError("it ends before it starts")
        if self.weekdays or self.daily_from is not None or self.daily_to is not None:
            if not self.weekdays or self.daily_from is None or self.daily_to is None:
                raise ValueError("a weekly window needs weekdays, daily_from and daily_to")
            if self.daily_from.tzinfo is not None or self.daily_to.tzinfo is not None:
                raise ValueError("daily_from and daily_to are local times of time_zone")
            return self
        if self.starts is None or self.ends is None:
            raise ValueError("it needs starts and ends, or weekdays with daily_from and daily_to")
        if self.ends - self.starts > LONGEST_WINDOW:
            raise ValueError(f"it lasts longer than {LONGEST_WINDOW.days} days")
        return self

    @pydantic.model_validator(mode="after")
    def _matches_something(self) -> Self:
        named = (*self.services, *self.teams, *self.scopes, *self.alerts)
        if not any(pattern.strip("*") for pattern in named):
            raise ValueError("it names no service, team, scope or alert: it would silence everything")
        return self


class PagerConfig(Section):
    """The pager process: who hears of incidents, and when."""

    group_id: str = "correlator-pager"
    web_host: str = "127.0.0.1"
    web_port: Annotated[int, Field(ge=0, le=65_535)] = 6067
    backoff_min_seconds: Seconds = 1
    backoff_max_seconds: Seconds = 300
    #: Addresses to link to, with {incident_id}, {service}, {alert}, {team} and {scope} filled in.
    incident_url: str = ""
    runbook_url: str = ""
    dashboard_url: str = ""
    targets: tuple[Target, ...] = ()
    quiet_hours: QuietHoursConfig = QuietHoursConfig()
    windows: tuple[WindowConfig, ...] = ()
    #: More windows, read again whenever the file changes.
    windows_file: Path | None = None
    #: A compacted topic of more: key = id, value = a window as JSON, no value = taken back.
    windows_topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")] | None = None

    @pydantic.field_validator("targets")
    @classmethod
    def _names_differ(cls, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        names = [target.name for target in targets]
        if len(set(names)) != len(names):
            raise ValueError("two targets have the same name")
        return targets

    @pydantic.field_validator("windows")
    @classmethod
    def _ids_differ(cls, windows: tuple[WindowConfig, ...]) -> tuple[WindowConfig, ...]:
        ids = [window.id for window in windows]
        if len(set(ids)) != len(ids):
            raise ValueError("two windows have the same id")
        return windows

    @pydantic.field_validator("incident_url", "runbook_url", "dashboard_url")
    @classmethod
    def _fills_in(cls, template: str) -> str:
        try:
            filled = template.format(incident_id="i", service="s", alert="a", team="t", scope="x")
        except (KeyError, IndexError, ValueError, AttributeError):
            raise ValueError("only {incident_id}, {service}, {alert}, {team} and {scope} can be filled in") from None
        if filled and not filled.startswith(("http://", "https://")):
            raise ValueError("the address does not begin with http:// or https://")
        return template
