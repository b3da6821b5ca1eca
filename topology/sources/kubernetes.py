"""Kubernetes: who owns what, by recommended labels; it knows of no calls.

What `kubectl get deployments,statefulsets,daemonsets,pods -A -o json` prints (also as YAML). A pod is an instance of
its service, and its node a host the service runs on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from topology.findings import Findings, FoundDependency, FoundService, items, mapping, text
from topology.graph import DependencyType, ServiceKind
from topology.sources.decoding import decode_documents

#: In the order in which they name the service.
_NAME_LABELS = ("backstage.io/kubernetes-id", "app.kubernetes.io/name", "app", "k8s-app")
_OWNER_KEYS = ("owner", "team", "app.kubernetes.io/team", "backstage.io/owner")
_SYSTEM_LABEL = "app.kubernetes.io/part-of"
_DATASTORE_COMPONENTS = frozenset({"database", "db", "datastore", "cache"})


def read(payload: bytes) -> Findings:
    """Read objects with labels.

    Raises:
        SourceError: it is neither JSON nor YAML.
    """
    services: dict[str, FoundService] = {}
    edges: dict[tuple[str, str, DependencyType], FoundDependency] = {}
    instances: dict[str, str] = {}
    problems = []
    for position, item in enumerate(_objects(decode_documents(payload))):
        # An object of the API has metadata; its labels alone may be given too.
        metadata = mapping(item.get("metadata")) or item
        service = _service(metadata)
        if service is None:
            problems.append(f"object {position}: no label names its service")
            continue
        services[service.name] = _joined(services.get(service.name), service)
        name, node = text(metadata.get("name")), text(mapping(item.get("spec")).get("nodeName"))
        if text(item.get("kind")) == "Pod" and name:
            instances.setdefault(name, service.name)
            if node:
                services.setdefault(node, FoundService(name=node, kind=ServiceKind.HOST))
                edge = FoundDependency(source=service.name, to=node, type=DependencyType.RUNS_ON)
                edges[edge.key] = edge
    return Findings(
        declared=True,
        services=tuple(services.values()),
        dependencies=tuple(edges.values()),
        instances=instances,
        problems=tuple(problems),
    )


def _objects(documents: list[object]) -> Iterator[Mapping[str, object]]:
    for document in documents:
        for item in document if isinstance(document, list) else [document]:
            tree = mapping(item)
            yield from (mapping(inner) for inner in items(tree["items"])) if "items" in tree else (tree,)


def _service(metadata: Mapping[str, object]) -> FoundService | None:
    labels, annotations = mapping(metadata.get("labels")), mapping(metadata.get("annotations"))
    name = next((text(labels[key]) for key in _NAME_LABELS if text(labels.get(key))), "")
    if not name:
        return None
    owner = next((text(where[key]) for key in _OWNER_KEYS for where in (annotations, labels) if text(where.get(key))),
                 None)  # fmt: skip
    component = text(labels.get("app.kubernetes.io/component")).lower()
    is_workload = "generateName" not in metadata and "ownerReferences" not in metadata
    other = [text(labels.get(key)) for key in _NAME_LABELS] + ([text(metadata.get("name"))] if is_workload else [])
    return FoundService(
        name=name,
        kind=ServiceKind.DATASTORE if component in _DATASTORE_COMPONENTS else None,
        owner=owner,
        aliases=tuple(dict.fromkeys(alias for alias in other if alias and alias != name)),
        system=text(labels.get(_SYSTEM_LABEL)) or None,
        namespace=text(metadata.get("namespace")) or None,
    )


def _joined(known: FoundService | None, service: FoundService) -> FoundService:
    if known is None:
        return service
    return FoundService(
        name=service.name,
        kind=known.kind or service.kind,
        owner=known.owner or service.owner,
        aliases=tuple(dict.fromkeys([*known.aliases, *service.aliases])),
        system=known.system or service.system,
        namespace=known.namespace or service.namespace,
    )
