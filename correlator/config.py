"""The configuration: frozen values with their defaults; `load` alone reads a file and the environment.

The engine sees `EngineConfig` only. Every problem of a file is reported at once and names its key.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import Field, SecretStr

from correlator.errors import ConfigError

Seconds = Annotated[float, Field(gt=0, le=30 * 86_400)]
Probability = Annotated[float, Field(ge=0, le=1)]


class _Section(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class KindRule(_Section):
    """Alerts whose name, summary or metric match `pattern` tell of trouble of this `kind`; the first match wins."""

    kind: Literal["down", "saturation", "errors", "latency", "dependency", "traffic", "surge", "change", "other"]
    pattern: str

    @pydantic.field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return pattern


class NamingConfig(_Section):
    """How an event gets its service, scope and fingerprint when the sender does not say."""

    service_labels: tuple[str, ...] = (
        "service",
        "service_name",
        "service.name",
        "backstage.io/kubernetes-id",
        "app.kubernetes.io/name",
        "app",
        "k8s_app",
        "destination_canonical_service",
        "dst_service",
        "deployment",
        "statefulset",
        "daemonset",
        "job",
    )
    entity_labels: tuple[str, ...] = ("pod", "instance", "host", "node", "container")
    scope_labels: tuple[str, ...] = ()
    severity_labels: tuple[str, ...] = ("severity", "priority", "level")
    #: Labels that differ between observers or restarts of the same trouble: no part of an alert's identity.
    volatile_labels: tuple[str, ...] = (
        "replica",
        "prometheus",
        "prometheus_replica",
        "__replica__",
        "receiver",
        "pod",
        "pod_name",
        "pod_ip",
        "container_id",
        "uid",
        "instance",
        "value",
        "trace_id",
        "span_id",
    )
    edge_labels: tuple[tuple[str, str], ...] = (
        ("caller", "callee"),
        ("source", "destination"),
        ("client", "server"),
        ("source_service", "destination_service"),
    )


class EngineConfig(_Section):
    """All that changes a decision of the engine; its hash is the `config` version of every incident."""

    correlation_window_seconds: Seconds = 400
    max_hops: Annotated[int, Field(ge=1, le=2)] = 2
    hold_min_seconds: Annotated[float, Field(ge=0)] = 10
    hold_quiet_seconds: Annotated[float, Field(ge=0)] = 10
    hold_max_seconds: Annotated[float, Field(ge=0)] = 60
    resolve_after_seconds: Annotated[float, Field(ge=0)] = 300
    reopen_window_seconds: Annotated[float, Field(ge=0)] = 0
    update_interval_seconds: Annotated[float, Field(ge=0)] = 30
    #: A firing alert that is neither renewed nor resolved for this long is over. Alerts whose sender renews them
    #: expire sooner, after three of their own intervals.
    silence_lease_seconds: Seconds = 3600
    #: Least probability that an alert standing alone is real before it pages, by its severity.
    page_probability_critical: Probability = 0.7
    page_probability: Probability = 0.85
    #: A critical alert that stands for so long pages, however often it came and went before: history never silences a
    #: standing failure.
    standing_critical_seconds: Seconds = 1800
    kind_rules: tuple[KindRule, ...] = ()
    naming: NamingConfig = NamingConfig()

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.hold_max_seconds < self.hold_min_seconds:
            raise ValueError("hold_max_seconds is less than hold_min_seconds")
        return self

    def version(self) -> str:
        """Return a hash of every engine setting, stable across processes."""
        settings = self.model_dump(mode="json", include=set(EngineConfig.model_fields))
        return hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=6).hexdigest()


class KafkaConfig(_Section):
    """Where Kafka is and how our topics are called there. Credentials come from the environment."""

    bootstrap_servers: str = "localhost:9092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ca_file: Path | None = None
    partitions: Annotated[int, Field(ge=1, le=10_000)] = 1
    replication_factor: Annotated[int, Field(ge=1)] = 1
    alerts_topic: str = "alerts"
    rejected_topic: str = "alerts-rejected"
    events_topic: str = "correlator-events"
    incidents_topic: str = "incidents"
    snapshots_topic: str = "correlator-snapshots"
    topologies_topic: str = "correlator-topologies"
    pager_state_topic: str = "correlator-pager-state"
    alerts_retention_seconds: Seconds = 7 * 86_400
    events_retention_seconds: Seconds = 7 * 86_400


class WorkerConfig(_Section):
    """The Faust worker."""

    app_id: str = "correlator"
    topology: Path | None = None
    #: Folder of a trained model, `default` for the one that is shipped, `none` for the explanations' own weights.
    model: Literal["default", "none"] | Path = "default"
    #: Folder of a warm start: background rates learned from history (`correlator train --history`).
    warm: Path | None = None
    web_host: str = "127.0.0.1"
    web_port: Annotated[int, Field(ge=0, le=65_535)] = 6066
    #: `wall`: time goes on by itself, once a second. `records`: only with the timestamps of the records of the alerts
    #: topic, for playing recorded streams.
    clock: Literal["wall", "records"] = "wall"
    tick_interval_seconds: Seconds = 1
    snapshot_interval_seconds: Seconds = 5
    max_event_bytes: Annotated[int, Field(ge=1024)] = 1_000_000
    #: A worker that has input and applies none of it for this long ends itself, to be started afresh.
    stall_seconds: Seconds = 120
    session_timeout_seconds: Seconds = 10


class _TargetConfig(_Section):
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")]
    timeout_seconds: Seconds = 10


class WebhookTarget(_TargetConfig):
    """POST each incident event as it is."""

    type: Literal["webhook"] = "webhook"
    url: str
    #: Name of the environment variable that holds a bearer token.
    token_env: str | None = None
    #: Name of the environment variable that holds a signing secret (Standard Webhooks, `whsec_...`).
    secret_env: str | None = None


class PagerDutyTarget(_TargetConfig):
    """PagerDuty Events API v2."""

    type: Literal["pagerduty"] = "pagerduty"
    base_url: str = "https://events.pagerduty.com"
    #: Name of the environment variable that holds the integration key of this target.
    routing_key_env: str = "PAGERDUTY_ROUTING_KEY"
    #: Route or team -> name of the environment variable that holds its integration key.
    routing_key_envs: dict[str, str] = {}
    #: PagerDuty accepts about 120 events a minute and key.
    events_per_minute: Annotated[int, Field(ge=1)] = 110


class ConsoleTarget(_TargetConfig):
    """Print each incident event on standard output."""

    type: Literal["console"] = "console"


Target = Annotated[WebhookTarget | PagerDutyTarget | ConsoleTarget, Field(discriminator="type")]


class PagerConfig(_Section):
    """The pager process: who hears of incidents."""

    group_id: str = "correlator-pager"
    web_host: str = "127.0.0.1"
    web_port: Annotated[int, Field(ge=0, le=65_535)] = 6067
    backoff_min_seconds: Seconds = 1
    backoff_max_seconds: Seconds = 300
    targets: tuple[Target, ...] = ()

    @pydantic.field_validator("targets")
    @classmethod
    def _names_differ(cls, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        names = [target.name for target in targets]
        if len(set(names)) != len(names):
            raise ValueError("two targets have the same name")
        return targets


class Config(EngineConfig):
    """The whole file: settings of the engine at the top, one table for each part of the shell."""

    kafka: KafkaConfig = KafkaConfig()
    worker: WorkerConfig = WorkerConfig()
    pager: PagerConfig = PagerConfig()


#: Environment variables that fill in what must not or need not stand in a file.
ENVIRONMENT = {
    "CORRELATOR_KAFKA_BOOTSTRAP_SERVERS": "kafka.bootstrap_servers",
    "CORRELATOR_KAFKA_SASL_USERNAME": "kafka.sasl_username",
    "CORRELATOR_KAFKA_SASL_PASSWORD": "kafka.sasl_password",
}


def load(
    path: Path | None = None,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """Read a TOML file, then the environment, then `key=value` overrides, and check it all.

    Raises:
        ConfigError: naming every key that is unknown, missing or wrong.
    """
    source = str(path) if path else "configuration"
    tree = _read(path) if path else {}
    for variable, key in ENVIRONMENT.items():
        if variable in environ:
            _put(tree, key, environ[variable], source=variable)
    for override in overrides:
        key, separator, value = override.partition("=")
        if not separator:
            raise ConfigError("--set", [f"{override!r} is not key=value"])
        _put(tree, key.strip(), _literal(value.strip()), source="--set")
    try:
        return Config.model_validate(tree)
    except pydantic.ValidationError as error:
        raise ConfigError(source, [_problem(item) for item in error.errors()]) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(str(path), [str(error)]) from error


def _literal(text: str) -> Any:
    """Read a value as TOML would, else as a bare string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _put(tree: dict[str, Any], dotted: str, value: Any, *, source: str) -> None:
    *parents, leaf = dotted.split(".")
    for name in parents:
        tree = tree.setdefault(name, {})
        if not isinstance(tree, dict):
            raise ConfigError(source, [f"{dotted}: {name} is not a table"])
    tree[leaf] = value


def _problem(error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"]) or "(file)"
    return f"{key}: unknown key" if error["type"] == "extra_forbidden" else f"{key}: {error['msg']}"
