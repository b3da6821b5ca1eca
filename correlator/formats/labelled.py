"""Alerts of the Prometheus family: labels are who they are, annotations what they say.

The fingerprint is Alertmanager's own, so that whatever way an alert comes it is one alert, and the one that amtool and
dashboards show.
"""

from __future__ import annotations

from functools import lru_cache

from correlator.domain import Status
from correlator.formats.alert import ParsedAlert, named_summary
from correlator.formats.links import links_of

#: Labels in which only the members of a pair differ that evaluate the same rules. Whoever runs a pair drops them before
#: Alertmanager (`alert_relabel_configs`), and so do we: the two tell of one alert. They are kept apart as instances, so
#: that it fires while one of them says so.
REPLICA_LABELS = ("replica", "prometheus_replica", "__replica__", "thanos_ruler_replica", "ruler_replica")
_REPLICAS = frozenset(REPLICA_LABELS)
#: `alertname` is a custom of Prometheus, not a rule of Alertmanager's.
_UNNAMED = "unnamed alert"

_FNV_OFFSET = 0xCBF29CE484222325
_FNV_PRIME = 0x100000001B3
_64_BITS = 0xFFFFFFFFFFFFFFFF


def labelled_alert(
    labels: dict[str, str],
    annotations: dict[str, str],
    *,
    status: Status,
    starts_at: int,
    ends_at: int | None,
    source: str,
    fingerprint: str | None = None,
    observed_at: int | None = None,
    dashboard: str | None = None,
    source_url: str | None = None,
) -> ParsedAlert:
    """Return the alert of a label set; `fingerprint` is the sender's, None where it sends none.

    Args:
        dashboard: address that stands in a field of its own; else an annotation may tell one.
        source_url: address of what the sender knows of the alert.
    """
    # Asked first, for few have one: this is done for every alert.
    replicas = (
        [] if _REPLICAS.isdisjoint(labels) else [f"{key}={labels[key]}" for key in REPLICA_LABELS if key in labels]
    )
    if replicas:
        fingerprint = fingerprint_of({key: value for key, value in labels.items() if key not in REPLICA_LABELS})
    summary_name, summary = named_summary(annotations)
    return ParsedAlert(
        source=source,
        status=status,
        name=labels.get("alertname", "").strip() or _UNNAMED,
        starts_at=starts_at,
        ends_at=ends_at,
        # No resolve arrives before the end it tells of.
        observed_at=ends_at if observed_at is None and status is Status.RESOLVED else observed_at,
        fingerprint=fingerprint or fingerprint_of(labels),
        instance=",".join(replicas) or None,
        labels=labels,
        summary=summary,
        summary_name=summary_name,
        links=links_of(annotations, dashboard=dashboard, source=source_url),
    )


def fingerprint_of(labels: dict[str, str]) -> str:
    """Return Alertmanager's fingerprint of a label set, 16 hex digits.

    FNV-1a of 64 bits over the labels sorted by name, each as name, 0xff, value, 0xff (`LabelSet.Fingerprint` of
    prometheus/common).
    """
    return _fnv(tuple(sorted(labels.items())))


@lru_cache(maxsize=50_000)
def _fnv(labels: tuple[tuple[str, str], ...]) -> str:
    found = _FNV_OFFSET
    for name, value in labels:
        factor, summand = _step(name, value, found & 0xFF)
        found = (found * factor + summand) & _64_BITS
    return f"{found:016x}"


@lru_cache(maxsize=50_000)
def _step(name: str, value: str, low: int) -> tuple[int, int]:
    """Return how one label changes a hash whose last byte is `low`: what to multiply it with and what to add.

    FNV-1a changes the last byte only before it multiplies, so the same bytes do the same to all hashes that end alike:
    a label of many alerts is gone through 256 times at most, not for every new alert, in whatever labels it stands.
    """
    found, length = _begun(name, low)
    data, prime, mask = _bytes(value), _FNV_PRIME, _64_BITS
    for byte in data:
        found = (found ^ byte) * prime & mask
    found = (found ^ 0xFF) * prime & mask
    factor = _power(length + len(data) + 1)
    return factor, (found - low * factor) & mask


@lru_cache(maxsize=4_096)
def _begun(name: str, low: int) -> tuple[int, int]:
    """Return a hash of `low` after the name of a label, and how many bytes that is."""
    data, found = _bytes(name) + b"\xff", low
    for byte in data:
        found = (found ^ byte) * _FNV_PRIME & _64_BITS
    return found, len(data)


@lru_cache(maxsize=4_096)
def _power(exponent: int) -> int:
    return pow(_FNV_PRIME, exponent, _64_BITS + 1)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def forget() -> None:
    """Forget known fingerprints, for who measures what a new one costs."""
    _fnv.cache_clear()
    _step.cache_clear()
