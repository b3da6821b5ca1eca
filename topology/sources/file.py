"""The topology file, JSON or YAML (contract `topology.schema.json`): all its problems are reported at once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from correlator.errors import TopologyError
from topology.findings import Findings, FoundDependency, FoundService
from topology.graph import Dependency, Service, ServiceGraph, TopologyDocument
from topology.sources.decoding import decode_text


def load(path: Path) -> ServiceGraph:
    """Read a topology file.

    Raises:
        TopologyError: naming every problem of the file with its place.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tree = decode_text(text) if path.suffix == ".json" else yaml.load(text, Loader=yaml.CSafeLoader)
    except (OSError, UnicodeError, RecursionError, json.JSONDecodeError, yaml.YAMLError) as error:
        raise TopologyError(str(path), [" ".join(str(error).split())]) from error
    return parse(tree, source=str(path))


def findings(graph: ServiceGraph, *, declared: bool) -> Findings:
    """Return a graph as what a source said."""
    document = graph.document
    return Findings(
        declared=declared,
        services=tuple(
            FoundService(
                name=service.name,
                kind=service.kind,
                owner=service.owner,
                tier=service.tier,
                aliases=service.aliases,
                system=service.system,
            )
            for service in document.services
        ),
        dependencies=tuple(
            FoundDependency(source=edge.source, to=edge.to, type=edge.type, strength=edge.strength)
            for edge in document.dependencies
        ),
        instances=dict(document.instances),
    )


def parse(tree: Any, *, source: str) -> ServiceGraph:
    """Build the graph from a decoded document.

    Raises:
        TopologyError: naming every problem with its place.
    """
    problems = list(_shape_problems(tree))
    services = list(_convert(tree, "services", Service, problems))
    edges = list(_convert(tree, "dependencies", Dependency, problems))
    instances = tree.get("instances", {}) if isinstance(tree, Mapping) else {}
    if isinstance(instances, Mapping):
        bad = [name for name, service in instances.items() if not (isinstance(name, str) and isinstance(service, str))]
        problems += [f"instances.{name}: must name a service, both as text" for name in sorted(map(str, bad))]
        instances = {name: service for name, service in instances.items() if isinstance(name, str)}
    else:
        problems.append("instances: must be a mapping of instance to service")
        instances = {}
    problems += _meaning_problems(services, edges, instances)
    if problems:
        raise TopologyError(source, problems)
    return ServiceGraph(
        TopologyDocument(services=tuple(services), dependencies=tuple(edges), instances=dict(instances))
    )


def write(document: TopologyDocument, *, as_json: bool) -> str:
    """Return a topology as the text of a file."""
    tree = msgspec.to_builtins(document)
    if as_json:
        return json.dumps(tree, indent=1, ensure_ascii=False) + "\n"
    return str(yaml.dump(tree, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=120))


def _shape_problems(tree: Any) -> Iterator[str]:
    if not isinstance(tree, Mapping):
        yield "(document): must be a mapping with services and dependencies"
        return
    for key in ("services", "dependencies"):
        if key not in tree:
            yield f"{key}: missing"
        elif not isinstance(tree[key], list):
            yield f"{key}: must be a list"
    for key in sorted(str(key) for key in tree if key not in ("services", "dependencies", "instances")):
        yield f"{key}: unknown key"


def _convert(tree: Any, key: str, kind: type[Any], problems: list[str]) -> Iterator[Any]:
    items = tree.get(key) if isinstance(tree, Mapping) else None
    for position, item in enumerate(items if isinstance(items, list) else ()):
        place = f"{key}[{position}]"
        try:
            value = msgspec.convert(item, kind)
        except msgspec.ValidationError as error:
            problems.append(f"{place}: {error}")
            continue
        problems += [f"{place}.{problem}" for problem in _range_problems(value)]
        yield value


def _range_problems(value: Service | Dependency) -> Iterator[str]:
    if isinstance(value, Service):
        if not value.name:
            yield "name: empty"
        if value.tier is not None and value.tier < 1:
            yield f"tier: must be at least 1, is {value.tier}"
    elif value.strength is not None and not 0 < value.strength <= 1:
        yield f"strength: must be above 0 and at most 1, is {value.strength}"


def _meaning_problems(services: list[Service], edges: list[Dependency], instances: Mapping[str, Any]) -> Iterator[str]:
    names = Counter(service.name for service in services)
    for name, count in sorted(names.items()):
        if count > 1:
            yield f"services: {name!r} stands {count} times"
    owners: dict[str, str] = {}
    for service in services:
        for alias in service.aliases:
            other = alias if alias in names else owners.setdefault(alias, service.name)
            if other != service.name:
                yield f"services: alias {alias!r} of {service.name!r} already names {other!r}"
    for position, edge in enumerate(edges):
        for end, name in (("from", edge.source), ("to", edge.to)):
            if name not in names:
                yield f"dependencies[{position}].{end}: no service {name!r}"
    for instance, service_name in sorted(instances.items()):
        if isinstance(service_name, str) and service_name not in names:
            yield f"instances.{instance}: no service {service_name!r}"
