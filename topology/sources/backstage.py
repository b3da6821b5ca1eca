"""Backstage: entities of the software catalog, from its API or from catalog-info.yaml files.

https://backstage.io/docs/features/software-catalog/descriptor-format and well-known-relations. The API resolves
`spec` into `relations` with full references; files have the shorthand of `spec` only. An API is no service: who
consumes it depends on who provides it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import NamedTuple

from correlator.errors import SourceError
from topology.findings import Findings, FoundDependency, FoundService, items, mapping, text, tier
from topology.graph import DependencyType, ServiceKind
from topology.sources.decoding import decode_documents, decode_json
from topology.sources.fetching import Get

_PAGE = 500
#: 500,000 entities: more is a server that hands out cursors without end.
_MAX_PAGES = 1000
_FIELDS = ",".join(
    [
        "kind",
        *("metadata.name", "metadata.namespace", "metadata.annotations", "metadata.tags"),
        *("spec.type", "spec.owner", "spec.system"),
        "relations",
    ]
)
_KINDS = frozenset({"component", "resource", "api"})
_KIND_OF_RESOURCE = {
    ServiceKind.DATASTORE: "database db datastore cache s3-bucket bucket storage search-index warehouse",
    ServiceKind.QUEUE: "queue topic kafka-topic message-queue message-broker stream pubsub event-bus",
    ServiceKind.HOST: "host vm virtual-machine server node",
    ServiceKind.EXTERNAL: "external saas third-party",
}
_RESOURCES = {word: kind for kind, words in _KIND_OF_RESOURCE.items() for word in words.split()}
#: Other names of the entity, used in the labels of its alerts or by other sources. Integration keys are secrets.
_ALIAS_ANNOTATIONS = ("backstage.io/kubernetes-id", "pagerduty.com/service-id")


class _Ref(NamedTuple):
    """What a reference points at; all in lower case, since the catalog ignores it."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.namespace}/{self.name}"


class _Entity(NamedTuple):
    ref: _Ref
    name: str
    type: str
    tree: object
    relations: tuple[tuple[str, _Ref], ...]


def read_page(payload: bytes) -> tuple[list[object], str]:
    """Return the entities of one page of `entities/by-query` and the cursor of the next; empty after the last.

    Raises:
        SourceError: it is no such page.
    """
    tree = mapping(decode_json(payload))
    if not isinstance(tree.get("items"), list):
        raise SourceError("no page of a Backstage catalog: items is missing")
    return items(tree["items"]), text(mapping(tree.get("pageInfo")).get("nextCursor"))


async def fetch(get: Get, now: int) -> Findings:
    """Read the whole catalog from its API, page by page."""
    entities: list[object] = []
    async for page in _pages(get):
        entities += page
    return read_entities(entities)


async def _pages(get: Get) -> AsyncIterator[list[object]]:
    # A cursor carries the filter of its query: the two together are refused.
    query = [("filter", f"kind={kind}") for kind in ("component", "resource", "api")]
    seen = {""}
    for _ in range(_MAX_PAGES):
        page, cursor = read_page(
            await get("api/catalog/entities/by-query", [*query, ("fields", _FIELDS), ("limit", str(_PAGE))])
        )
        yield page
        if cursor in seen:
            return
        seen.add(cursor)
        query = [("cursor", cursor)]
    raise SourceError(f"the catalog has more than {_MAX_PAGES} pages")


def read(payload: bytes) -> Findings:
    """Read a catalog-info.yaml with any number of documents, a saved page of the API, or a list of entities.

    Raises:
        SourceError: it is neither.
    """
    entities: list[object] = []
    for document in decode_documents(payload):
        if isinstance(document, list):
            entities += document
        elif isinstance(document, dict) and isinstance(document.get("items"), list):
            entities += document["items"]
        else:
            entities.append(document)
    return read_entities(entities)


def read_entities(trees: Iterable[object]) -> Findings:
    """Turn entities into services and dependencies."""
    problems: list[str] = []
    entities: dict[_Ref, _Entity] = {}
    for position, tree in enumerate(trees):
        entity = _entity(tree)
        if entity is None:
            problems.append(f"entity {position}: has no kind and name")
        elif entity.ref.kind in _KINDS:
            entities.setdefault(entity.ref, entity)
    providers = _providers(entities)
    edges: dict[tuple[str, str, DependencyType], FoundDependency] = {}
    for source, to, type_ in _edges(entities):
        for holder, target, kind in _joined(source, to, type_, entities, providers, problems):
            first, second = _service(holder, entities), _service(target, entities)
            if first and second and first != second:
                edge = FoundDependency(source=first, to=second, type=kind)
                edges.setdefault(edge.key, edge)
    return Findings(
        declared=True,
        services=tuple(_found(entity) for entity in entities.values() if _service(entity.ref, entities)
                       and entity.ref.kind != "api"),
        dependencies=tuple(edges.values()),
        problems=tuple(dict.fromkeys(problems)),
    )  # fmt: skip


def _entity(tree: object) -> _Entity | None:
    top = mapping(tree)
    metadata, spec = mapping(top.get("metadata")), mapping(top.get("spec"))
    kind, name = text(top.get("kind")).lower(), text(metadata.get("name"))
    if not kind or not name:
        return None
    namespace = (text(metadata.get("namespace")) or "default").lower()
    given = items(top.get("relations"))
    relations = tuple(_resolved(given, namespace)) if given else tuple(_shorthand(spec, namespace))
    return _Entity(_Ref(kind, namespace, name.lower()), name, text(spec.get("type")).lower(), tree, relations)


def _resolved(relations: Iterable[object], namespace: str) -> Iterator[tuple[str, _Ref]]:
    for relation in relations:
        tree = mapping(relation)
        target = text(tree.get("targetRef"))
        old = mapping(tree.get("target"))  # how servers before 1.0 wrote it
        if not target and text(old.get("name")):
            target = f"{text(old.get('kind'))}:{text(old.get('namespace')) or 'default'}/{text(old.get('name'))}"
        if target:
            yield text(tree.get("type")), _ref(target, "component", namespace)


#: Key of `spec`, relation, kind of what it names where the reference does not say.
_SHORTHAND = (
    ("owner", "ownedBy", "group"),
    ("system", "partOf", "system"),
    ("dependsOn", "dependsOn", "component"),
    ("dependencyOf", "dependencyOf", "component"),
    ("providesApis", "providesApi", "api"),
    ("consumesApis", "consumesApi", "api"),
)


def _shorthand(spec: object, namespace: str) -> Iterator[tuple[str, _Ref]]:
    for key, relation, kind in _SHORTHAND:
        value = mapping(spec).get(key)
        for item in items(value) if isinstance(value, list) else [value]:
            if text(item):
                yield relation, _ref(text(item), kind, namespace)


def _ref(written: str, kind: str, namespace: str) -> _Ref:
    """Read `[kind:][namespace/]name`."""
    head, colon, rest = written.partition(":")
    kind, rest = (head, rest) if colon else (kind, written)
    head, slash, name = rest.partition("/")
    return _Ref(kind.lower(), (head if slash else namespace).lower(), (name if slash else rest).lower())


def _providers(entities: dict[_Ref, _Entity]) -> dict[_Ref, list[_Ref]]:
    found: dict[_Ref, list[_Ref]] = {}
    for entity in entities.values():
        for relation, target in entity.relations:
            if relation == "providesApi":
                found.setdefault(target, []).append(entity.ref)
            elif relation == "apiProvidedBy":
                found.setdefault(entity.ref, []).append(target)
    return {api: sorted(set(holders)) for api, holders in found.items()}


def _edges(entities: dict[_Ref, _Entity]) -> Iterator[tuple[_Ref, _Ref, DependencyType]]:
    """Yield who depends on what; either end may be an API."""
    for entity in entities.values():
        for relation, target in entity.relations:
            if relation == "dependsOn":
                yield entity.ref, target, DependencyType.DEPENDS_ON
            elif relation == "dependencyOf":
                yield target, entity.ref, DependencyType.DEPENDS_ON
            elif relation == "consumesApi":
                yield entity.ref, target, DependencyType.CALLS
            elif relation == "apiConsumedBy":
                yield target, entity.ref, DependencyType.CALLS


def _joined(
    source: _Ref,
    to: _Ref,
    type_: DependencyType,
    entities: dict[_Ref, _Entity],
    providers: dict[_Ref, list[_Ref]],
    problems: list[str],
) -> Iterator[tuple[_Ref, _Ref, DependencyType]]:
    """Put the providers of an API in its place. Real catalogs also name a component where an API belongs."""
    if to.kind != "api" or source.kind == "api":
        yield source, to, type_
        return
    api = entities.get(to)
    # An API of events is read from: trouble comes to its readers as silence, not as failed calls.
    kind = DependencyType.CONSUMES if api is not None and api.type == "asyncapi" else DependencyType.CALLS
    if to not in providers:
        problems.append(f"{to}: nobody provides it, {source} consumes it")
    for provider in providers.get(to, ()):
        yield source, provider, kind


def _service(ref: _Ref, entities: dict[_Ref, _Entity]) -> str:
    """Return the name of a service or resource; empty for what cannot fail: libraries, systems, APIs, groups."""
    if ref.kind not in ("component", "resource"):
        return ""
    entity = entities.get(ref)
    if entity is not None and ref.kind == "component" and entity.type == "library":
        return ""
    return ref.name if entity is None else entity.name


def _found(entity: _Entity) -> FoundService:
    tree = mapping(entity.tree)
    metadata, spec = mapping(tree.get("metadata")), mapping(tree.get("spec"))
    annotations = mapping(metadata.get("annotations"))
    owner = next((ref for relation, ref in entity.relations if relation == "ownedBy"), None)
    system = next((ref for relation, ref in entity.relations if (relation, ref.kind) == ("partOf", "system")), None)
    aliases = [text(annotations.get(key)) for key in _ALIAS_ANNOTATIONS]
    return FoundService(
        name=entity.name,
        kind=_RESOURCES.get(entity.type, ServiceKind.SERVICE) if entity.ref.kind == "resource" else None,
        owner=owner.name if owner else _tail(spec.get("owner")),
        tier=tier(metadata.get("tags")),
        aliases=tuple(dict.fromkeys(alias for alias in aliases if alias and alias != entity.name)),
        system=system.name if system else _tail(spec.get("system")),
        namespace=entity.ref.namespace,
    )


def _tail(value: object) -> str | None:
    """Return the name of a reference."""
    return re.split(r"[:/]", text(value))[-1] or None
