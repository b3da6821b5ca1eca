"""From the configuration to the targets: secrets read, addresses checked, every problem told at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TextIO

import aiohttp
import structlog

from correlator.config_pager import (
    AlertmanagerTarget,
    AlertmanagerWebhookTarget,
    ConsoleTarget,
    JsmTarget,
    KafkaTarget,
    PagerConfig,
    PagerDutyTarget,
    SlackTarget,
    Target,
    WebhookTarget,
    WindowConfig,
)
from correlator.domain import IncidentEvent, Severity
from correlator.errors import ConfigError
from correlator.pager.alertmanager import Alertmanager, AlertmanagerWebhook
from correlator.pager.cloudevents import CloudEvents
from correlator.pager.console import Console
from correlator.pager.courier import Channel
from correlator.pager.gate import Gate, Policy
from correlator.pager.hours import class_of
from correlator.pager.jsm import Jsm
from correlator.pager.links import Links
from correlator.pager.mark import Dialect
from correlator.pager.pagerduty import PagerDuty, looks_like_integration_key
from correlator.pager.routes import Routes
from correlator.pager.slack import SlackBot, SlackWebhook
from correlator.pager.transports import Topics, http_transport, text_transport
from correlator.pager.webhook import Webhook, signing_key
from correlator.secrets import of_variable

log = structlog.get_logger("correlator.pager")


def channels(
    pager: PagerConfig,
    *,
    environ: Mapping[str, str],
    session: aiohttp.ClientSession,
    topics: Topics,
    windows: Callable[[], Sequence[WindowConfig]],
    console: TextIO | None,
) -> tuple[Channel, ...]:
    """Build the configured targets, and one that prints where `console` is given.

    Args:
        windows: returns the maintenance windows and silences of the moment.

    Raises:
        ConfigError: a variable is missing, an address is not HTTP, or there is no target at all.
    """
    builder = _Builder(pager=pager, environ=environ, session=session, topics=topics, windows=windows)
    built = [builder.channel(target) for target in pager.targets]
    if console is not None:
        built.append(Channel(dialect=Console(colour=console.isatty()), transport=text_transport(console)))
    problems = builder.problems
    if not built:
        problems.append("pager.targets: there is no target")
    names = [channel.dialect.name for channel in built]
    if len(set(names)) != len(names):
        problems.append("pager.targets: the name `console` is taken by the terminal")
    if problems:
        raise ConfigError("pager", problems)
    return tuple(built)


@dataclass(frozen=True, kw_only=True)
class _Builder:
    """Builds targets, collecting problems instead of stopping at the first."""

    pager: PagerConfig
    environ: Mapping[str, str]
    session: aiohttp.ClientSession
    topics: Topics
    windows: Callable[[], Sequence[WindowConfig]]
    problems: list[str] = field(default_factory=list)

    @property
    def links(self) -> Links:
        return Links(
            incident_url=self.pager.incident_url,
            runbook_url=self.pager.runbook_url,
            dashboard_url=self.pager.dashboard_url,
        )

    def channel(self, target: Target) -> Channel:
        """Build one target: its dialect behind the gate, and what carries it."""
        if isinstance(target, ConsoleTarget):
            dialect: Dialect = Console(name=target.name, colour=sys.stdout.isatty())
            return Channel(dialect=self._gated(target, dialect), transport=text_transport(sys.stdout))
        if isinstance(target, KafkaTarget):
            dialect = CloudEvents(
                name=target.name,
                topic=target.topic,
                mode=target.mode,
                source=target.source,
                type_prefix=target.type_prefix,
            )
            transport = self.topics.transport(target.timeout_seconds)
            return Channel(dialect=self._gated(target, dialect), transport=transport)
        dialect, per_minute = self._spoken_over_http(target)
        transport = http_transport(self.session, target.timeout_seconds)
        return Channel(
            dialect=self._gated(target, dialect),
            transport=transport,
            per_minute=per_minute,
            hour_class=self._hour_class if not isinstance(target, WebhookTarget) and target.quiet_hours else None,
            routes=dialect.routes if isinstance(dialect, PagerDuty | Jsm | SlackBot | SlackWebhook) else None,
        )

    def _spoken_over_http(
        self,
        target: PagerDutyTarget
        | JsmTarget
        | AlertmanagerTarget
        | AlertmanagerWebhookTarget
        | SlackTarget
        | WebhookTarget,
    ) -> tuple[Dialect, int | None]:
        """Return the dialect of a target that speaks HTTP, with its rate."""
        key = f"pager.targets.{target.name}"
        match target:
            case PagerDutyTarget():
                return self._pagerduty(target, key), target.events_per_minute
            case JsmTarget():
                self._check(target.base_url, key)
                routes = self._routes(target.api_key_env, target.api_key_envs, key, "api_key_env")
                jsm = Jsm(
                    name=target.name,
                    base_url=target.base_url,
                    routes=routes,
                    responders=target.responders,
                    links=self.links,
                )
                return jsm, target.requests_per_minute
            case SlackTarget():
                return self._slack(target, key), target.messages_per_minute
        self._check(target.url, key)
        token = self._secret(target.token_env, f"{key}.token_env") if target.token_env else None
        match target:
            case AlertmanagerTarget():
                alertmanager = Alertmanager(
                    name=target.name,
                    url=target.url,
                    token=token,
                    resend_seconds=target.resend_seconds,
                    labels=target.labels,
                    links=self.links,
                )
                return alertmanager, None
            case AlertmanagerWebhookTarget():
                return AlertmanagerWebhook(name=target.name, url=target.url, token=token, links=self.links), None
        secrets = self._signing_secrets(target, key)
        return Webhook(name=target.name, url=target.url, token=token, secrets=secrets), None

    def _pagerduty(self, target: PagerDutyTarget, key: str) -> PagerDuty:
        self._check(target.base_url, key)
        routes = self._routes(target.routing_key_env, target.routing_key_envs, key, "routing_key_env")
        if any(not looks_like_integration_key(secret) for secret in routes.secrets()):
            log.warning("a routing key is not 32 letters and digits", target=target.name)
        return PagerDuty(name=target.name, base_url=target.base_url, routes=routes, links=self.links)

    def _slack(self, target: SlackTarget, key: str) -> Dialect:
        if target.token_env is None:
            routes = self._routes(target.url_env or "", target.url_envs, key, "url_env")
            for address in routes.secrets():
                self._check(address, key)
            return SlackWebhook(name=target.name, routes=routes, links=self.links)
        self._check(target.base_url, key)
        token = self._secret(target.token_env, f"{key}.token_env")
        channels_ = Routes(default=target.channel, table=target.channels, is_address=bool)
        return SlackBot(name=target.name, base_url=target.base_url, token=token, routes=channels_, links=self.links)

    def _routes(self, default: str, table: Mapping[str, str], key: str, setting: str) -> Routes:
        self._secret(default, f"{key}.{setting}")
        for route, variable in table.items():
            self._secret(variable, f"{key}.{setting}s.{route}")
        # All of the environment, not what the table names: a resolve may need the variable of a table that was.
        addresses = {name: value.strip() for name, value in self.environ.items() if value.strip()}
        return Routes(default=default, table=table, addresses=addresses, is_address=looks_like_integration_key)

    def _signing_secrets(self, target: WebhookTarget, key: str) -> tuple[str, ...]:
        if target.secret_env is None:
            return ()
        secrets = tuple(self._secret(target.secret_env, f"{key}.secret_env").split())
        if any(signing_key(secret) is None for secret in secrets):
            self.problems.append(
                f"{key}.secret_env: {target.secret_env} does not hold `whsec_` and 24 to 64 bytes as base64"
            )
        return secrets

    def _gated(self, target: Target, dialect: Dialect) -> Dialect:
        hears_all = isinstance(target, WebhookTarget | KafkaTarget | ConsoleTarget)
        floor = Severity(target.min_severity)
        if hears_all:
            return Gate(inner=dialect, policy=Policy(floor=floor), hears_all=True)
        assert not isinstance(target, WebhookTarget | KafkaTarget | ConsoleTarget)
        policy = Policy(
            floor=floor,
            quiet_hours=self.pager.quiet_hours if target.quiet_hours else None,
            windows=self.windows if target.windows else None,
        )
        return Gate(inner=dialect, policy=policy)

    def _hour_class(self, event: IncidentEvent, now: float) -> str:
        return class_of(self.pager.quiet_hours, event.owner.team if event.owner else None, now)

    def _secret(self, variable: str, key: str) -> str:
        try:
            return of_variable(key, variable, self.environ)
        except ConfigError as error:
            self.problems.append(str(error))
            return ""

    def _check(self, address: str, key: str) -> None:
        if not address.startswith(("http://", "https://")):
            self.problems.append(f"{key}: the address does not begin with http:// or https://")
