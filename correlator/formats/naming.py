"""Naming: which service, scope, severity and identity an event has: the join that decides the rest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

import msgspec

from correlator.config import NamingConfig
from correlator.domain import AlertEvent, Edge, Severity
from correlator.errors import InputError
from correlator.formats.alert import SUMMARY_NAMES, ParsedAlert, severity_of
from correlator.formats.links import LINK_NAMES
from correlator.formats.reading import Read
from correlator.formats.redaction import MASK, Literal, Redaction
from topology.graph import ServiceGraph

#: The suffix that Kubernetes gives the pods of a Deployment (template hash and pod hash) or of a DaemonSet.
_POD_SUFFIX = re.compile(r"-[a-f0-9]{6,10}-[a-z0-9]{5}$")
#: What Kubernetes adds to the name of a service: its namespace, `svc`, the cluster's domain.
_CLUSTER_NAME = re.compile(r"\.[a-z0-9-]+(\.svc(\.[a-z0-9.-]+)?)?$")
_ADDRESS = re.compile(r"^\[?[0-9a-fA-F.:]+\]?:\d+$|^\d{1,3}(\.\d{1,3}){3}$")

#: What begins the service of an alert that names none.
NAMELESS = "unknown:"

_LONGEST_TEAM = 100
_LINKS_SIZE = 10_000  # links, of which many alerts have the same
_CACHE_SIZE = 100_000  # distinct alerts; beyond it the cache starts anew, at the cost of some hashing only


class _Name(msgspec.Struct, frozen=True, gc=False):
    name: str
    service: str
    known: bool
    rule: str
    scope: str
    fingerprint: str
    instance: str
    edge: Edge | None
    entity: str | None
    severity: Severity  # by its labels
    team: str  # by its labels
    secrets: tuple[Literal, ...]  # of its labels, for its texts to be searched for


class Namer:
    """Turn parsed alerts into events of named services, without what must not be seen of them.

    A function of configuration, graph and redaction; its cache is speed.
    """

    def __init__(self, config: NamingConfig, graph: ServiceGraph, redaction: Redaction | None = None) -> None:
        self._config = config
        self._redaction = redaction or Redaction(())
        self._hides_summaries = any(self._redaction.action(name) is not None for name in SUMMARY_NAMES)
        self._graph = graph
        self._volatile = frozenset(config.volatile_labels)
        self._severities = {word.lower(): Severity(severity) for word, severity in config.severities.items()}
        self._cache: dict[object, _Name] = {}
        self._shown: dict[tuple[str, str], bool] = {}

    def are_clean(self, reads: Iterable[Read]) -> bool:
        """Tell that ids and summaries of a message's alerts hold nothing that must not be seen; in doubt, they may."""
        if self._hides_summaries:
            return False
        alerts = [read.event for read in reads if isinstance(read.event, ParsedAlert)]
        return self._redaction.is_clean(
            [*(alert.summary for alert in alerts), *(alert.id for alert in alerts if alert.id is not None)]
        )

    def name(self, alert: ParsedAlert, *, event_id: str, observed_at: int, is_clean: bool = False) -> AlertEvent:
        """Return the event, arrived at `observed_at`.

        A start in the future is the sender's clock being wrong: it is taken as now.

        Args:
            is_clean: what `are_clean` says of it, alone or with others: to ask for many at once costs less.

        Raises:
            InputError: reason `bad_timestamp`, where the start lies more than a day after the arrival.
        """
        if alert.starts_at > observed_at + 86_400_000:
            raise InputError("bad_timestamp", "starts_at lies more than a day after the arrival")
        key = (
            alert.name,
            alert.service,
            alert.entity,
            alert.scope,
            alert.fingerprint,
            alert.instance,
            alert.edge,
            # As many keys as values, so no two sets of labels read the same; another order is only another entry.
            *alert.labels,
            *alert.labels.values(),
        )
        name = self._cache.get(key)
        if name is None:
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()
            name = self._cache[key] = self._derive(alert)
        summary = alert.summary
        if name.secrets or not is_clean:
            summary = self._redaction.text(summary, name.secrets, name=alert.summary_name)
            event_id = self._redaction.identity(event_id, name.secrets)
        return AlertEvent(
            id=event_id,
            status=alert.status,
            name=name.name,
            service=name.service,
            known_service=name.known,
            named_by=name.rule,
            fingerprint=name.fingerprint,
            instance=name.instance,
            starts_at=min(alert.starts_at, observed_at),
            ends_at=alert.ends_at,
            observed_at=observed_at,
            scope=name.scope,
            severity=alert.severity or name.severity,
            entity=name.entity,
            edge=name.edge,
            source=alert.source,
            team=name.team,
            summary=summary[:500],
            unreachable=alert.unreachable,
            links=self._links(alert.links, name.secrets) if alert.links else {},
        )

    def _links(self, links: dict[str, str], secrets: Sequence[Literal]) -> dict[str, str]:
        """Return the links in which nothing must be hidden: without it, they would lead nowhere."""
        known = self._shown
        if not secrets:
            # Nearly always the same as ever: this is done for every alert.
            for link in links.items():
                if not known.get(link):
                    break
            else:
                return links
        return {
            kind: url
            for kind, url in links.items()
            if self._is_shown(kind, url) and not any(value in url or value in unquote(url) for value, _ in secrets)
        }

    def _is_shown(self, kind: str, url: str) -> bool:
        found = self._shown.get((kind, url))
        if found is None:
            if len(self._shown) >= _LINKS_SIZE:
                self._shown.clear()
            names = (kind, *LINK_NAMES[kind])
            found = self._shown[kind, url] = not any(map(self._redaction.action, names)) and all(
                self._redaction.text(text) == text for text in (url, unquote(url))
            )
        return found

    def _derive(self, alert: ParsedAlert) -> _Name:
        """Name and identify an alert by what its sender sent; tell of it what may be seen."""
        edge = alert.edge or self._edge(alert.labels)
        entity = alert.entity or _first(alert.labels, self._config.entity_labels)
        service, known, rule = self._service(alert, edge, entity)
        fingerprint = alert.fingerprint or self._fingerprint(alert, service)
        severity = self._severity(alert.labels)
        instance = alert.instance or ("" if alert.fingerprint else self._instance(alert))
        secrets = self._redaction.literals(alert.labels)
        labels = self._redaction.labels(alert.labels)
        if labels is not alert.labels:
            edge = alert.edge or self._edge(labels)
            entity = alert.entity or _first(labels, self._config.entity_labels)
            service, known, rule = self._service(msgspec.structs.replace(alert, labels=labels), edge, entity)
        scope = alert.scope or "/".join(labels[key] for key in self._config.scope_labels if key in labels) or "default"

        name = self._redaction.text(alert.name, secrets)

        def kept_apart(text: str) -> str:
            return self._redaction.identity(text, secrets)

        return _Name(
            name=name if name.strip() else MASK,
            service=service if known else kept_apart(service),
            known=known,
            rule=rule,
            scope=kept_apart(scope),
            fingerprint=kept_apart(fingerprint),
            instance=kept_apart(instance),
            edge=edge
            and Edge(caller=kept_apart(self._canonical(edge.caller)), callee=kept_apart(self._canonical(edge.callee))),
            entity=(self._redaction.text(entity, secrets) or None) if entity else entity,
            severity=severity,
            team=self._redaction.text(_first(labels, self._config.team_labels) or "", secrets)[:_LONGEST_TEAM],
            secrets=secrets,
        )

    def _instance(self, alert: ParsedAlert) -> str:
        volatile = sorted((key, value) for key, value in alert.labels.items() if key in self._volatile)
        return _digest([alert.entity or "", *(part for pair in volatile for part in pair)])

    def _service(self, alert: ParsedAlert, edge: Edge | None, entity: str | None) -> tuple[str, bool, str]:
        """Return the service, whether the graph knows it, and the rule that named it."""
        if alert.service:
            known = self._known(alert.service)
            return known or alert.service, known is not None, "sender"
        named = [(f"label:{key}", name) for key in self._config.service_labels if (name := alert.labels.get(key))]
        guesses = [*named, *([("call", edge.callee)] if edge else []), *([("entity", entity)] if entity else [])]
        for rule, guess in guesses:
            if (service := self._known(guess)) is not None:
                return service, True, rule
        if named:
            rule, name = named[0]
            return _POD_SUFFIX.sub("", name), False, rule
        return f"{NAMELESS}{_POD_SUFFIX.sub('', entity) if entity else alert.name}", False, "nothing"

    def _known(self, name: str) -> str | None:
        """Return the service of the graph that a name stands for, however it is spelled."""
        for spelling in (name, _POD_SUFFIX.sub("", name), name.rsplit(":", 1)[0], _CLUSTER_NAME.sub("", name)):
            if (service := self._graph.resolve(spelling)) is not None:
                return service
        return None

    def _canonical(self, service: str) -> str:
        return self._known(service) or service

    def _edge(self, labels: dict[str, str]) -> Edge | None:
        for caller, callee in self._config.edge_labels:
            if labels.get(caller) and labels.get(callee):
                return Edge(caller=labels[caller], callee=labels[callee])
        return None

    def _severity(self, labels: dict[str, str]) -> Severity:
        for key in self._config.severity_labels:
            word = labels.get(key, "")
            if (severity := self._severities.get(word.lower()) or severity_of(word)) is not None:
                return severity
        return Severity.UNKNOWN

    def _fingerprint(self, alert: ParsedAlert, service: str) -> str:
        identity = sorted((key, value) for key, value in alert.labels.items() if key not in self._volatile)
        call = f"{alert.edge.caller}->{alert.edge.callee}" if alert.edge else ""
        parts = [alert.name, service, _stable_entity(alert.entity), call]
        return _digest(parts + [part for pair in identity for part in pair])


def _stable_entity(entity: str | None) -> str:
    """Return what of an entity outlives a restart: not the hash of a pod, not an address."""
    if entity is None or _ADDRESS.match(entity):
        return ""
    return _POD_SUFFIX.sub("", entity)


def _first(labels: dict[str, str], keys: tuple[str, ...]) -> str | None:
    return next((labels[key] for key in keys if labels.get(key)), None)


def _digest(parts: list[str]) -> str:
    """Return 16 hex digits; parts are length-prefixed, so that no two lists read the same."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
