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

from correlator.config_base import Probability, Seconds, Section, only_one
from correlator.config_http import FeedbackConfig, HttpConfig
from correlator.config_pager import PagerConfig
from correlator.config_redaction import DEFAULTS, BuiltIn, RedactionRule
from correlator.config_topology import TopologyConfig
from correlator.errors import ConfigError
from correlator.paths import parse_path

#: How long a topic keeps what is in it.
Retention = Annotated[float, Field(gt=0, le=3660 * 86_400)]
SeverityWord = Literal["critical", "error", "warning", "info", "unknown"]


class KindRule(Section):
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


class NamingConfig(Section):
    """How an event gets its service, scope and fingerprint when the sender does not say."""

    service_labels: tuple[str, ...] = (
        "service",
        "service_name",
        "service.name",
        "backstage.io/kubernetes-id",
        "backstage_io_kubernetes_id",
        "app.kubernetes.io/name",
        "app_kubernetes_io_name",
        "app",
        "k8s-app",
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
    #: Labels that name the team, for services whose owner the dependency graph does not know.
    team_labels: tuple[str, ...] = ("team",)
    severity_labels: tuple[str, ...] = ("severity", "priority", "level")
    #: Words in those labels beside the common ones, in any case; what one of them says of a common word stands.
    severities: dict[str, SeverityWord] = {}
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
        "ce_partitionkey",
        "ce_correlationid",
        "ce_causationid",
        "ce_sequence",
    )
    edge_labels: tuple[tuple[str, str], ...] = (
        ("caller", "callee"),
        ("source", "destination"),
        ("client", "server"),
        ("source_service", "destination_service"),
    )


class EngineConfig(Section):
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
    #: What an operator has resolved by hand and still fires, as an error or critical, pages again after so long.
    resolved_by_hand_seconds: Seconds = 86_400
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


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _is_path(text: str) -> str:
    parse_path(text)
    return text


PathText = Annotated[str, pydantic.AfterValidator(_is_path)]
#: One path or several, of which the first that leads anywhere counts.
PathTexts = Annotated[tuple[PathText, ...], pydantic.BeforeValidator(_one_or_more)]


class FormatPaths(Section):
    """Where the parts of an alert stand in a document, or in an item of its `each`."""

    name: PathTexts = Field(min_length=1)
    status: PathTexts = ()
    severity: PathTexts = ()
    service: PathTexts = ()
    entity: PathTexts = ()
    starts_at: PathTexts = ()
    ends_at: PathTexts = ()
    summary: PathTexts = ()
    scope: PathTexts = ()
    #: Where a human reads more; the last is the sender's own page of the alert.
    runbook_url: PathTexts = ()
    dashboard_url: PathTexts = ()
    url: PathTexts = ()
    id: PathTexts = ()
    caller: PathTexts = ()
    callee: PathTexts = ()
    #: All of these together identify the alert, the same at each of its firings.
    fingerprint: PathTexts = ()
    #: An object whose plain values are labels.
    labels: PathTexts = ()


class FormatConfig(Section):
    """A format of the user's own: how its documents are recognised, and where in them everything stands."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
    #: Path, or `header:` and the name of a header -> what must stand there; `*` is anything. All must hold.
    when: Annotated[dict[str, str], Field(min_length=1)]
    paths: FormatPaths
    #: Where the list of alerts stands, in documents of several.
    each: PathText | None = None
    #: Label -> where it stands.
    labels: dict[str, PathText] = {}
    #: The sender's words for states, in any case, beside `firing` and `resolved`.
    statuses: dict[str, Literal["firing", "resolved", "ignored"]] = {}
    other_status: Literal["firing", "resolved", "ignored"] = "firing"
    #: The sender's words for severities, beside the common ones.
    severities: dict[str, SeverityWord] = {}
    lease_seconds: Seconds = 86_400

    @pydantic.field_validator("when")
    @classmethod
    def _finds(cls, when: dict[str, str]) -> dict[str, str]:
        for place in when:
            if not place.startswith("header:"):
                parse_path(place)
        return when


class KafkaConfig(Section):
    """Where Kafka is and how our topics are called there. Credentials come from the environment."""

    bootstrap_servers: str = "localhost:9092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    sasl_password_file: Path | None = None
    ca_file: Path | None = None
    #: Our own certificate and its chain, where the brokers want one.
    cert_file: Path | None = None
    #: Its key; by default it is in `cert_file`.
    key_file: Path | None = None
    key_password: SecretStr | None = None
    #: OAUTHBEARER: a file with the token, which somebody keeps fresh ...
    oauth_token_file: Path | None = None
    #: ... or the token endpoint of an authorization server, with an identity of ours there (client credentials).
    oauth_token_url: str | None = None
    oauth_client_id: str | None = None
    oauth_client_secret: SecretStr | None = None
    oauth_client_secret_file: Path | None = None
    oauth_scope: str = ""
    oauth_ca_file: Path | None = None
    partitions: Annotated[int, Field(ge=1, le=10_000)] = 1
    replication_factor: Annotated[int, Field(ge=1)] = 1
    alerts_topic: str = "alerts"
    feedback_topic: str = "feedback"
    rejected_topic: str = "alerts-rejected"
    events_topic: str = "correlator-events"
    incidents_topic: str = "incidents"
    snapshots_topic: str = "correlator-snapshots"
    topologies_topic: str = "correlator-topologies"
    pager_state_topic: str = "correlator-pager-state"
    alerts_retention_seconds: Retention = 7 * 86_400
    events_retention_seconds: Retention = 7 * 86_400
    incidents_retention_seconds: Retention = 90 * 86_400

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file needs cert_file")
        only_one(
            self,
            ("sasl_password", "sasl_password_file"),
            ("oauth_token_file", "oauth_token_url"),
            ("oauth_client_secret", "oauth_client_secret_file"),
        )
        return self

    @pydantic.field_validator("oauth_token_url")
    @classmethod
    def _guards_the_secret(cls, url: str | None) -> str | None:
        if url is not None and not re.match(r"https://|http://(localhost|127\.0\.0\.1|\[::1\])[:/]", url):
            raise ValueError("a secret is sent there: it must begin with https://")
        return url


class WorkerConfig(Section):
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


class Config(EngineConfig):
    """The whole file: settings of the engine at the top, one table for each part of the shell."""

    #: Input formats beside the built-in ones, tried before them.
    formats: tuple[FormatConfig, ...] = ()
    #: What must not be stored or sent, beside the built-in rules.
    redaction: tuple[RedactionRule, ...] = ()
    redaction_defaults: tuple[BuiltIn, ...] = DEFAULTS
    #: Makes digests of what is redacted unguessable; the same for all workers and for replays.
    redaction_key: SecretStr | None = None
    kafka: KafkaConfig = KafkaConfig()
    worker: WorkerConfig = WorkerConfig()
    http: HttpConfig = HttpConfig()
    feedback: FeedbackConfig = FeedbackConfig()
    pager: PagerConfig = PagerConfig()
    topology: TopologyConfig = TopologyConfig()

    @pydantic.model_validator(mode="after")
    def _room_for_a_post(self) -> Self:
        if self.http.max_in_flight_bytes < 2 * self.worker.max_event_bytes:
            raise ValueError("http.max_in_flight_bytes is less than twice worker.max_event_bytes")
        return self

    @pydantic.model_validator(mode="after")
    def _keyed(self) -> Self:
        if self.redaction_key is None and any(rule.action == "hash" for rule in self.redaction):
            raise ValueError("redaction by hash needs redaction_key: set CORRELATOR_REDACTION_KEY")
        return self

    @pydantic.field_validator("formats")
    @classmethod
    def _formats_differ(cls, formats: tuple[FormatConfig, ...]) -> tuple[FormatConfig, ...]:
        names = [one.name for one in formats]
        if len(set(names)) != len(names):
            raise ValueError("two formats have the same name")
        return formats


#: Environment variables that fill in what must not or need not stand in a file.
ENVIRONMENT = {
    "CORRELATOR_KAFKA_BOOTSTRAP_SERVERS": "kafka.bootstrap_servers",
    "CORRELATOR_KAFKA_SASL_USERNAME": "kafka.sasl_username",
    "CORRELATOR_KAFKA_SASL_PASSWORD": "kafka.sasl_password",
    "CORRELATOR_KAFKA_KEY_PASSWORD": "kafka.key_password",
    "CORRELATOR_KAFKA_OAUTH_CLIENT_SECRET": "kafka.oauth_client_secret",
    "CORRELATOR_REDACTION_KEY": "redaction_key",
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


def with_sources(config: Config, sources: Sequence[Mapping[str, str]]) -> Config:
    """Return the configuration with further topology sources, as the command line gives them.

    Raises:
        ConfigError: naming every key that is unknown, missing or wrong.
    """
    given = [
        {key: value if key in ("type", "url", "path", "topic") else _literal(value) for key, value in source.items()}
        for source in sources
    ]
    tree = config.topology.model_dump()
    tree["sources"] = [*tree["sources"], *given]
    try:
        return config.model_copy(update={"topology": TopologyConfig.model_validate(tree)})
    except pydantic.ValidationError as error:
        raise ConfigError("--source", [_problem(item) for item in error.errors()]) from None


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
