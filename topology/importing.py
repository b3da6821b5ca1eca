"""Which importer reads which configured source."""

from __future__ import annotations

from pathlib import Path

from correlator.config_topology import (
    BackstageSource,
    DatadogSource,
    FileSource,
    HttpSource,
    JaegerSource,
    KeepSource,
    KialiSource,
    KubernetesSource,
    OtlpSource,
    PagerDutySource,
    PrometheusSource,
    Source,
    XRaySource,
    ZipkinSource,
)
from correlator.errors import SourceError, TopologyError
from topology.findings import Findings
from topology.sources import (
    backstage,
    datadog,
    file,
    jaeger,
    keep,
    kiali,
    kubernetes,
    otlp,
    pagerduty,
    prometheus,
    xray,
    zipkin,
)
from topology.sources.fetching import Get
from topology.sources.prometheus import Dialect

#: Larger files are no catalogs.
_MAX_BYTES = 1 << 30


async def fetch(source: HttpSource, get: Get, now: int) -> Findings:
    """Ask a source over HTTP; `now` is milliseconds, the end of its window.

    Raises:
        SourceError: it cannot be reached or understood.
    """
    match source:
        case BackstageSource():
            return await backstage.fetch(get, now)
        case PrometheusSource():
            return await prometheus.fetch(
                get,
                now,
                window_seconds=round(source.window_seconds),
                dialects=[Dialect(word) for word in source.dialects],
                prefix=source.prefix,
                namespaces=source.namespaces,
            )
        case JaegerSource():
            return await jaeger.fetch(get, now, window_seconds=round(source.window_seconds), legacy=source.legacy)
        case ZipkinSource():
            return await zipkin.fetch(get, now, window_seconds=round(source.window_seconds))
        case KialiSource():
            window = round(source.window_seconds)
            return await kiali.fetch(get, now, window_seconds=window, namespaces=source.namespaces)
        case PagerDutySource():
            return await pagerduty.fetch(get, now)
        case DatadogSource():
            window = round(source.window_seconds)
            return await datadog.fetch(get, now, window_seconds=window, environment=source.environment)
        case KeepSource():
            return await keep.fetch(get, now)


def read(source: Source, path: Path) -> Findings:
    """Read a source that is a file, or a folder of catalog files.

    Raises:
        SourceError: it cannot be read or understood.
    """
    match source:
        case FileSource():
            try:
                return file.findings(file.load(path), declared=not source.observed)
            except TopologyError as error:
                raise SourceError(str(error)) from error
        case BackstageSource():
            return backstage.read(b"\n---\n".join(map(_bytes, _catalogs(path))))
        case JaegerSource():
            return jaeger.read(_bytes(path))
        case ZipkinSource():
            return zipkin.read(_bytes(path))
        case KialiSource():
            return kiali.read(_bytes(path))
        case PagerDutySource():
            return pagerduty.read([_bytes(path)])
        case DatadogSource():
            return datadog.read(_bytes(path))
        case KeepSource():
            return keep.read(_bytes(path))
        case XRaySource():
            return xray.read(_bytes(path))
        case KubernetesSource():
            return kubernetes.read(_bytes(path))
        case OtlpSource():
            return otlp.read(_bytes(path))
        case PrometheusSource():
            raise SourceError("is asked over its API")


def _catalogs(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(path.rglob("catalog-info*.y*ml"))
    if not found:
        raise SourceError(f"{path}: no catalog-info.yaml below it")
    return found


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise SourceError(f"{path}: larger than a gigabyte")
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
