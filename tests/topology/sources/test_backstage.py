"""Backstage: the joins and sloppiness of real catalogs, and pages whose cursor excludes the filter."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from correlator.errors import SourceError
from tests.topology.sources.payloads import edges, payload
from topology.graph import ServiceKind
from topology.sources import backstage


def entity(kind: str, name: str, relations: Sequence[tuple[str, str]] = (), **spec: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"name": name, "unknownField": {"x": 1}},
        "spec": spec,
        "relations": [{"type": relation, "targetRef": target} for relation, target in relations],
    }


def test_a_page_of_the_api_gives_edges_owners_and_other_names() -> None:
    findings = backstage.read(payload("backstage_entities_by_query.json"))
    assert edges(findings) == {"artist-web -> artist-lookup", "artist-lookup -> artists-db (depends_on)"}
    services = {service.name: service for service in findings.services}
    assert services["artists-db"].owner == "team-db" and services["artists-db"].kind is ServiceKind.DATASTORE
    assert services["artist-lookup"].system == "artist-engagement-portal"
    assert services["artist-lookup"].aliases == ("PLOOKUP",)
    assert findings.declared and not findings.problems


def test_the_integration_key_of_a_pager_stays_where_it_is() -> None:
    findings = backstage.read(payload("backstage_entities_by_query.json"))
    assert "0123456789abcdef0123456789abcdef" not in repr(findings)


def test_a_file_of_several_documents_is_read_in_its_shorthand() -> None:
    findings = backstage.read(payload("backstage_catalog_info_artist_lookup.yaml"))
    # The second names a component where an API belongs.
    assert edges(findings) == {"artist-lookup -> artists-db (depends_on)", "www-artist -> artist-lookup"}
    assert {service.owner for service in findings.services} == {"team-a"}


def test_an_api_stands_for_who_provides_it_and_one_of_events_is_read_from() -> None:
    findings = backstage.read_entities(
        [
            entity("Component", "web", [("consumesApi", "api:default/orders"), ("consumesApi", "api:default/feed")]),
            entity("Component", "orders", [("providesApi", "api:default/orders")]),
            entity("Component", "shipping"),
            entity("API", "orders", type="openapi"),
            entity("API", "feed", [("apiProvidedBy", "component:default/shipping")], type="asyncapi"),
        ]
    )
    assert edges(findings) == {"web -> orders", "web -> shipping (consumes)"}
    assert {service.name for service in findings.services} == {"web", "orders", "shipping"}


def test_both_directions_of_a_relation_are_one_dependency() -> None:
    findings = backstage.read_entities(
        [
            entity("Component", "Web", [("dependsOn", "component:default/db")]),
            entity("Component", "db", [("dependencyOf", "component:default/web")]),
        ]
    )
    # The catalog ignores the case of names; the name is written as in the entity.
    assert edges(findings) == {"Web -> db (depends_on)"}
    assert len(findings.dependencies) == 1


def test_libraries_systems_and_groups_are_no_services() -> None:
    relations = [("dependsOn", "component:default/lib"), ("dependsOn", "system:default/shop"), ("ownedBy", "user:jane")]
    findings = backstage.read_entities(
        [entity("Component", "web", relations), entity("Component", "lib", type="library"), entity("Group", "team-a")]
    )
    assert edges(findings) == set()
    assert [(service.name, service.owner) for service in findings.services] == [("web", "jane")]


def test_an_api_without_a_provider_is_reported() -> None:
    findings = backstage.read_entities([entity("Component", "web", [("consumesApi", "api:default/gone")])])
    assert edges(findings) == set()
    assert findings.problems == ("api:default/gone: nobody provides it, component:default/web consumes it",)


def test_namespaces_of_shorthand_are_those_of_the_entity() -> None:
    text = b"""
kind: Component
metadata: {name: web, namespace: shop, tags: [tier-2]}
spec: {type: service, owner: 'group:platform/core', consumesApis: [orders], dependencyOf: [component:other/portal]}
---
kind: Component
metadata: {name: orders-impl, namespace: shop}
spec: {type: service, providesApis: [orders]}
"""
    findings = backstage.read(text)
    assert edges(findings) == {"web -> orders-impl", "portal -> web (depends_on)"}
    web = findings.services[0]
    assert (web.owner, web.tier, web.namespace) == ("core", 2, "shop")


class Catalog:
    """Answers as `entities/by-query` does: a cursor with a filter beside it is refused."""

    def __init__(self, pages: list[list[dict[str, Any]]], *, endless: bool = False) -> None:
        self.pages = pages
        self.endless = endless
        self.asked: list[dict[str, list[str]]] = []

    async def __call__(self, path: str, query: Sequence[tuple[str, str]] = ()) -> bytes:
        assert path == "api/catalog/entities/by-query"
        asked: dict[str, list[str]] = {}
        for key, value in query:
            asked.setdefault(key, []).append(value)
        self.asked.append(asked)
        if "cursor" in asked and "filter" in asked:
            raise SourceError("status 400")
        number = int(asked.get("cursor", ["0"])[0])
        more = self.endless or number + 1 < len(self.pages)
        following = "7" if self.endless else str(number + 1)
        page = {"items": self.pages[number % len(self.pages)], "pageInfo": {"nextCursor": following} if more else {}}
        return json.dumps(page).encode()


async def test_every_page_is_read_and_a_cursor_comes_without_the_filter() -> None:
    catalog = Catalog(
        [
            [entity("Component", "web", [("dependsOn", "component:default/api")])],
            [entity("Component", "api", [("dependsOn", "resource:default/db")])],
            [entity("Resource", "db", type="database")],
        ]
    )
    findings = await backstage.fetch(catalog, 0)
    assert edges(findings) == {"web -> api (depends_on)", "api -> db (depends_on)"}
    assert catalog.asked[0]["filter"] == ["kind=component", "kind=resource", "kind=api"]
    assert [asked.get("cursor") for asked in catalog.asked] == [None, ["1"], ["2"]]


async def test_a_server_that_gives_the_same_cursor_again_is_left() -> None:
    catalog = Catalog([[entity("Component", "web")]], endless=True)
    assert len((await backstage.fetch(catalog, 0)).services) == 1
    assert len(catalog.asked) == 2


@pytest.mark.parametrize("answer", [b"", b"{}", b"[]", b'{"items": 3}', b"<html>", b"\xff"])
async def test_what_is_no_page_is_refused(answer: bytes) -> None:
    async def get(path: str, query: Sequence[tuple[str, str]] = ()) -> bytes:
        return answer

    with pytest.raises(SourceError):
        await backstage.fetch(get, 0)
