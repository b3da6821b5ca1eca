"""Settings of the topology's sources: where each is, how it is asked, what of it counts.

Secrets stand in environment variables, which the sources name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field

from correlator.config_base import Probability, Seconds, Section


class _Source(Section):
    type: str
    #: What reports and metrics call it; the type unless given.
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")] | None = None

    @property
    def label(self) -> str:
        return self.name or self.type


class PathSource(_Source):
    path: Path


class UrlSource(_Source):
    """A source with an API; some of them can also be read from a saved answer."""

    url: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    path: Path | None = None
    #: Name of the environment variable that holds a token.
    token_env: str | None = None
    #: Name of the environment variable that holds `user:password`.
    basic_auth_env: str | None = None
    headers: dict[str, str] = {}
    timeout_seconds: Seconds = 30

    @pydantic.model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if (self.url is None) == (self.path is None):
            raise ValueError("needs either url or path")
        return self


class FileSource(PathSource):
    """A topology file."""

    type: Literal["file"] = "file"
    #: It was written by something that watches traffic, not by people.
    observed: bool = False


class BackstageSource(UrlSource):
    """A software catalog: its API, a catalog-info.yaml, or a folder with such files."""

    type: Literal["backstage"] = "backstage"


class PrometheusSource(UrlSource):
    """Service graphs in Prometheus, Thanos, Mimir or VictoriaMetrics."""

    type: Literal["prometheus"] = "prometheus"
    window_seconds: Seconds = 3600
    dialects: tuple[Literal["servicegraph", "istio", "linkerd"], ...] = ("servicegraph", "istio", "linkerd")
    #: What the exporter puts before the names of metrics.
    prefix: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_:]*$")] = ""
    namespaces: tuple[str, ...] = ()

    @pydantic.model_validator(mode="after")
    def _is_asked(self) -> Self:
        if self.url is None:
            raise ValueError("is asked over its API: needs url, not path")
        return self


class JaegerSource(UrlSource):
    """Dependencies that Jaeger computed."""

    type: Literal["jaeger"] = "jaeger"
    window_seconds: Seconds = 3600
    #: Ask as the user interface does: for servers without /api/v3/dependencies.
    legacy: bool = False


class ZipkinSource(UrlSource):
    """Dependencies that Zipkin computed."""

    type: Literal["zipkin"] = "zipkin"
    window_seconds: Seconds = 86_400


class KialiSource(UrlSource):
    """The traffic graph of Kiali."""

    type: Literal["kiali"] = "kiali"
    window_seconds: Seconds = 3600
    namespaces: tuple[str, ...] = ()

    @pydantic.model_validator(mode="after")
    def _names_namespaces(self) -> Self:
        if self.url is not None and not self.namespaces:
            raise ValueError("needs namespaces: its API gives the graph of named ones only")
        return self


class PagerDutySource(UrlSource):
    """Service dependencies of PagerDuty."""

    type: Literal["pagerduty"] = "pagerduty"


class DatadogSource(UrlSource):
    """Service dependencies of Datadog's traces."""

    type: Literal["datadog"] = "datadog"
    environment: str = "prod"
    window_seconds: Seconds = 3600
    #: Name of the environment variable that holds the application key; `token_env` names that of the API key.
    application_key_env: str | None = None


class KeepSource(UrlSource):
    """The topology of Keep."""

    type: Literal["keep"] = "keep"


class XRaySource(PathSource):
    """What `aws xray get-service-graph` printed."""

    type: Literal["xray"] = "xray"


class KubernetesSource(PathSource):
    """What `kubectl get deployments,statefulsets,daemonsets,pods -A -o json` printed."""

    type: Literal["kubernetes"] = "kubernetes"


class OtlpSource(_Source):
    """Spans: a Kafka topic that a collector exports to, or a file of them."""

    type: Literal["otlp"] = "otlp"
    topic: str | None = None
    path: Path | None = None
    #: At most this share of one core's time is spent on spans; beyond it the newest are read and the others skipped.
    max_share: Annotated[float, Field(gt=0, le=1)] = 0.1

    @pydantic.model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if (self.topic is None) == (self.path is None):
            raise ValueError("needs either topic or path")
        return self


HttpSource = (
    BackstageSource
    | PrometheusSource
    | JaegerSource
    | ZipkinSource
    | KialiSource
    | PagerDutySource
    | DatadogSource
    | KeepSource
)
Source = Annotated[
    HttpSource | FileSource | XRaySource | KubernetesSource | OtlpSource,
    Field(discriminator="type"),
]


class TopologyConfig(Section):
    """Where the dependency graph comes from when it is imported."""

    sources: tuple[Source, ...] = ()
    #: Other name -> name, where sources or alerts call a service differently.
    aliases: dict[str, str] = {}
    min_confidence: Probability = 0.6
    #: A week: what is used on working days only outlives the weekend.
    edge_lifetime_seconds: Seconds = 7 * 86_400
    #: File in which what was observed is remembered between imports.
    memory: Path | None = None
    #: How often a worker imports by itself; never unless given.
    refresh_interval_seconds: Annotated[float, Field(ge=1, le=30 * 86_400)] | None = None

    @pydantic.field_validator("sources")
    @classmethod
    def _names_differ(cls, sources: tuple[_Source, ...]) -> tuple[_Source, ...]:
        names = [source.label for source in sources]
        if len(set(names)) != len(names):
            raise ValueError("two sources have the same name")
        return sources

    @pydantic.model_validator(mode="after")
    def _refreshes_something(self) -> Self:
        if self.refresh_interval_seconds is not None and not self.sources:
            raise ValueError("refresh_interval_seconds is given, but no sources")
        return self
