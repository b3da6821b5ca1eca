"""Merging: the same claims give the same graph, contradictions are reported, and the result is a valid topology."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topology.drift import drift, report
from topology.findings import Findings, FoundDependency, FoundService
from topology.graph import Dependency, DependencyType, ServiceGraph, ServiceKind
from topology.merge import Merged, merge
from topology.sources.file import parse


def declared(*edges: str, services: list[FoundService] | None = None, **instances: str) -> Findings:
    return Findings(
        declared=True, dependencies=tuple(map(dependency, edges)), services=tuple(services or ()), instances=instances
    )


def observed(*edges: str, services: list[FoundService] | None = None, **options: Any) -> Findings:
    return Findings(
        declared=False,
        dependencies=tuple(dependency(edge, **{"calls": 100, **options}) for edge in edges),
        services=tuple(services or ()),
    )


def dependency(written: str, **options: Any) -> FoundDependency:
    source, to, *type_ = written.split()
    return FoundDependency(source=source, to=to, type=DependencyType(type_[0] if type_ else "calls"), **options)


def pairs(merged: Merged) -> set[str]:
    return {f"{edge.source} {edge.to} {edge.type}" for edge in merged.document.dependencies}


def test_one_dependency_of_several_sources_is_one_with_all_its_witnesses() -> None:
    merged = merge(
        {"traces": observed("web api"), "mesh": observed("web api", calls=3), "catalog": declared("web api")}
    )
    assert merged.document.dependencies == (Dependency(source="web", to="api"),)
    (edge,) = merged.provenance
    assert (edge.declared_by, edge.observed_by) == (("catalog",), ("mesh", "traces"))
    assert (edge.confidence, edge.calls) == (1, 100)


def test_observers_together_are_surer_than_each_alone() -> None:
    one = merge({"a": observed("web api", calls=2)}).provenance[0].confidence
    two = merge({"a": observed("web api", calls=2), "b": observed("web api", calls=2)}).provenance[0].confidence
    assert one == pytest.approx(3 / 4)
    assert two == pytest.approx(1 - (1 / 4) ** 2)


def test_what_is_hardly_seen_is_left_out_but_told() -> None:
    merged = merge({"traces": observed("web proxy", calls=1, one_sided=True)})
    assert merged.document.dependencies == () and merged.document.services == ()
    assert [edge.to for edge in merged.weak] == ["proxy"]
    assert pairs(merge({"traces": observed("web proxy", calls=1, one_sided=True)}, min_confidence=0.5))


def test_a_vague_dependency_is_the_known_one_of_the_same_two() -> None:
    merged = merge({"catalog": declared("web db depends_on", "web x depends_on"), "traces": observed("web db")})
    assert pairs(merged) == {"web db calls", "web x depends_on"}
    assert merged.provenance[0].declared_by == ("catalog",) and merged.provenance[0].observed_by == ("traces",)


def test_names_that_one_source_knows_as_one_are_one_everywhere() -> None:
    catalog = declared(
        "web Payments", services=[FoundService(name="Payments", owner="team", aliases=("P123", "pay-svc"))]
    )
    pager = declared("web P123", services=[FoundService(name="Payments Service", aliases=("P123",))])
    merged = merge({"catalog": catalog, "pager": pager, "traces": observed("web pay-svc", "payments db")})
    assert pairs(merged) == {"web Payments calls", "Payments db calls"}
    payments = merged.document.services[0]
    assert payments.name == "Payments" and payments.owner == "team"
    # What is spelled otherwise in alerts still finds its service.
    assert payments.aliases == ("P123", "Payments Service", "pay-svc", "payments")
    graph = ServiceGraph(merged.document)
    assert {graph.resolve(name) for name in payments.aliases} == {"Payments"}


def test_two_services_of_one_source_are_never_made_one() -> None:
    catalog = declared(services=[FoundService(name="a"), FoundService(name="b")])
    other = declared("a c", services=[FoundService(name="a", aliases=("b",))])
    merged = merge({"catalog": catalog, "other": other})
    assert {service.name for service in merged.document.services} == {"a", "b", "c"}
    assert merged.conflicts == ("other: 'b' is an alias of 'a', but catalog has both 'a' and 'b'",)


def test_an_alias_of_two_services_is_a_conflict_and_stays_with_the_first() -> None:
    catalog = declared(services=[FoundService(name="a", aliases=("x",)), FoundService(name="b", aliases=("x",))])
    merged = merge({"catalog": catalog})
    assert [service.aliases for service in merged.document.services] == [("x",), ()]
    assert len(merged.conflicts) == 1


def test_aliases_of_the_configuration_stand_above_all() -> None:
    merged = merge({"traces": observed("web-v2 api", "web-v1 api")}, aliases={"web-v1": "web", "web-v2": "web"})
    assert pairs(merged) == {"web api calls"}
    assert merged.document.services[1].aliases == ("web-v1", "web-v2")


def test_an_owner_that_two_sources_disagree_about_is_reported_and_the_first_stands() -> None:
    first = declared(services=[FoundService(name="web", owner="shop", tier=1)])
    second = declared(services=[FoundService(name="web", owner="platform", tier=1, system="core")])
    merged = merge({"catalog": first, "pager": second})
    (web,) = merged.document.services
    assert (web.owner, web.tier, web.system) == ("shop", 1, "core")
    assert merged.conflicts == ("web: owner: catalog says shop, which stands; pager says platform",)


def test_what_is_declared_stands_above_what_is_observed_wherever_it_is_configured() -> None:
    seen = observed("web db", services=[FoundService(name="db", kind=ServiceKind.EXTERNAL)])
    merged = merge({"mesh": seen, "catalog": declared(services=[FoundService(name="db", kind=ServiceKind.DATASTORE)])})
    assert merged.document.services[0].kind is ServiceKind.DATASTORE
    assert merged.conflicts == ("db: kind: catalog says datastore, which stands; mesh says external",)


def test_services_that_only_their_namespace_keeps_apart_are_reported() -> None:
    catalog = declared(
        services=[FoundService(name="web", namespace="shop"), FoundService(name="web", namespace="bank")]
    )
    assert merge({"catalog": catalog}).conflicts == (
        "web: catalog has one in each of the namespaces bank, shop; taken for one",
    )


def test_instances_follow_their_service_and_nobody_else() -> None:
    merged = merge(
        {
            "k8s": declared(services=[FoundService(name="web", aliases=("w",))], pod="w", stray="gone"),
            "file": declared(services=[FoundService(name="api")], pod="api"),
        }
    )
    assert merged.document.instances == {"pod": "web"}
    assert merged.conflicts == ("instance pod: is of web; file says of api",)


_names = st.sampled_from(["a", "b", "c", "A", "d"])
_services = st.lists(
    st.builds(
        FoundService,
        name=_names,
        owner=st.none() | st.sampled_from(["x", "y"]),
        aliases=st.lists(_names, max_size=2).map(tuple),
    ),
    max_size=4,
)
_dependencies = st.lists(
    st.builds(
        FoundDependency,
        source=_names,
        to=_names,
        type=st.sampled_from(DependencyType),
        calls=st.none() | st.integers(0, 9),
        one_sided=st.booleans(),
    ),
    max_size=5,
)
_findings = st.builds(
    Findings,
    declared=st.booleans(),
    services=_services.map(tuple),
    dependencies=_dependencies.map(tuple),
    instances=st.dictionaries(st.sampled_from(["i", "j", "a"]), _names, max_size=2),
)


@given(st.dictionaries(st.sampled_from(["s1", "s2", "s3"]), _findings, max_size=3))
def test_whatever_is_merged_is_a_valid_topology(findings: dict[str, Findings]) -> None:
    merged = merge(findings)
    document = msgspec.json.decode(msgspec.json.encode(merged.document))
    graph = parse(document, source="merged")
    assert graph.version == ServiceGraph(merged.document).version
    named = {name for found in findings.values() for edge in found.dependencies for name in (edge.source, edge.to)}
    kept = {end for edge in merged.document.dependencies for end in (edge.source, edge.to)}
    assert kept <= named | {service.name for found in findings.values() for service in found.services} | {
        alias for found in findings.values() for service in found.services for alias in service.aliases
    }


@given(st.dictionaries(st.sampled_from(["s1", "s2"]), _findings, max_size=2), st.randoms(use_true_random=False))
def test_the_order_within_a_source_means_nothing(findings: dict[str, Findings], random: Any) -> None:
    def shuffled(found: Findings) -> Findings:
        services, edges = list(found.services), list(found.dependencies)
        random.shuffle(services)
        random.shuffle(edges)
        return msgspec.structs.replace(found, services=tuple(services), dependencies=tuple(edges))

    again = merge({source: shuffled(found) for source, found in findings.items()})
    assert ServiceGraph(again.document).version == ServiceGraph(merge(findings).document).version


def test_a_large_merge_stays_a_matter_of_seconds() -> None:
    edges = [f"s{number} s{number // step}" for number in range(1, 5000) for step in (2, 3, 5, 7)]
    merged = merge({"catalog": declared(*edges), "mesh": observed(*edges)})
    assert len(merged.document.services) == 5000
    assert all(edge.declared_by and edge.observed_by for edge in merged.provenance)


# -- drift -------------------------------------------------------------------------------------------------------


def test_drift_tells_apart_what_is_wrong_from_what_nobody_watches() -> None:
    merged = merge(
        {
            "catalog": declared("web api", "web gone", "batch db", "web node-1 runs_on"),
            "traces": observed("web api", "web cache", "new api"),
        }
    )
    found = drift(merged)
    assert found.agreed == 1 and not found.is_none
    short = [[f"{edge.source} {edge.to}" for edge in edges]
             for edges in (found.unseen, found.undeclared, found.unknown, found.unwatched)]  # fmt: skip
    assert short == [["web gone"], ["web cache"], ["new api"], ["batch db"]]


def test_the_drift_report_names_every_dependency_with_its_witnesses() -> None:
    merged = merge({"catalog": declared("web api", "web gone"), "traces": observed("web api", "web cache")})
    lines = list(report(drift(merged)))
    assert "  web -> gone  [catalog]" in lines
    assert "  web -> cache  [traces, 100 calls, confidence 0.99]" in lines
    assert lines[-1] == "declared and observed: 1"


def test_without_drift_nothing_is_reported_but_the_agreement() -> None:
    both = {"catalog": declared("web api"), "traces": observed("web api")}
    assert drift(merge(both)).is_none
    assert list(report(drift(merge(both)))) == ["declared and observed: 1"]
    assert list(itertools.islice(report(drift(merge({}))), 5)) == ["declared and observed: 0"]
